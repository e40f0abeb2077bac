"""SageMaker: jobs, models, endpoints and the registry, with the image of the model code."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from data.manifest import build_manifest, manifest_bytes
from data.synthesize import synthesize
from tests.contract.account import Aws, refused

VALIDATION = "ValidationException"
INSTANCE = "ml.m5.large"
CLUSTER = {"InstanceType": INSTANCE, "InstanceCount": 1, "VolumeSizeInGB": 10}
ROW = "M,0.455,0.365,0.095,0.514,0.2245,0.101,0.15"


@dataclass(frozen=True)
class Work:
    """A bucket with data, an image and a role: what jobs and endpoints are made of."""

    aws: Aws
    image: str
    role: str

    def train(self, end: str, **more: Any) -> dict[str, Any]:
        """Return the request for a training job."""
        aws = self.aws
        return {
            "TrainingJobName": aws.name(end),
            "AlgorithmSpecification": {"TrainingImage": self.image, "TrainingInputMode": "File"},
            "RoleArn": self.role,
            "HyperParameters": {"num_round": "3"},
            "InputDataConfig": [_channel(aws, each) for each in ("train", "validation")],
            "OutputDataConfig": {"S3OutputPath": f"s3://{aws.bucket}/out"},
            "ResourceConfig": CLUSTER,
            "StoppingCondition": {"MaxRuntimeInSeconds": 600},
            **more,
        }

    def process(self, end: str, command: str) -> dict[str, Any]:
        """Return the request for a processing job."""
        inside, uri = "/opt/ml/processing", f"s3://{self.aws.bucket}"
        given = {
            "S3Uri": f"{uri}/v1/",
            "LocalPath": f"{inside}/input/dataset",
            "S3DataType": "S3Prefix",
            "S3InputMode": "File",
        }
        written = {
            "S3Uri": f"{uri}/{end}",
            "LocalPath": f"{inside}/output/validation",
            "S3UploadMode": "EndOfJob",
        }
        return {
            "ProcessingJobName": self.aws.name(end),
            "AppSpecification": {"ImageUri": self.image, "ContainerArguments": [command]},
            "RoleArn": self.role,
            "ProcessingInputs": [{"InputName": "dataset", "S3Input": given}],
            "ProcessingOutputConfig": {
                "Outputs": [{"OutputName": "validation", "S3Output": written}]
            },
            "ProcessingResources": {"ClusterConfig": CLUSTER},
            "StoppingCondition": {"MaxRuntimeInSeconds": 600},
        }

    def trained(self, name: str) -> dict[str, Any]:
        """Wait for the end of a training job and return its description."""
        sagemaker = self.aws.client("sagemaker")

        def ended() -> dict[str, Any]:
            found: dict[str, Any] = sagemaker.describe_training_job(TrainingJobName=name)
            return found if found["TrainingJobStatus"] in ("Completed", "Failed", "Stopped") else {}

        job: dict[str, Any] = self.aws.until(ended, seconds=90)
        return job

    def processed(self, name: str) -> dict[str, Any]:
        """Wait for the end of a processing job and return its description."""
        sagemaker = self.aws.client("sagemaker")

        def ended() -> dict[str, Any]:
            found: dict[str, Any] = sagemaker.describe_processing_job(ProcessingJobName=name)
            status = found["ProcessingJobStatus"]
            return found if status in ("Completed", "Failed", "Stopped") else {}

        job: dict[str, Any] = self.aws.until(ended, seconds=90)
        return job


def _channel(aws: Aws, name: str) -> dict[str, Any]:
    source = {
        "S3DataType": "S3Prefix",
        "S3Uri": f"s3://{aws.bucket}/v1/{name}/",
        "S3DataDistributionType": "FullyReplicated",
    }
    return {
        "ChannelName": name,
        "ContentType": "text/csv",
        "DataSource": {"S3DataSource": source},
    }


@pytest.fixture
def work(aws: Aws, image: str, tmp_path: Path) -> Work:
    """Data in a bucket, and a role that may read it, pull images, write logs and models."""
    rows = synthesize().decode().splitlines(keepends=True)
    for name, part in (("train", rows[:400]), ("validation", rows[400:500])):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}.csv").write_text("".join(part))
    manifest = manifest_bytes(build_manifest(tmp_path, "v1"))
    (tmp_path / "_MANIFEST.json").write_bytes(manifest)
    for path in (each for each in tmp_path.rglob("*") if each.is_file()):
        key = f"v1/{path.relative_to(tmp_path).as_posix()}"
        aws.client("s3").put_object(Bucket=aws.bucket, Key=key, Body=path.read_bytes())
    bucket = f"arn:aws:s3:::{aws.bucket}"
    pull = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer", "ecr:BatchCheckLayerAvailability"]
    logs = ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"]
    role = aws.role(
        "sagemaker.amazonaws.com",
        (["s3:GetObject", "s3:PutObject"], f"{bucket}/*"),
        ("s3:ListBucket", bucket),
        (pull, aws.arn("ecr", "repository/*")),
        (["ecr:GetAuthorizationToken", "cloudwatch:PutMetricData"], "*"),
        ([*logs, "logs:DescribeLogStreams"], aws.arn("logs", "log-group:/aws/sagemaker/*")),
    )
    return Work(aws, image, role)


@pytest.mark.contract(
    *("sagemaker:CreateTrainingJob", "sagemaker:DescribeTrainingJob"),
    *("sagemaker:ListTrainingJobs", "sagemaker:StopTrainingJob"),
)
@pytest.mark.costs(INSTANCE, 0.2)
def test_training_jobs_that_complete_fail_and_are_stopped(work: Work) -> None:
    aws, sagemaker = work.aws, work.aws.client("sagemaker")
    request = work.train("done")
    name = request["TrainingJobName"]
    arn = sagemaker.create_training_job(**request)["TrainingJobArn"]
    assert arn == aws.arn("sagemaker", f"training-job/{name}")
    assert refused(sagemaker.create_training_job, **request) == "ResourceInUse"
    failing = work.train("bad", HyperParameters={"num_round": "none"})
    sagemaker.create_training_job(**failing)
    stopping = work.train("stop")
    sagemaker.create_training_job(**stopping)
    sagemaker.stop_training_job(TrainingJobName=stopping["TrainingJobName"])

    job = work.trained(name)
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    assert job["ModelArtifacts"]["S3ModelArtifacts"] == (
        f"s3://{aws.bucket}/out/{name}/output/model.tar.gz"
    )
    aws.client("s3").head_object(Bucket=aws.bucket, Key=f"out/{name}/output/model.tar.gz")
    assert job["BillableTimeInSeconds"] >= 0
    assert [each["Status"] for each in job["SecondaryStatusTransitions"]][-1] == "Completed"
    failed = work.trained(failing["TrainingJobName"])
    assert failed["TrainingJobStatus"] == "Failed"
    assert failed["FailureReason"].startswith("AlgorithmError: ")
    assert work.trained(stopping["TrainingJobName"])["TrainingJobStatus"] == "Stopped"
    listed = sagemaker.list_training_jobs(NameContains=aws.prefix, StatusEquals="Completed")
    assert [each["TrainingJobName"] for each in listed["TrainingJobSummaries"]] == [name]
    pages = sagemaker.get_paginator("list_training_jobs").paginate(
        NameContains=aws.prefix, SortBy="Name", PaginationConfig={"PageSize": 2}
    )
    assert [len(page["TrainingJobSummaries"]) for page in pages] == [2, 1]
    absent = {"TrainingJobName": aws.name("absent")}
    for call in (sagemaker.describe_training_job, sagemaker.stop_training_job):
        assert refused(call, **absent) == VALIDATION
    assert refused(sagemaker.create_training_job, **work.train("under_score")) == VALIDATION


@pytest.mark.contract(
    *("sagemaker:CreateProcessingJob", "sagemaker:DescribeProcessingJob"),
    *("sagemaker:ListProcessingJobs", "sagemaker:StopProcessingJob"),
)
@pytest.mark.costs(INSTANCE, 0.2)
def test_processing_jobs_that_complete_fail_and_are_stopped(work: Work) -> None:
    aws, sagemaker = work.aws, work.aws.client("sagemaker")
    request = work.process("done", "validate")
    name = request["ProcessingJobName"]
    sagemaker.create_processing_job(**request)
    assert refused(sagemaker.create_processing_job, **request) == "ResourceInUse"
    failing = work.process("bad", "no-such-command")
    sagemaker.create_processing_job(**failing)
    stopping = work.process("stop", "validate")
    sagemaker.create_processing_job(**stopping)
    sagemaker.stop_processing_job(ProcessingJobName=stopping["ProcessingJobName"])

    job = work.processed(name)
    assert job["ProcessingJobStatus"] == "Completed", job.get("FailureReason")
    written = aws.client("s3").list_objects_v2(Bucket=aws.bucket, Prefix="done/")
    assert written["KeyCount"] > 0
    failed = work.processed(failing["ProcessingJobName"])
    assert failed["ProcessingJobStatus"] == "Failed"
    assert failed["FailureReason"]
    assert work.processed(stopping["ProcessingJobName"])["ProcessingJobStatus"] == "Stopped"
    listed = sagemaker.list_processing_jobs(NameContains=aws.prefix, StatusEquals="Failed")
    found = [each["ProcessingJobName"] for each in listed["ProcessingJobSummaries"]]
    assert found == [failing["ProcessingJobName"]]
    absent = {"ProcessingJobName": aws.name("absent")}
    for call in (sagemaker.describe_processing_job, sagemaker.stop_processing_job):
        assert refused(call, **absent) == VALIDATION


@pytest.mark.contract(
    *("sagemaker:CreateModel", "sagemaker:DescribeModel", "sagemaker:ListModels"),
    *("sagemaker:DeleteModel", "sagemaker:CreateEndpointConfig", "sagemaker:ListEndpoints"),
    *("sagemaker:DescribeEndpointConfig", "sagemaker:ListEndpointConfigs"),
    *("sagemaker:DeleteEndpointConfig", "sagemaker:CreateEndpoint", "sagemaker:UpdateEndpoint"),
    *("sagemaker:DescribeEndpoint", "sagemaker:DeleteEndpoint", "sagemaker:InvokeEndpoint"),
)
@pytest.mark.costs(INSTANCE, 0.1)
@pytest.mark.costs("ml.t2.medium", 0.5)
def test_an_endpoint_from_a_trained_model_to_its_deletion(work: Work) -> None:
    aws, sagemaker = work.aws, work.aws.client("sagemaker")
    sagemaker.create_training_job(**work.train("model"))
    trained = work.trained(aws.name("model"))
    names = [_serving(work, end, trained["ModelArtifacts"]["S3ModelArtifacts"]) for end in "ab"]
    endpoint = {"EndpointName": aws.name("endpoint")}
    sagemaker.create_endpoint(**endpoint, EndpointConfigName=names[0])
    aws.later(_until_gone, work=work, endpoint=endpoint)
    assert refused(sagemaker.create_endpoint, **endpoint, EndpointConfigName=names[0]) == VALIDATION
    assert _settled(work, endpoint)["EndpointStatus"] == "InService"
    row = {"Body": ROW.encode(), "ContentType": "text/csv", "Accept": "text/csv"}
    answer = aws.client("sagemaker-runtime").invoke_endpoint(**endpoint, **row)
    assert float(answer["Body"].read()) > 0
    assert answer["InvokedProductionVariant"] == "AllTraffic"
    wrong = {**row, "Body": b"no,row"}
    assert refused(aws.client("sagemaker-runtime").invoke_endpoint, **endpoint, **wrong) == (
        "ModelError"
    )
    sagemaker.update_endpoint(**endpoint, EndpointConfigName=names[1])
    assert refused(sagemaker.update_endpoint, **endpoint, EndpointConfigName=names[0]) == VALIDATION
    updated = _settled(work, endpoint)
    assert (updated["EndpointStatus"], updated["EndpointConfigName"]) == ("InService", names[1])
    listed = sagemaker.list_endpoints(NameContains=aws.prefix)["Endpoints"]
    assert [each["EndpointName"] for each in listed] == [endpoint["EndpointName"]]
    for operation, key in (("list_models", "Models"), ("list_endpoint_configs", "EndpointConfigs")):
        assert len(getattr(sagemaker, operation)(NameContains=aws.prefix)[key]) == 2
    sagemaker.delete_endpoint(**endpoint)
    _until_gone(work, endpoint)
    for call in (sagemaker.describe_endpoint, sagemaker.delete_endpoint):
        assert refused(call, **endpoint) == VALIDATION


def _serving(work: Work, end: str, artifact: str) -> str:
    """Create a model and an endpoint configuration of one name, which is returned."""
    aws, sagemaker = work.aws, work.aws.client("sagemaker")
    name = aws.name(end)
    container = {"Image": work.image, "ModelDataUrl": artifact}
    model = {"ModelName": name, "PrimaryContainer": container, "ExecutionRoleArn": work.role}
    sagemaker.create_model(**model)
    aws.later(sagemaker.delete_model, ModelName=name)
    assert refused(sagemaker.create_model, **model) == VALIDATION
    described = sagemaker.describe_model(ModelName=name)
    assert described["PrimaryContainer"]["ModelDataUrl"] == artifact
    variant = {
        "VariantName": "AllTraffic",
        "ModelName": name,
        "InstanceType": "ml.t2.medium",
        "InitialInstanceCount": 1,
    }
    config = {"EndpointConfigName": name, "ProductionVariants": [variant]}
    sagemaker.create_endpoint_config(**config)
    aws.later(sagemaker.delete_endpoint_config, EndpointConfigName=name)
    assert refused(sagemaker.create_endpoint_config, **config) == VALIDATION
    found = sagemaker.describe_endpoint_config(EndpointConfigName=name)["ProductionVariants"]
    assert found[0].items() >= variant.items()
    for delete, key in (
        (sagemaker.delete_model, "ModelName"),
        (sagemaker.delete_endpoint_config, "EndpointConfigName"),
    ):
        assert refused(delete, **{key: aws.name("absent")}) == VALIDATION
    return name


def _settled(work: Work, endpoint: dict[str, str]) -> dict[str, Any]:
    sagemaker = work.aws.client("sagemaker")

    def settled() -> dict[str, Any]:
        found: dict[str, Any] = sagemaker.describe_endpoint(**endpoint)
        return found if found["EndpointStatus"] not in ("Creating", "Updating") else {}

    described: dict[str, Any] = work.aws.until(settled, seconds=90)
    return described


def _until_gone(work: Work, endpoint: dict[str, str]) -> None:
    """Delete an endpoint, which cannot be done while it changes, and wait until it is gone."""
    sagemaker = work.aws.client("sagemaker")

    def gone() -> bool:
        try:
            status = sagemaker.describe_endpoint(**endpoint)["EndpointStatus"]
            if status in ("InService", "Failed"):
                sagemaker.delete_endpoint(**endpoint)
        except sagemaker.exceptions.ClientError as error:
            return "Could not find" in str(error)
        return False

    work.aws.until(gone, seconds=90)
