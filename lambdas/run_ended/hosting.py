"""What RunEnded asks of SageMaker's endpoints, endpoint configs and models."""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from run_ended.models import Config, Endpoint, Model
from shared import aws

if TYPE_CHECKING:
    from mypy_boto3_sagemaker.type_defs import (
        DescribeEndpointConfigOutputTypeDef,
        DescribeEndpointOutputTypeDef,
        ListEndpointConfigsOutputTypeDef,
    )

# The clock of a listing may be a little off the one that a resource was created by.
CLOCKS_DIFFER = timedelta(minutes=1)


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


def configs_in_use(created_after: datetime) -> frozenset[str]:
    """Endpoint configs that any endpoint of the account serves, or is changing to.

    No listing tells which, and each endpoint that is described costs a request. Whichever name
    an endpoint has, it must have changed after the config that it uses was created: those that
    did not are not described.
    """
    used: set[str] = set()
    pages = (
        aws.sagemaker()
        .get_paginator("list_endpoints")
        .paginate(LastModifiedTimeAfter=created_after - CLOCKS_DIFFER)
    )
    for page in pages:
        for listed in page["Endpoints"]:
            described = _describe_endpoint(listed["EndpointName"])
            if described:
                pending = described.get("PendingDeploymentSummary")
                used.add(described.get("EndpointConfigName", ""))
                used.add(pending["EndpointConfigName"] if pending else "")
    return frozenset(used - {""})


def configs_named(part: str) -> tuple[Config, ...]:
    """Endpoint configs whose names contain this, with the models of their variants."""
    paginator = aws.sagemaker().get_paginator("list_endpoint_configs")
    return tuple(_described(paginator.paginate(NameContains=part)))


def configs_since(created_after: datetime) -> tuple[Config, ...]:
    """Endpoint configs of the account that may have a model of that time or later."""
    paginator = aws.sagemaker().get_paginator("list_endpoint_configs")
    return tuple(_described(paginator.paginate(CreationTimeAfter=created_after - CLOCKS_DIFFER)))


def _described(pages: Iterable["ListEndpointConfigsOutputTypeDef"]) -> Iterator[Config]:
    for page in pages:
        for listed in page["EndpointConfigs"]:
            found = config(listed["EndpointConfigName"])
            if found:
                yield found


def config(name: str) -> Config | None:
    """Return an endpoint config, or None where there is none of this name."""
    described = _describe_config(name)
    if described is None:
        return None
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


def model(name: str) -> Model | None:
    """Return a model, or None where there is none of this name."""
    try:
        described = aws.sagemaker().describe_model(ModelName=name)
    except ClientError as error:
        if aws.is_absent(error):
            return None
        raise
    container = described.get("PrimaryContainer", {})
    return Model(described["CreationTime"], container.get("ModelDataUrl", ""))


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
