"""What SageMaker says of the endpoint."""

from botocore.exceptions import ClientError

from endpoint_wait.models import Description
from shared import aws


def describe(name: str) -> Description | None:
    """Return the endpoint's state, or None where there is no such endpoint."""
    try:
        response = aws.sagemaker().describe_endpoint(EndpointName=name)
    except ClientError as error:
        if aws.is_absent(error):
            return None
        raise
    return Description(
        status=response["EndpointStatus"],
        endpoint_config_name=response.get("EndpointConfigName", ""),
        failure_reason=response.get("FailureReason"),
    )
