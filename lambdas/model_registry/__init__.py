"""RegisterModelVersion: a model version that waits for approval."""
