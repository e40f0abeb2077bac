"""SageMaker: jobs that really run, endpoints that really serve, and the model registry."""

from collections.abc import Mapping

from botocore import xform_name

from local_account.contained import Isolation
from local_account.service import Account, JsonService, Operation
from local_account.services.sagemaker import runtime
from local_account.services.sagemaker.endpoints import Endpoints
from local_account.services.sagemaker.models import Models
from local_account.services.sagemaker.plane import Emit, Plane
from local_account.services.sagemaker.processing import ProcessingJobs
from local_account.services.sagemaker.registry import ModelPackages
from local_account.services.sagemaker.tags import Tags
from local_account.services.sagemaker.training import TrainingJobs


class SageMaker(JsonService):
    """The SageMaker API and its runtime, each part of it in a module of its own.

    Attributes
    ----------
    isolation : "bwrap" or "process"
        How containers are kept apart from this machine.
    """

    service_name = "sagemaker"

    def __init__(self, account: Account, emit: Emit, isolation: Isolation | None = None) -> None:
        super().__init__(account)
        self._plane = Plane(account, emit, isolation)
        self.isolation = self._plane.sandbox.isolation
        packages = ModelPackages(self._plane)
        models = Models(self._plane, packages)
        self._endpoints = Endpoints(self._plane, models)
        jobs = (TrainingJobs(self._plane), ProcessingJobs(self._plane))
        self._parts = (*jobs, models, self._endpoints, packages, Tags(self._plane))

    def invoke_endpoint(self, name: str, headers: Mapping[str, str], body: bytes) -> runtime.Answer:
        """Answer InvokeEndpoint: status, headers and body."""
        return runtime.invoke(self.account, self._endpoints, name, headers, body)

    def close(self) -> None:
        """Stop every process that a job or an endpoint started."""
        self._plane.close()

    def _operation(self, operation: str) -> Operation | None:
        name = xform_name(operation)
        methods = (getattr(part, name, None) for part in self._parts)
        return next((method for method in methods if method), None)
