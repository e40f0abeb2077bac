"""Typed tasks with the exact parameters of the SageMaker APIs, which CDK's own tasks lack.

A name that ends in `.$` takes its value from the execution's state.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aws_cdk import Aws
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from stacks.constructs.organisation import key_values, mandatory_tags
from stacks.constructs.python_function import PythonFunction
from stacks.settings import (
    AccountSettings,
    EndpointSettings,
    JobSettings,
    ProjectSettings,
    TrainingSettings,
)
from stacks.workflows import retries

# A job may wait this long for its instance before its own clock starts.
PROVISIONING_SECONDS = 1800
# The request itself: what it starts is awaited by another state.
REQUEST_SECONDS = 120
VARIANT = "AllTraffic"

Parameters = Mapping[str, Any]


@dataclass(frozen=True)
class Surroundings:
    """What the organisation asks of everything that the state machine creates."""

    project: ProjectSettings
    account: AccountSettings

    @property
    def tags(self) -> Parameters:
        """The tags, as a parameter of every Create* call."""
        return {"Tags": key_values(mandatory_tags(self.project, self.account))}

    @property
    def vpc(self) -> Parameters:
        """The network, as a parameter of jobs and models."""
        network = self.account.network
        if not network.subnet_ids:
            return {}
        return {
            "VpcConfig": {
                "SecurityGroupIds": list(network.security_group_ids),
                "Subnets": list(network.subnet_ids),
            }
        }


def _task(
    scope: Construct,
    state_id: str,
    resource: str,
    parameters: Parameters,
    *,
    retry: Sequence[retries.Retrier],
    timeout_seconds: int,
    result: Mapping[str, str],
    result_path: str,
) -> sfn.CustomState:
    state = {
        "Type": "Task",
        "Resource": f"arn:{Aws.PARTITION}:states:::{resource}",
        "Parameters": parameters,
        "ResultSelector": {f"{name}.$": path for name, path in result.items()},
        "ResultPath": result_path,
        "TimeoutSeconds": timeout_seconds,
        "Retry": list(retry),
    }
    return sfn.CustomState(scope, state_id, state_json=state)


def invoke_function(
    scope: Construct,
    state_id: str,
    function: PythonFunction,
    payload: Parameters,
    *,
    fields: Sequence[str],
    result_path: str,
    retry: Sequence[retries.Retrier] = (),
) -> sfn.CustomState:
    """Invoke a Lambda and keep the named fields of what it returns.

    `retry` comes on top of what every Lambda is retried for.
    """
    return _task(
        scope,
        state_id,
        "lambda:invoke",
        {"FunctionName": function.function_arn, "Payload": payload},
        retry=(*retries.LAMBDA, *retry),
        timeout_seconds=function.timeout_seconds + 30,
        result={field: f"$.Payload.{field}" for field in fields},
        result_path=result_path,
    )


def run_processing_job(
    scope: Construct,
    state_id: str,
    job: JobSettings,
    *,
    command: str,
    name_path: str,
    image_path: str,
    role_arn: str,
    inputs: Mapping[str, str],
    output: str,
    output_uri_path: str,
    kms_key_arn: str,
    surroundings: Surroundings,
    result_path: str,
) -> sfn.CustomState:
    """Run one command of the container as a processing job and wait for its end."""
    return _task(
        scope,
        state_id,
        "sagemaker:createProcessingJob.sync",
        {
            "ProcessingJobName.$": name_path,
            "AppSpecification": {"ImageUri.$": image_path, "ContainerArguments": [command]},
            "RoleArn": role_arn,
            "ProcessingInputs": [_processing_input(name, path) for name, path in inputs.items()],
            "ProcessingOutputConfig": {
                "KmsKeyId": kms_key_arn,
                "Outputs": [_processing_output(output, output_uri_path)],
            },
            "ProcessingResources": {
                "ClusterConfig": {
                    "InstanceCount": 1,
                    "InstanceType": job.instance_type,
                    "VolumeSizeInGB": job.volume_size_gb,
                    "VolumeKmsKeyId": kms_key_arn,
                }
            },
            "NetworkConfig": {"EnableNetworkIsolation": True, **surroundings.vpc},
            "StoppingCondition": {"MaxRuntimeInSeconds": job.max_runtime_seconds},
            **surroundings.tags,
        },
        retry=retries.SAGEMAKER,
        timeout_seconds=job.max_runtime_seconds + PROVISIONING_SECONDS,
        result={"job_name": "$.ProcessingJobName", "job_arn": "$.ProcessingJobArn"},
        result_path=result_path,
    )


def _processing_input(name: str, uri_path: str) -> Parameters:
    return {
        "InputName": name,
        "S3Input": {
            "S3Uri.$": uri_path,
            "LocalPath": f"/opt/ml/processing/input/{name}",
            "S3DataType": "S3Prefix",
            "S3InputMode": "File",
            "S3DataDistributionType": "FullyReplicated",
        },
    }


def _processing_output(name: str, uri_path: str) -> Parameters:
    return {
        "OutputName": name,
        "S3Output": {
            "S3Uri.$": uri_path,
            "LocalPath": f"/opt/ml/processing/output/{name}",
            "S3UploadMode": "EndOfJob",
        },
    }


def run_training_job(
    scope: Construct,
    state_id: str,
    job: TrainingSettings,
    *,
    metric: str,
    role_arn: str,
    kms_key_arn: str,
    surroundings: Surroundings,
    result_path: str,
) -> sfn.CustomState:
    """Train on the data set's two channels and wait for the model artifact."""
    return _task(
        scope,
        state_id,
        "sagemaker:createTrainingJob.sync",
        {
            "TrainingJobName.$": "$.run.name",
            "AlgorithmSpecification": {
                "TrainingImage.$": "$.run.image.training",
                "TrainingInputMode": "File",
                "MetricDefinitions": [_metric(channel, metric) for channel in CHANNELS],
            },
            "RoleArn": role_arn,
            "HyperParameters.$": "$.run.hyperparameters",
            "InputDataConfig": [_channel(channel) for channel in CHANNELS],
            "OutputDataConfig": {"S3OutputPath.$": "$.run.training_uri", "KmsKeyId": kms_key_arn},
            "ResourceConfig": {
                "InstanceCount": 1,
                "InstanceType": job.instance_type,
                "VolumeSizeInGB": job.volume_size_gb,
                "VolumeKmsKeyId": kms_key_arn,
            },
            **_runtime(job),
            "EnableNetworkIsolation": True,
            **surroundings.vpc,
            **surroundings.tags,
        },
        retry=retries.SAGEMAKER,
        timeout_seconds=longest_training_seconds(job),
        result={
            "job_name": "$.TrainingJobName",
            "job_arn": "$.TrainingJobArn",
            "model_data_url": "$.ModelArtifacts.S3ModelArtifacts",
        },
        result_path=result_path,
    )


