"""What RunEnded asks of SageMaker's endpoints, endpoint configs and models."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from run_ended.models import Config, Endpoint
from shared import aws

if TYPE_CHECKING:
    from mypy_boto3_sagemaker.type_defs import (
        DescribeEndpointConfigOutputTypeDef,
        DescribeEndpointOutputTypeDef,
    )


def endpoint(name: str) -> Endpoint | None:
    """Return the staging endpoint as it is now."""
    described = _describe_endpoint(name)
    if described is None:
        return None
    return Endpoint(described["EndpointStatus"], described.get("EndpointConfigName", ""))


def _describe_endpoint(name: str) -> "DescribeEndpointOutputTypeDef | None":
    try:
        return aws.sagemaker().describe_endpoint(EndpointName=name)
    except ClientError as error:
        if aws.is_absent(error):
            return None
        raise


def update_endpoint(name: str, config: str) -> None:
    """Let the endpoint serve a config, unless it is changing already."""
    _unless_changing(
        lambda: aws.sagemaker().update_endpoint(EndpointName=name, EndpointConfigName=config)
    )


def delete_endpoint(name: str) -> None:
    """Delete the endpoint, unless it is gone or changing already."""
    _unless_changing(lambda: aws.sagemaker().delete_endpoint(EndpointName=name))


def _unless_changing(request: Callable[[], object]) -> None:
    """Send a request that somebody comes back to see the effect of."""
    try:
        request()
    except ClientError as error:
        if not aws.is_absent(error) and "in-progress" not in str(error):
            raise


def configs_in_use() -> frozenset[str]:
    """Endpoint configs that any endpoint of the account serves, or is changing to."""
    used: set[str] = set()
    for page in aws.sagemaker().get_paginator("list_endpoints").paginate():
        for listed in page["Endpoints"]:
            described = _describe_endpoint(listed["EndpointName"])
            if described:
                pending = described.get("PendingDeploymentSummary")
                used.add(described.get("EndpointConfigName", ""))
                used.add(pending["EndpointConfigName"] if pending else "")
    return frozenset(used - {""})


def configs(created_after: datetime | None = None) -> tuple[Config, ...]:
    """Endpoint configs of the account, with the models of their variants."""
    return tuple(_configs(created_after))


def _configs(created_after: datetime | None) -> Iterator[Config]:
    paginator = aws.sagemaker().get_paginator("list_endpoint_configs")
    # The listing's clock may be a little off the model's.
    after = created_after and created_after - timedelta(minutes=1)
    pages = paginator.paginate(CreationTimeAfter=after) if after else paginator.paginate()
    for page in pages:
        for listed in page["EndpointConfigs"]:
            described = _describe_config(listed["EndpointConfigName"])
            if described:
                yield _config(described)


def _config(described: "DescribeEndpointConfigOutputTypeDef") -> Config:
    variants = [
        *described.get("ProductionVariants", ()),
        *described.get("ShadowProductionVariants", ()),
    ]
    models = frozenset(variant.get("ModelName", "") for variant in variants)
    return Config(described["EndpointConfigName"], described["CreationTime"], models)


def _describe_config(name: str) -> "DescribeEndpointConfigOutputTypeDef | None":
    try:
        return aws.sagemaker().describe_endpoint_config(EndpointConfigName=name)
    except ClientError as error:
        if aws.is_absent(error):
            return None
        raise


def config_exists(name: str) -> bool:
    """Whether there is an endpoint config of this name."""
    return _describe_config(name) is not None


def model_created(name: str) -> datetime | None:
    """When a model was created, or None where there is none."""
    try:
        return aws.sagemaker().describe_model(ModelName=name)["CreationTime"]
    except ClientError as error:
        if aws.is_absent(error):
            return None
        raise


def delete_config(name: str) -> None:
    """Delete an endpoint config, if it is not gone already."""
    _unless_absent(lambda: aws.sagemaker().delete_endpoint_config(EndpointConfigName=name))


def delete_model(name: str) -> None:
    """Delete a model, if it is not gone already."""
    _unless_absent(lambda: aws.sagemaker().delete_model(ModelName=name))


def _unless_absent(request: Callable[[], object]) -> None:
    try:
        request()
    except ClientError as error:
        if not aws.is_absent(error):
            raise
