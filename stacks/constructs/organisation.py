"""How an organisation wants what is created in its account: roles and tags."""

from collections.abc import Mapping

import jsii
from aws_cdk import App, Aspects, Aws, IAspect, Names, Tags
from aws_cdk import aws_iam as iam
from constructs import IConstruct

from stacks.settings import AccountSettings, ProjectSettings

PROJECT_TAG = "project"
LONGEST_ROLE_NAME = 64
LONGEST_REGION_NAME = len("ap-southeast-1")


def mandatory_tags(project: ProjectSettings, account: AccountSettings) -> dict[str, str]:
    """Return the organisation's tags and, unless it has one, one that names the project."""
    if any(key.lower() == PROJECT_TAG for key in account.tags):
        return dict(account.tags)
    return {PROJECT_TAG: project.name, **account.tags}


def key_values(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Return tags as requests to AWS list them, for what is created outside the templates."""
    return [{"Key": key, "Value": value} for key, value in sorted(tags.items())]


def organise(app: App, project: ProjectSettings, account: AccountSettings) -> None:
    """Apply what the organisation wants to all that will be in the app; call it first."""
    # Read by the default synthesizer of every stack.
    app.node.set_context("@aws-cdk/core:bootstrapQualifier", account.qualifier)
    for key, value in mandatory_tags(project, account).items():
        Tags.of(app).add(key, value)  # tags of the app leave the stacks themselves out
        Tags.of(app).add(key, value, include_resource_types=["aws:cdk:stack"])
    # Node.js asks an aspect of Python about every construct: not for nothing.
    if account.permissions_boundary_arn or account.role_path != "/" or account.role_name_prefix:
        Aspects.of(app).add(_Roles(account))


@jsii.implements(IAspect)
class _Roles:
    """Boundary, path and name of every role; what is not set stays CloudFormation's choice."""

    def __init__(self, account: AccountSettings) -> None:
        self._account = account

    def visit(self, node: IConstruct) -> None:
        """Change a role."""
        if not isinstance(node, iam.CfnRole):
            return
        if self._account.permissions_boundary_arn:
            node.permissions_boundary = self._account.permissions_boundary_arn
        if self._account.role_path != "/":
            node.path = self._account.role_path
        if self._account.role_name_prefix:
            node.role_name = _role_name(self._account.role_name_prefix, node)


def _role_name(prefix: str, role: iam.CfnRole) -> str:
    """One name a role and region: names of roles are the account's, stacks are a region's."""
    length = LONGEST_ROLE_NAME - len(prefix) - len("-") - LONGEST_REGION_NAME
    name = Names.unique_resource_name(role, max_length=length, separator="-")
    return f"{prefix}{name}-{Aws.REGION}"
