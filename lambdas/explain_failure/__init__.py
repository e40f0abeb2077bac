"""ExplainFailure: which error ended the run, and what to do about it."""
