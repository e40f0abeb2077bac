"""State machines: states, transitions, retries and the permissions they need."""
