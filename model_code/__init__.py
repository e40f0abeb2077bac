"""Model code: what the training, processing and serving containers run."""
