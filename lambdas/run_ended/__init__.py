"""RunEnded: every execution, however it ended, leaves nothing behind and is told of once."""
