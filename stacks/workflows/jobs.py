"""Tasks that run a SageMaker job and wait for its end, with the exact parameters of the API."""

from collections.abc import Mapping

from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from stacks.settings import JobSettings, TrainingSettings
from stacks.workflows import retries
from stacks.workflows.tasks import Parameters, Surroundings, task

# A job may wait this long for its instance before its own clock starts.
PROVISIONING_SECONDS = 1800


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
    return task(
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
    return task(
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
