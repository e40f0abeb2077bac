"""The images that the model code's pipeline built last, as its parameter names them."""

from shared import aws

# What the parameter says from its creation to the first build.
NOT_BUILT = "none"


def published(parameter_name: str) -> str | None:
    """Return what the pipeline wrote of the images, or None while it has built none."""
    value = aws.ssm().get_parameter(Name=parameter_name)["Parameter"]["Value"]
    return None if value == NOT_BUILT else value
