"""Versions of the model as the registry and the evaluations behind them describe them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlops.documents import Evaluation, read_evaluation
from mlops.pipeline_history import short_commit
from mlops.render import clock, number

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from mypy_boto3_sagemaker.type_defs import DescribeModelPackageOutputTypeDef

    from mlops.target import Deployment


@dataclass(frozen=True)
class ModelVersion:
    """One model package version."""

    number: int
    arn: str
    dataset: str
    evaluation_uri: str
    evaluation: Evaluation | None
    gate: str
    approval_status: str
    commit: str
    image_digest: str
    execution_arn: str
    created: datetime
    metadata: dict[str, str]

    def metric(self, name: str) -> float | None:
        """Return one metric of the model, or None where it was not measured."""
        return self.evaluation.metrics.get(name) if self.evaluation else None

    def baseline(self, name: str) -> float | None:
        """Return the same metric of the baseline."""
        return self.evaluation.baseline.get(name) if self.evaluation else None

    @property
    def metric_name(self) -> str:
        """Return the name of the metric that the task is judged by."""
        return self.evaluation.metric if self.evaluation else "metric"


def list_versions(deployment: Deployment, limit: int = 50) -> list[ModelVersion]:
    """Return the newest `limit` versions, oldest first."""
    sagemaker = deployment.target.sagemaker
    pages = sagemaker.get_paginator("list_model_packages").paginate(
        ModelPackageGroupName=deployment.model_package_group,
        SortBy="CreationTime",
        SortOrder="Descending",
        PaginationConfig={"MaxItems": limit},
    )
    arns = [each["ModelPackageArn"] for page in pages for each in page["ModelPackageSummaryList"]]
    described = [sagemaker.describe_model_package(ModelPackageName=arn) for arn in arns]
    versions = [_version(deployment, each) for each in described]
    return sorted(versions, key=lambda version: version.number)


def _version(deployment: Deployment, package: DescribeModelPackageOutputTypeDef) -> ModelVersion:
    metadata = package.get("CustomerMetadataProperties", {})
    quality = package.get("ModelMetrics", {}).get("ModelQuality", {})
    uri = quality.get("Statistics", {}).get("S3Uri", "")
    return ModelVersion(
        number=package["ModelPackageVersion"],
        arn=package["ModelPackageArn"],
        dataset=metadata.get("dataset_version", "-"),
        evaluation_uri=uri,
        evaluation=read_evaluation(deployment, uri) if uri else None,
        gate=metadata.get("gate", "-"),
        approval_status=package["ModelApprovalStatus"],
        commit=metadata.get("commit", ""),
        image_digest=metadata.get("image_digest", "-"),
        execution_arn=metadata.get("execution_arn", "-"),
        created=package["CreationTime"],
        metadata=metadata,
    )


def short_digest(digest: str) -> str:
    """Shorten ``sha256:<64 hex digits>`` to what a person compares."""
    return digest.rsplit("@", 1)[-1].removeprefix("sha256:")[:12]


def versions_table(versions: Sequence[ModelVersion]) -> tuple[list[str], list[list[str]]]:
    """Return columns and rows for people."""
    metric = versions[-1].metric_name if versions else "metric"
    columns = ["version", "data set", "commit", metric, "r2", "baseline", "gate", "approval"]
    rows = [
        [
            str(each.number),
            each.dataset,
            short_commit(each.commit),
            number(each.metric(metric)),
            number(each.metric("r2")),
            number(each.baseline(metric)),
            each.gate,
            each.approval_status,
            short_digest(each.image_digest),
            clock(each.created),
        ]
        for each in versions
    ]
    return [*columns, "image", "created"], rows
