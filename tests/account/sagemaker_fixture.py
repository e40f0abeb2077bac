"""Test images, and short ways to run things in an account: what the SageMaker tests share."""

import gzip
import io
import json
import tarfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from local_account.authorization.identities import Credentials
from local_account.environments import key_of
from local_account.sandbox import Sandbox
from local_account.service import Account
from local_account.services.sagemaker import SageMaker
from tests.account.roles import create_role
from tests.conftest import CACHE, ROOT, RunningAccount

PROGRAM = Path(__file__).with_name("container_program.py").read_bytes()
ROLE = "arn:aws:iam::123456789012:role/jobs"
"""What the jobs and models of the tests take; the fixture `lab` makes it."""


def layer(entries: dict[str, bytes]) -> bytes:
    """Return a layer: a tar.gz of files."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as tar:
        for name, body in entries.items():
            member = tarfile.TarInfo(name)
            member.size = len(body)
            tar.addfile(member, io.BytesIO(body))
    return gzip.compress(content.getvalue(), mtime=0)


def digest_of(content: bytes) -> str:
    return f"sha256:{sha256(content).hexdigest()}"


def push_blob(ecr: Any, repository: str, content: bytes) -> dict[str, Any]:
    """Upload a layer as docker does, in two parts."""
    upload = ecr.initiate_layer_upload(repositoryName=repository)["uploadId"]
    half = len(content) // 2
    for first, part in ((0, content[:half]), (half, content[half:])):
        ecr.upload_layer_part(
            repositoryName=repository,
            uploadId=upload,
            partFirstByte=first,
            partLastByte=first + len(part) - 1,
            layerPartBlob=part,
        )
    ecr.complete_layer_upload(
        repositoryName=repository, uploadId=upload, layerDigests=[digest_of(content)]
    )
    return {"digest": digest_of(content), "size": len(content)}


def manifest_of(config: dict[str, Any], layers: list[dict[str, Any]]) -> str:
    media = "application/vnd.docker"
    return json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": f"{media}.distribution.manifest.v2+json",
            "config": {"mediaType": f"{media}.container.image.v1+json", **config},
            "layers": [
                {"mediaType": f"{media}.image.rootfs.diff.tar.gzip", **blob} for blob in layers
            ],
        }
    )


LOCK = ROOT / "model_code/requirements.lock"


def push_image(ecr: Any, repository: str, tag: str, blob: bytes, environment: str = "") -> str:
    """Push an image of one layer, as a rootless build makes it, and return its URI by digest."""
    config = {
        "config": {
            "Entrypoint": ["python", "/opt/program/main.py"],
            "Env": ["FROM_IMAGE=yes", "PATH=/nowhere"],
            "WorkingDir": "/opt/program",
            "Labels": {
                "org.opencontainers.image.base.name": f"python:3.12-slim@sha256:{'0' * 64}",
                "embedded-account.builder": "rootless",
                "embedded-account.environment": environment or key_of(LOCK.read_bytes()),
            },
        }
    }
    manifest = manifest_of(
        push_blob(ecr, repository, json.dumps(config).encode()),
        [push_blob(ecr, repository, blob)],
    )
    ecr.put_image(repositoryName=repository, imageManifest=manifest, imageTag=tag)
    uri = ecr.describe_repositories(repositoryNames=[repository])["repositories"][0]
    return f"{uri['repositoryUri']}@{digest_of(manifest.encode())}"


@dataclass(kw_only=True)
class Lab:
    """An account with a bucket, an image and data, and short ways to run things in it."""

    account: RunningAccount
    image: str
    bucket: str
    clients: dict[str, Any] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        if service not in self.clients:
            self.clients[service] = self.account.client(service)
        return self.clients[service]

    def training_request(self, name: str, **hyperparameters: str) -> dict[str, Any]:
        source = {
            "S3DataType": "S3Prefix",
            "S3Uri": f"s3://{self.bucket}/v1.0/train/",
            "S3DataDistributionType": "FullyReplicated",
        }
        return {
            "TrainingJobName": name,
            "AlgorithmSpecification": {
                "TrainingImage": self.image,
                "TrainingInputMode": "File",
                "MetricDefinitions": [{"Name": "validation:rmse", "Regex": "rmse=([0-9.eE+-]+)"}],
            },
            "RoleArn": ROLE,
            "InputDataConfig": [
                {
                    "ChannelName": "train",
                    "DataSource": {"S3DataSource": source},
                    "ContentType": "text/csv",
                }
            ],
            "OutputDataConfig": {"S3OutputPath": f"s3://{self.bucket}/out"},
            "ResourceConfig": {
                "InstanceType": "ml.m5.xlarge",
                "InstanceCount": 1,
                "VolumeSizeInGB": 30,
            },
            "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
            "HyperParameters": hyperparameters,
        }

    def train(self, name: str, **hyperparameters: str) -> dict[str, Any]:
        """Run a training job to its end and return its description."""
        sagemaker = self.client("sagemaker")
        sagemaker.create_training_job(**self.training_request(name, **hyperparameters))
        return self.ended_training(name)

    def ended_training(self, name: str) -> dict[str, Any]:
        def ended() -> dict[str, Any] | None:
            job = self.client("sagemaker").describe_training_job(TrainingJobName=name)
            return job if job["TrainingJobStatus"] in ("Completed", "Failed", "Stopped") else None

        job: dict[str, Any] = until(ended)
        return job

    def processing_request(self, name: str, **environment: str) -> dict[str, Any]:
        cluster = {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 30}
        return {
            "ProcessingJobName": name,
            "ProcessingResources": {"ClusterConfig": cluster},
            "AppSpecification": {
                "ImageUri": self.image,
                "ContainerArguments": ["validate", "--strict"],
            },
            "RoleArn": ROLE,
            "Environment": environment,
            "ProcessingInputs": [
                {
                    "InputName": "dataset",
                    "S3Input": {
                        "S3Uri": f"s3://{self.bucket}/v1.0/",
                        "LocalPath": "/opt/ml/processing/input/dataset",
                        "S3DataType": "S3Prefix",
                        "S3InputMode": "File",
                    },
                }
            ],
            "ProcessingOutputConfig": {
                "Outputs": [
                    {
                        "OutputName": "result",
                        "S3Output": {
                            "S3Uri": f"s3://{self.bucket}/{name}",
                            "LocalPath": "/opt/ml/processing/output/result",
                            "S3UploadMode": "EndOfJob",
                        },
                    }
                ]
            },
        }

    def process(self, request: dict[str, Any]) -> dict[str, Any]:
        """Run a processing job to its end and return its description."""
        self.client("sagemaker").create_processing_job(**request)
        return self.ended_processing(request["ProcessingJobName"])

    def ended_processing(self, name: str) -> dict[str, Any]:
        def ended() -> dict[str, Any] | None:
            job = self.client("sagemaker").describe_processing_job(ProcessingJobName=name)
            return job if job["ProcessingJobStatus"] in ("Completed", "Failed", "Stopped") else None

        job: dict[str, Any] = until(ended)
        return job

    def config(self, name: str, answer: str, *, isolated: bool = True, **container: Any) -> str:
        """Create a model that answers `answer`, and an endpoint configuration of it."""
        key = f"models/{name}/model.tar.gz"
        archive = layer({"model.txt": answer.encode()})
        self.client("s3").put_object(Bucket=self.bucket, Key=key, Body=archive)
        sagemaker = self.client("sagemaker")
        container = {
            "Image": self.image,
            "ModelDataUrl": f"s3://{self.bucket}/{key}",
            "Environment": {"MARK": f"mark-of-{name}"},
            **container,
        }
        sagemaker.create_model(
            ModelName=name,
            PrimaryContainer=container,
            ExecutionRoleArn=ROLE,
            EnableNetworkIsolation=isolated,
        )
        variant = {
            "VariantName": "AllTraffic",
            "ModelName": name,
            "InstanceType": "ml.m5.large",
            "InitialInstanceCount": 1,
        }
        sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
        return name

    def endpoint(self, name: str, *statuses: str) -> dict[str, Any]:
        """Wait until an endpoint is in one of the statuses, and return its description."""

        def reached() -> dict[str, Any] | None:
            found = self.client("sagemaker").describe_endpoint(EndpointName=name)
            return found if found["EndpointStatus"] in statuses else None

        endpoint: dict[str, Any] = until(reached)
        return endpoint

    def invoke(self, name: str, body: str, **headers: str) -> Any:
        return self.client("sagemaker-runtime").invoke_endpoint(
            EndpointName=name, Body=body.encode(), ContentType="text/csv", **headers
        )

    def log(self, group: str, prefix: str) -> list[str]:
        logs = self.client("logs")
        try:
            streams = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=prefix)
        except logs.exceptions.ResourceNotFoundException:
            return []
        events = [
            logs.get_log_events(logGroupName=group, logStreamName=stream["logStreamName"])["events"]
            for stream in streams["logStreams"]
        ]
        return [event["message"] for event in sum(events, [])]


def until(ready: Callable[[], Any], seconds: float = 30) -> Any:
    """Return what `ready` returns as soon as it is something."""
    deadline = time.monotonic() + seconds
    while (found := ready()) is None:
        assert time.monotonic() < deadline, f"not ready after {seconds} s"
        time.sleep(0.05)
    return found


@pytest.fixture(scope="module")
def lab(account: RunningAccount, request: pytest.FixtureRequest) -> Lab:
    """The account with a repository, an image and a bucket with data for one test module."""
    name = request.module.__name__.rpartition(".")[2].replace("_", "-")
    create_role(account, "jobs", "sagemaker")
    ecr, s3 = account.client("ecr"), account.client("s3")
    ecr.create_repository(repositoryName=name, imageTagMutability="IMMUTABLE")
    image = push_image(ecr, name, "v1", layer({"opt/program/main.py": PROGRAM}))
    s3.create_bucket(Bucket=name)
    for key in ("_MANIFEST.json", "train/train.csv", "train/deep/more.csv", "validation/v.csv"):
        s3.put_object(Bucket=name, Key=f"v1.0/{key}", Body=key.encode())
    return Lab(account=account, image=image, bucket=name)


@dataclass(kw_only=True)
class DirectLab(Lab):
    """The same, but with a SageMaker plane in the test's own process, and its events."""

    plane: SageMaker
    emitted: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)

    def client(self, service: str) -> Any:
        if service != "sagemaker":
            return super().client(service)
        return _Direct(self.plane)


