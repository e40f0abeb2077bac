"""PrepareRun: which data, which image, which run key, or a duplicate."""
