"""What must be in place in the account for a deployment and its runs, and how to put it there."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from mlops.aws_errors import SIGN_IN, error_code
from mlops.cdk import cdk_of
from mlops.doctor import FAIL, OK, WARN, Finding
from mlops.errors import MlopsError, explain
from mlops.name_collisions import check_names
from mlops.processes import Processes
from mlops.project import command
from mlops.target import Deployment, find_target

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from mlops.cdk import Cdk
    from mlops.project import Project
    from mlops.target import Target

MINIMUM_BOOTSTRAP = 6
"""What the CDK's stacks have demanded at least since their second synthesizer."""
_QUOTAS = "https://console.aws.amazon.com/servicequotas/home/services/sagemaker/quotas"


def examine_aws(project: Project, env: str) -> Iterator[Finding]:
    """Look at the account that the AWS environment names, one finding at a time."""
    yield check_region()
    target = yield from check_credentials()
    if target is None:
        return
    cdk = cdk_of(project, env)
    yield from _looked("cdk bootstrap", lambda: [check_bootstrap(target, cdk)])
    yield from _looked("service quotas", lambda: list(check_quotas(target, project, env)))
    deployment = Deployment(project, env, target)
    yield from _looked("connection", lambda: list(check_connection(deployment)))
    yield from _looked("names", lambda: list(_names(deployment, cdk)))


def _looked(check: str, look: Callable[[], list[Finding]]) -> list[Finding]:
    """Look at something; what cannot be looked at is a finding, not the end."""
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.parsers import ResponseParserError

    try:
        return look()
    except (BotoCoreError, ClientError, ResponseParserError, MlopsError) as error:
        return [Finding(check, WARN, f"could not look: {explain(error)}")]


def check_region() -> Finding:
    """Look whether a region is set."""
    from boto3 import Session
    from botocore.exceptions import BotoCoreError

    remedy = "set AWS_DEFAULT_REGION, or `region` in the AWS profile"
    try:
        region = Session().region_name
    except BotoCoreError as error:
        return Finding("region", FAIL, explain(error), "see ~/.aws/config")
    return Finding("region", OK, region) if region else Finding("region", FAIL, "not set", remedy)


def check_credentials() -> Generator[Finding, None, Target | None]:
    """Look whether the credentials are there and are taken; returns the account."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        target = find_target()
    except ClientError as error:
        remedy = f"renew them: {SIGN_IN}, or new keys in the profile"
        yield Finding("credentials", FAIL, f"{error_code(error)}: {explain(error)}", remedy)
        return None
    except BotoCoreError as error:
        remedy = "set AWS_PROFILE, or run `.venv/bin/aws configure`"
        yield Finding("credentials", FAIL, explain(error), remedy)
        return None
    yield Finding("credentials", OK, str(target))
    return target


def check_bootstrap(target: Target, cdk: Cdk) -> Finding:
    """Compare the version of the CDK's own stack with the one that the project needs."""
    name = f"/cdk-bootstrap/{cdk.qualifier}/version"
    deploy = command(cdk.env, "deploy")
    remedy = f"`{deploy}` bootstraps, or `.venv/bin/python -m mlops.cdk bootstrap`"
    wanted = _required_bootstrap(cdk)
    try:
        found = int(target.ssm.get_parameter(Name=name)["Parameter"]["Value"])
    except target.ssm.exceptions.ParameterNotFound:
        return Finding("cdk bootstrap", WARN, f"parameter {name} is absent", remedy)
    if found < wanted:
        described = f"version {found}, this project needs {wanted}"
        return Finding("cdk bootstrap", FAIL, described, "bootstrap again: " + remedy)
    return Finding("cdk bootstrap", OK, f"version {found} (needs {wanted}), {cdk.toolkit_stack}")


def _required_bootstrap(cdk: Cdk) -> int:
    """Read what the synthesized stacks demand."""
    try:
        manifest: Any = json.loads((cdk.assembly / "manifest.json").read_bytes())
    except OSError:
        return MINIMUM_BOOTSTRAP
    demanded: list[int] = [
        artifact.get("properties", {}).get("requiresBootstrapStackVersion", 0)
        for artifact in manifest["artifacts"].values()
    ]
    return max([*demanded, MINIMUM_BOOTSTRAP])


def check_quotas(target: Target, project: Project, env: str) -> Iterator[Finding]:
    """Look whether the account may use the chosen instance types at all."""
    pages = target.service_quotas.get_paginator("list_service_quotas").paginate(
        ServiceCode="sagemaker"
    )
    quotas = {each["QuotaName"]: each["Value"] for page in pages for each in page["Quotas"]}
    for name, needed in wanted_quotas(project, env).items():
        value = quotas.get(name)
        if value is None:
            found = f"{name}: not listed"
            yield Finding("service quota", WARN, found, f"see {_QUOTAS} for this region")
        elif value < needed:
            found = f"{name}: {value:g}, expected at least {needed}"
            yield Finding("service quota", FAIL, found, f"request an increase: {_QUOTAS}")
        else:
            yield Finding("service quota", OK, f"{name}: {value:g}")


def check_connection(deployment: Deployment) -> Iterator[Finding]:
    """Look whether the connection to a repository outside of the account was finished."""
    if not deployment.deployed("model-code") or deployment.connection_arn is None:
        return
    arn = deployment.connection_arn
    answer = deployment.target.codeconnections.get_connection(ConnectionArn=arn)
    name, status = answer["Connection"]["ConnectionName"], answer["Connection"]["ConnectionStatus"]
    if status == "AVAILABLE":
        yield Finding("connection", OK, f"{name} is {status}")
        return
    region = deployment.target.region
    page = f"https://{region}.console.aws.amazon.com/codesuite/settings/connections"
    how = "finish it in the console: choose it, then Update pending connection"
    if status == "ERROR":
        how = "delete it in the console, and deploy again"
    yield Finding("connection", FAIL, f"{name} is {status}: no commit is read", f"{how}: {page}")


def wanted_quotas(project: Project, env: str) -> dict[str, int]:
    """Return the quotas that the settings need, and how much of each."""
    spot = "spot " if project.setting(env, "training", "spot") else ""
    training = project.setting(env, "training", "instance_type")
    processing = project.setting(env, "training", "processing", "instance_type")
    endpoint = project.setting(env, "endpoint", "instance_type")
    count = int(project.setting(env, "endpoint", "instance_count") or 1)
    return {
        f"{training} for {spot}training job usage": 1,
        f"{processing} for processing job usage": 1,
        # an update has the new instances beside the old ones for a while
        f"{endpoint} for endpoint usage": 2 * count,
    }


def _names(deployment: Deployment, cdk: Cdk) -> Iterator[Finding]:
    with Processes() as processes:
        cdk.run(processes, cdk.synth())
    yield from check_names(deployment, cdk)