class Administrator:
    """Stands for the identities, which are those of the running account's process."""

    def __init__(self, account: Account) -> None:
        self._own = Credentials(account.access_key_id, account.secret_access_key)

    def of_role(self, *_: str) -> Credentials:
        return self._own

    def require(self, *_: str, **__: Any) -> None:
        """The administrator may do anything."""


class _Direct:
    """Calls a plane under boto3's names."""

    def __init__(self, plane: SageMaker) -> None:
        self._plane = plane

    def __getattr__(self, name: str) -> Callable[..., dict[str, Any]]:
        operation = "".join(word.capitalize() for word in name.split("_"))
        return lambda **params: self._plane.call(operation, params)


@pytest.fixture(params=["bwrap", "process"])
def direct(lab: Lab, request: pytest.FixtureRequest) -> Iterator[DirectLab]:
    """A plane with the isolation of the parameter, on the running account's other services."""
    if request.param == "bwrap" and Sandbox().isolation != "bwrap":
        pytest.skip("bubblewrap does not work on this machine")
    contact = {name: value for name, value in lab.account.contact.items() if name != "pid"}
    state = lab.account.log.parent / "state"
    account = Account(**contact, state=state, cache=CACHE)
    vars(account)["identities"] = Administrator(account)
    emitted: list[tuple[str, str, dict[str, Any]]] = []
    plane = SageMaker(account, lambda *event: emitted.append(event), request.param)
    yield DirectLab(
        account=lab.account, image=lab.image, bucket=lab.bucket, plane=plane, emitted=emitted
    )
    plane.close()
