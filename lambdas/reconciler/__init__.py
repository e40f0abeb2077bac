"""Reconciler: what an event was lost for is found by looking, and handed to who acts on it."""
