"""DatasetSealer: a data set version that came without a manifest gets one."""
