"""As much of SageMaker as RunEnded and the reconciler ask: resources by name, and their ways."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

STARTED = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
ARN = "arn:aws:states:eu-west-1:111122223333:execution:m:v1-0-0123456789abcdef"
PACKAGE = "arn:aws:sagemaker:eu-west-1:111122223333:model-package/demo-model-group/3"
ENDPOINT = "demo-staging"
Document = dict[str, Any]


def refusal(code: str, message: str, operation: str = "X") -> ClientError:
    response = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": 400},
    }
    return ClientError(response, operation)  # type: ignore[arg-type]


def absent(what: str) -> ClientError:
    return refusal("ValidationException", f'Could not find {what} "arn:aws:x".')


class Pages:
    """A paginator whose pages hold one entry each."""

    def __init__(self, member: str, entries: Callable[..., Iterator[Document]]) -> None:
        self._member, self._entries = member, entries

    def paginate(self, **parameters: Any) -> Iterator[Document]:
        for entry in self._entries(**parameters):
            yield {self._member: [entry]}
        yield {self._member: []}


class SageMaker:
    """Jobs, versions, and one endpoint in its ways."""

    def __init__(self) -> None:
        self.training_jobs: dict[str, str] = {}
        self.processing_jobs: dict[str, str] = {}
        self.packages: dict[str, Document] = {}
        self.endpoints: dict[str, Document] = {}
        self.configs: dict[str, Document] = {}
        self.models: dict[str, datetime] = {}
        self.foreign_models: set[str] = set()
        self.former_fails = False

    def add_config(self, name: str, *models: str, minutes: int = 0) -> None:
        created = STARTED + timedelta(minutes=minutes)
        variants = [{"ModelName": model} for model in models or (name,)]
        self.configs[name] = {
            "EndpointConfigName": name,
            "CreationTime": created,
            "ProductionVariants": variants,
        }
        for model in models or (name,):
            self.models.setdefault(model, created)

    def add_endpoint(self, status: str, config: str, name: str = ENDPOINT, **more: Any) -> None:
        self.endpoints[name] = {
            "EndpointName": name,
            "EndpointStatus": status,
            "EndpointConfigName": config,
            "LastModifiedTime": STARTED,
            **more,
        }

    def add_package(self, status: str = "PendingManualApproval", owner: str = ARN) -> None:
        self.packages[PACKAGE] = {
            "ModelPackageArn": PACKAGE,
            "ModelApprovalStatus": status,
            "CustomerMetadataProperties": {"execution_arn": owner},
        }

    def settle(self) -> None:
        """Let time pass: what is changing comes to rest."""
        for name, endpoint in list(self.endpoints.items()):
            if endpoint["EndpointStatus"] == "Deleting":
                del self.endpoints[name]
            elif endpoint["EndpointStatus"] in ("Updating", "Creating"):
                config = endpoint.pop("next", endpoint["EndpointConfigName"])
                endpoint["EndpointStatus"] = "InService"
                if not self.former_fails:
                    endpoint["EndpointConfigName"] = config

    def describe_training_job(self, TrainingJobName: str) -> Document:
        if TrainingJobName not in self.training_jobs:
            raise refusal("ValidationException", "Requested resource not found.")
        return {"TrainingJobStatus": self.training_jobs[TrainingJobName]}

    def stop_training_job(self, TrainingJobName: str) -> None:
        if self.training_jobs[TrainingJobName] != "InProgress":
            raise refusal("ValidationException", "The request was rejected")
        self.training_jobs[TrainingJobName] = "Stopping"

    def describe_processing_job(self, ProcessingJobName: str) -> Document:
        if ProcessingJobName not in self.processing_jobs:
            raise refusal("ResourceNotFound", "no")
        return {"ProcessingJobStatus": self.processing_jobs[ProcessingJobName]}

    def stop_processing_job(self, ProcessingJobName: str) -> None:
        if self.processing_jobs[ProcessingJobName] != "InProgress":
            raise refusal("ValidationException", "The request was rejected")
        self.processing_jobs[ProcessingJobName] = "Stopping"

    def describe_model_package(self, ModelPackageName: str) -> Document:
        if ModelPackageName not in self.packages:
            raise refusal("ValidationException", f"ModelPackage {ModelPackageName} does not exist.")
        return self.packages[ModelPackageName]

    def update_model_package(self, ModelPackageArn: str, **changes: Any) -> None:
        assert len(changes["ApprovalDescription"]) <= 1024
        self.packages[ModelPackageArn].update(changes)

    def describe_endpoint(self, EndpointName: str) -> Document:
        if EndpointName not in self.endpoints:
            raise absent("endpoint")
        return dict(self.endpoints[EndpointName])

    def update_endpoint(self, EndpointName: str, EndpointConfigName: str) -> None:
        endpoint = self._settled(EndpointName)
        if EndpointConfigName not in self.configs:
            raise absent("endpoint configuration")
        endpoint.update({"EndpointStatus": "Updating", "next": EndpointConfigName})

    def delete_endpoint(self, EndpointName: str) -> None:
        self._settled(EndpointName)["EndpointStatus"] = "Deleting"

    def _settled(self, name: str) -> Document:
        if name not in self.endpoints:
            raise absent("endpoint")
        if self.endpoints[name]["EndpointStatus"] not in ("InService", "Failed"):
            raise refusal("ValidationException", "Cannot update in-progress endpoint.")
        return self.endpoints[name]

    def describe_endpoint_config(self, EndpointConfigName: str) -> Document:
        if EndpointConfigName not in self.configs:
            raise absent("endpoint configuration")
        return self.configs[EndpointConfigName]

    def delete_endpoint_config(self, EndpointConfigName: str) -> None:
        used = [endpoint["EndpointConfigName"] for endpoint in self.endpoints.values()]
        used += [endpoint.get("next", "") for endpoint in self.endpoints.values()]
        assert EndpointConfigName not in used, "a config in use must never be deleted"
        if self.configs.pop(EndpointConfigName, None) is None:
            raise absent("endpoint configuration")

    def describe_model(self, ModelName: str) -> Document:
        if ModelName not in self.models:
            raise absent("model")
        bucket = "somebodys" if ModelName in self.foreign_models else "b"
        artifact = {"ModelDataUrl": f"s3://{bucket}/runs/k/1/model.tar.gz"}
        return {"CreationTime": self.models[ModelName], "PrimaryContainer": artifact}

    def delete_model(self, ModelName: str) -> None:
        if self.models.pop(ModelName, None) is None:
            raise absent("model")

    def get_paginator(self, operation: str) -> Pages:
        return {
            "list_endpoints": Pages("Endpoints", self._listed_endpoints),
            "list_endpoint_configs": Pages("EndpointConfigs", self._listed_configs),
            "list_model_packages": Pages("ModelPackageSummaryList", self._listed_packages),
        }[operation]

    def _listed_endpoints(self, LastModifiedTimeAfter: datetime) -> Iterator[Document]:
        for endpoint in list(self.endpoints.values()):
            if endpoint["LastModifiedTime"] > LastModifiedTimeAfter:
                yield endpoint

    def _listed_configs(
        self, CreationTimeAfter: datetime | None = None, NameContains: str = ""
    ) -> Iterator[Document]:
        for name, config in list(self.configs.items()):
            is_new = CreationTimeAfter is None or config["CreationTime"] > CreationTimeAfter
            if is_new and NameContains in name:
                yield config

    def _listed_packages(self, **parameters: Any) -> Iterator[Document]:
        assert parameters["ModelPackageGroupName"] == "demo-model-group"
        yield from list(self.packages.values())
