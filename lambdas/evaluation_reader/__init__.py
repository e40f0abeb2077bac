"""ReadEvaluation: the figures that the quality gate tests."""
