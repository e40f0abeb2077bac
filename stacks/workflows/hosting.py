"""Tasks that put a model on an endpoint, with the exact parameters of the API."""

from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from stacks.settings import EndpointSettings
from stacks.workflows import retries
from stacks.workflows.tasks import Parameters, Surroundings, task

# The request itself: what it starts is awaited by another state.
REQUEST_SECONDS = 120
VARIANT = "AllTraffic"


def create_model(
    scope: Construct,
    state_id: str,
    *,
    role_arn: str,
    surroundings: Surroundings,
    result_path: str,
) -> sfn.CustomState:
    """Bind the model artifact to the image that serves it."""
    return task(
        scope,
        state_id,
        "sagemaker:createModel",
        {
            "ModelName.$": "$.run.name",
            "ExecutionRoleArn": role_arn,
            "PrimaryContainer": {
                "Image.$": "$.run.image.training",
                "ModelDataUrl.$": "$.training.model_data_url",
            },
            "EnableNetworkIsolation": True,
            **surroundings.vpc,
            **surroundings.tags,
        },
        retry=retries.SAGEMAKER,
        timeout_seconds=REQUEST_SECONDS,
        result={"arn": "$.ModelArn"},
        result_path=result_path,
    )


def create_endpoint_config(
    scope: Construct,
    state_id: str,
    endpoint: EndpointSettings,
    *,
    kms_key_arn: str,
    surroundings: Surroundings,
    result_path: str,
) -> sfn.CustomState:
    """Say how the run's model is served."""
    variant = {
        "VariantName": VARIANT,
        "ModelName.$": "$.run.name",
        "InstanceType": endpoint.instance_type,
        "InitialInstanceCount": endpoint.instance_count,
        "InitialVariantWeight": 1,
        "ContainerStartupHealthCheckTimeoutInSeconds": endpoint.startup_timeout_seconds,
    }
    return task(
        scope,
        state_id,
        "sagemaker:createEndpointConfig",
        {
            "EndpointConfigName.$": "$.run.name",
            "KmsKeyId": kms_key_arn,
            "ProductionVariants": [variant],
            **surroundings.tags,
        },
        retry=retries.SAGEMAKER,
        timeout_seconds=REQUEST_SECONDS,
        result={"arn": "$.EndpointConfigArn"},
        result_path=result_path,
    )


def deploy_endpoint(
    scope: Construct,
    state_id: str,
    *,
    action: str,
    endpoint_name: str,
    tags: Parameters,
    result_path: str,
) -> sfn.CustomState:
    """Create or update the endpoint with the run's endpoint config; it is ready later."""
    return task(
        scope,
        state_id,
        f"sagemaker:{action}",
        {"EndpointName": endpoint_name, "EndpointConfigName.$": "$.run.name", **tags},
        retry=retries.SAGEMAKER,
        timeout_seconds=REQUEST_SECONDS,
        result={"arn": "$.EndpointArn"},
        result_path=result_path,
    )
