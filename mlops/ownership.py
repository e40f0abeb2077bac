"""Which of an account's models, endpoint configurations and jobs are a deployment's.

A name does not tell: what `shop-two` made begins with `shop-` as well. Whatever a run made reads
or writes below ``runs/`` in its deployment's bucket.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlops.teardown_steps import is_gone

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlops.target import Deployment

PROJECT_TAG = "project"


@dataclass(frozen=True)
class Owner:
    """A deployment that is asked what is its own; what is gone is nobody's."""

    deployment: Deployment

    def has_training_job(self, name: str) -> bool:
        """Tell whether a training job writes into the deployment's bucket."""
        sagemaker = self.deployment.target.sagemaker
        job = _described(lambda: sagemaker.describe_training_job(TrainingJobName=name))
        return job is not None and self._holds(job["OutputDataConfig"]["S3OutputPath"])

    def has_processing_job(self, name: str) -> bool:
        """Tell whether a processing job writes into the deployment's bucket."""
        sagemaker = self.deployment.target.sagemaker
        job = _described(lambda: sagemaker.describe_processing_job(ProcessingJobName=name))
        outputs = (job or {}).get("ProcessingOutputConfig", {}).get("Outputs", [])
        uris = [each.get("S3Output", {}).get("S3Uri", "") for each in outputs]
        return any(map(self._holds, uris))

    def has_model(self, name: str) -> bool:
        """Tell whether a model's artifact lies in the deployment's bucket."""
        model = self._model(name)
        return model is not None and self._is_own(model)

    def has_config(self, name: str) -> bool:
        """Tell whether an endpoint configuration serves the deployment's models alone.

        Of a model that is gone only the tag of the configuration tells whose it was.
        """
        sagemaker = self.deployment.target.sagemaker
        config = _described(lambda: sagemaker.describe_endpoint_config(EndpointConfigName=name))
        if config is None:
            return False
        variants = config["ProductionVariants"]
        models = [self._model(each["ModelName"]) for each in variants if "ModelName" in each]
        known = [model for model in models if model is not None]
        if not all(map(self._is_own, known)):
            return False
        return len(known) == len(variants) or self.is_tagged(config["EndpointConfigArn"])

    def _model(self, name: str) -> Any:
        sagemaker = self.deployment.target.sagemaker
        return _described(lambda: sagemaker.describe_model(ModelName=name))

    def _is_own(self, model: Any) -> bool:
        return self._holds(model.get("PrimaryContainer", {}).get("ModelDataUrl", ""))

    def _holds(self, uri: str) -> bool:
        return uri.startswith(f"s3://{self.deployment.bucket}/runs/")

    def is_tagged(self, arn: str) -> bool:
        """Tell whether a resource has the tag that names this project and no other."""
        pages = self.deployment.target.sagemaker.get_paginator("list_tags").paginate(
            ResourceArn=arn
        )
        tags = {tag["Key"]: tag["Value"] for page in pages for tag in page["Tags"]}
        return tags.get(PROJECT_TAG) == self.deployment.project.name


def _described(describe: Callable[[], Any]) -> Any:
    """Return a description, None of what is gone since it was listed."""
    from botocore.exceptions import ClientError

    try:
        return describe()
    except ClientError as error:
        if is_gone(error):
            return None
        raise
