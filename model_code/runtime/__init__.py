"""The SageMaker container contract: what is read from and written to the base directory."""
