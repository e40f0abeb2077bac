"""AcquireStaging: one execution at a time deploys to the staging endpoint."""
