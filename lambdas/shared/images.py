"""The images that the model code's pipeline built last, as its parameter names them.

The pipeline's build alone writes the parameter: it does not exist before the first image.
"""

from datetime import datetime

from botocore.exceptions import ClientError

from shared import aws


def published(parameter_name: str) -> str | None:
    """Return what the pipeline wrote of the images, or None while it has built none."""
    try:
        return aws.ssm().get_parameter(Name=parameter_name)["Parameter"]["Value"]
    except ClientError as error:
        if _is_unwritten(error):
            return None
        raise


def first_published(parameter_name: str) -> datetime | None:
    """Return when the pipeline had built its first images, or None while it has built none.

    SSM keeps the last 100 values: of more builds, it is the oldest that is kept.
    """
    pages = aws.ssm().get_paginator("get_parameter_history").paginate(Name=parameter_name)
    try:
        return min(each["LastModifiedDate"] for page in pages for each in page["Parameters"])
    except ClientError as error:
        if _is_unwritten(error):
            return None
        raise


def _is_unwritten(error: ClientError) -> bool:
    return aws.error_code(error) == "ParameterNotFound"
