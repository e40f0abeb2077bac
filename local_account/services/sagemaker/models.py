"""Models and endpoint configurations: what an endpoint is made of."""

from botocore.exceptions import ClientError

from local_account.images import ImageNotFound
from local_account.service import ServiceError
from local_account.services.sagemaker.data import split_uri
from local_account.services.sagemaker.plane import Plane, Record, Table, invalid, refuse, refuse_if
from local_account.services.sagemaker.registry import ModelPackages
from local_account.services.sagemaker.roles import ExecutionRole


class Models:
    """CreateModel, CreateEndpointConfig and what belongs to them."""

    def __init__(self, plane: Plane, packages: ModelPackages) -> None:
        self._plane, self._packages = plane, packages
        self._models = _table(plane, "Model", "model", "model")
        self._configs = _table(plane, "EndpointConfig", "endpoint-config", "endpoint configuration")

    def create_model(self, params: Record) -> Record:
        """Create a model whose image and artifact exist."""
        refuse(params, "InferenceExecutionConfig")
        refuse_if("ExecutionRoleArn" not in params, "a model without ExecutionRoleArn")
        arn = self._models.arn(params["ModelName"])
        role = ExecutionRole(self._plane.account, params["ExecutionRoleArn"], arn)
        self._check(self.container(params), role)
        return self._models.add(params["ModelName"], params, {})

    def describe_model(self, params: Record) -> Record:
        """Return a model."""
        return {"EnableNetworkIsolation": False, **self._models.get(params["ModelName"])}

    def list_models(self, params: Record) -> Record:
        """Return a page of models."""
        return self._models.page(params, "Models", "Descending")

    def delete_model(self, params: Record) -> None:
        """Delete a model; endpoints that run it go on."""
        self._models.remove(params["ModelName"])

    def create_endpoint_config(self, params: Record) -> Record:
        """Create a configuration of variants, each of a model that exists."""
        refuse(params, "DataCaptureConfig", "AsyncInferenceConfig", "ExplainerConfig")
        refuse(params, "ShadowProductionVariants")
        for variant in params["ProductionVariants"]:
            refuse(variant, "ServerlessConfig")
            refuse_if("ModelName" not in variant, "a variant without ModelName")
            self._models.get(variant["ModelName"])
        return self._configs.add(params["EndpointConfigName"], params, {})

    def describe_endpoint_config(self, params: Record) -> Record:
        """Return a configuration."""
        return self._configs.get(params["EndpointConfigName"])

    def list_endpoint_configs(self, params: Record) -> Record:
        """Return a page of configurations."""
        return self._configs.page(params, "EndpointConfigs", "Descending")

    def delete_endpoint_config(self, params: Record) -> None:
        """Delete a configuration, as AWS does even while an endpoint uses it."""
        self._configs.remove(params["EndpointConfigName"])

    def model(self, name: str) -> Record:
        """Return a model as it is now."""
        return dict(self._models.get(name))

    def config(self, name: str) -> Record:
        """Return an endpoint configuration as it is now."""
        return dict(self._configs.get(name))

    def container(self, model: Record) -> Record:
        """Return the one container of a model, taken from its model package if it names one."""
        containers = model.get("Containers") or [model.get("PrimaryContainer") or {}]
        refuse_if(len(containers) > 1, "a model of several containers")
        container: Record = containers[0]
        refuse(container, "ModelDataSource", "MultiModelConfig", "InferenceSpecificationName")
        refuse_if(container.get("Mode") == "MultiModel", "Mode MultiModel")
        if "ModelPackageName" in container:
            container = {**self._packages.container(container["ModelPackageName"]), **container}
        return container

    def _check(self, container: Record, role: ExecutionRole) -> None:
        image, artifact = container.get("Image", ""), container.get("ModelDataUrl")
        try:
            self._plane.images.resolve(image)
        except ImageNotFound as error:
            raise invalid(f"Requested image {image} not found.") from error
        try:
            if artifact:
                bucket, key = split_uri(artifact)
                role.client("s3").head_object(Bucket=bucket, Key=key)
        except (ClientError, ServiceError) as error:
            raise invalid(
                f'Could not access model data at {artifact}. Please ensure that the role "'
                f'{role.arn}" exists and that its trust relationship policy allows the action '
                '"sts:AssumeRole" for the service principal "sagemaker.amazonaws.com". Also ensure '
                'that the role has "s3:GetObject" permissions and that the object is located in '
                f"{self._plane.account.region}."
            ) from error


def _table(plane: Plane, prefix: str, kind: str, noun: str) -> Table:
    missing = f'Could not find {noun} "{{arn}}".'
    return Table(plane, prefix, kind, missing, f'Cannot create already existing {noun} "{{arn}}".')
