"""What the pipeline's stages hand on, and where CodePipeline keeps it."""

SOURCE, TESTED, BUILT = "SourceOutput", "TestOutput", "BuildOutput"
EXECUTION_INPUT = "train.json"
# CodePipeline cuts the names of artifacts in their keys.
NAME_LENGTH = 10


def artifact_keys(prefix: str, artifact: str) -> str:
    """Return a pattern of the keys of one artifact below the pipeline's prefix."""
    return f"{prefix}/{artifact[:NAME_LENGTH]}*"
