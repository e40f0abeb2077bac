"""The embedded account: one loopback process in which unmodified AWS clients do the real thing."""