def longest_training_seconds(job: TrainingSettings) -> int:
    """Return how long a training job may take, its wait for an instance included.

    A spot job may be interrupted and begin again: its two clocks run one after the other.
    """
    waiting = job.max_runtime_seconds if job.spot else 0
    return job.max_runtime_seconds + waiting + PROVISIONING_SECONDS


def _runtime(job: TrainingSettings) -> Parameters:
    stopping = {"MaxRuntimeInSeconds": job.max_runtime_seconds}
    if not job.spot:
        return {"StoppingCondition": stopping}
    stopping["MaxWaitTimeInSeconds"] = longest_training_seconds(job)
    return {"EnableManagedSpotTraining": True, "StoppingCondition": stopping}


CHANNELS = ("train", "validation")


def _metric(channel: str, metric: str) -> Parameters:
    return {"Name": f"{channel}:{metric}", "Regex": f"{channel}-{metric}=([0-9.eE+-]+)"}


def _channel(channel: str) -> Parameters:
    return {
        "ChannelName": channel,
        "ContentType.$": "$.run.dataset.content_type",
        "DataSource": {
            "S3DataSource": {
                "S3DataType": "S3Prefix",
                "S3Uri.$": f"$.run.dataset.{channel}_uri",
                "S3DataDistributionType": "FullyReplicated",
            }
        },
    }


def create_model(
    scope: Construct,
    state_id: str,
    *,
    role_arn: str,
    surroundings: Surroundings,
    result_path: str,
) -> sfn.CustomState:
    """Bind the model artifact to the image that serves it."""
    return _task(
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
    return _task(
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
    return _task(
        scope,
        state_id,
        f"sagemaker:{action}",
        {"EndpointName": endpoint_name, "EndpointConfigName.$": "$.run.name", **tags},
        retry=retries.SAGEMAKER,
        timeout_seconds=REQUEST_SECONDS,
        result={"arn": "$.EndpointArn"},
        result_path=result_path,
    )
