"""Requests to the endpoint."""

from botocore.exceptions import ClientError

from shared import aws
from shared.errors import ModelTestFailed


def predict(endpoint_name: str, body: str, content_type: str) -> str:
    """Send rows and return the answer's text.

    Raises
    ------
    ModelTestFailed
        If the container refuses the rows or fails.
    """
    try:
        response = aws.sagemaker_runtime().invoke_endpoint(
            EndpointName=endpoint_name,
            Body=body.encode(),
            ContentType=content_type,
            Accept=content_type,
        )
    except ClientError as error:
        if aws.error_code(error) != "ModelError":
            raise
        raise ModelTestFailed(
            f"Endpoint {endpoint_name} answered {error.response.get('OriginalStatusCode')}: "
            f"{error.response.get('OriginalMessage')}. Look at log group "
            f"/aws/sagemaker/Endpoints/{endpoint_name}."
        ) from error
    return response["Body"].read().decode()
