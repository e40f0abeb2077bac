"""Who may do what: policies, roles and whom they trust."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from policy_sentry.querying.actions import get_action_data

from checks.assembly import Assembly, Resource
from checks.findings import Finding

_CALLED_BY_NAME = (
    *("bedrock", "chatbot", "codebuild", "codepipeline", "ecs-tasks", "events", "pipes"),
    *("sagemaker", "scheduler", "states"),
)
KNOWS_ITS_CALLER = {f"{service}.amazonaws.com" for service in _CALLED_BY_NAME}
"""Services that send aws:SourceAccount when they take a role (each one's guide says so)."""
SENDERS = {f"{name}.amazonaws.com" for name in ("budgets", "cloudwatch", "events", "s3", "sns")}
CALLERS = {
    "aws:sourceaccount",
    "aws:sourcearn",
    "aws:sourceorgid",
    "aws:principalorgid",
    "aws:principalarn",
    "aws:principalaccount",
    "aws:sourcevpce",
    "aws:sourceowner",
    "kms:calleraccount",
}
NEED_A_NAMESPACE = "cloudwatch:putmetricdata"
TOO_MUCH = re.compile(r"policy/(.*/)?(AdministratorAccess|PowerUserAccess|\w*FullAccess)$")
ROLE = re.compile(r"arn:[^:]+:iam::[^:]*:role/[^*?]+|«[^»]+»")
WILD = re.compile(r"[*?]")
RESOURCE_POLICIES = {
    "AWS::S3::BucketPolicy": "PolicyDocument",
    "AWS::SQS::QueuePolicy": "PolicyDocument",
    "AWS::SNS::TopicPolicy": "PolicyDocument",
    "AWS::KMS::Key": "KeyPolicy",
    "AWS::ECR::Repository": "RepositoryPolicyText",
    "AWS::SecretsManager::ResourcePolicy": "ResourcePolicy",
}
POLICIES = ("AWS::IAM::Policy", "AWS::IAM::ManagedPolicy", "AWS::IAM::RolePolicy")
PRINCIPALS = ("AWS::IAM::Role", "AWS::IAM::User", "AWS::IAM::Group")


@dataclass(frozen=True)
class Statement:
    """A statement of a policy, its fields as lists."""

    body: Mapping[str, Any]

    def listed(self, name: str) -> list[str]:
        """Return a field as a list of texts."""
        value = self.body.get(name, [])
        return [str(part) for part in (value if isinstance(value, list) else [value])]

    @property
    def allows(self) -> bool:
        """Whether it allows."""
        return bool(self.body.get("Effect") == "Allow")

    @property
    def conditions(self) -> dict[str, Any]:
        """What is compared, by condition key in small letters."""
        tests = (self.body.get("Condition") or {}).values()
        return {key.lower(): value for test in tests for key, value in test.items()}

    @property
    def services(self) -> set[str]:
        """Service principals."""
        principal = self.body.get("Principal")
        named = principal.get("Service", []) if isinstance(principal, dict) else []
        return set(named if isinstance(named, list) else [named])

    @property
    def is_for_everybody(self) -> bool:
        """Whether its principal is a wildcard."""
        principal = self.body.get("Principal")
        named = principal.get("AWS", []) if isinstance(principal, dict) else principal
        return "*" in (named if isinstance(named, list) else [named])


def find(assembly: Assembly) -> Iterator[Finding]:
    """Yield what is allowed to too many, or too much."""
    for resource in assembly.of_type(*POLICIES, *PRINCIPALS):
        for statement in identity_statements(resource):
            yield from _identity(resource, statement)
    for resource in assembly.of_type(*PRINCIPALS):
        yield from _principal(resource)
    for resource in assembly.of_type(*RESOURCE_POLICIES):
        for statement in statements(resource.get(RESOURCE_POLICIES[resource.type])):
            yield from _resource_policy(resource, statement)
    for resource in assembly.of_type("AWS::Lambda::Permission"):
        yield from _permission(resource)
    for resource in assembly.of_type("AWS::IAM::AccessKey"):
        yield resource.finding("iam-user", "an access key", "a role: keys of users never expire")


def statements(document: Any) -> Iterator[Statement]:
    """Yield the statements of a policy document."""
    found = document.get("Statement", []) if isinstance(document, dict) else []
    for statement in found if isinstance(found, list) else [found]:
        if isinstance(statement, dict):  # or only a deployment knows it
            yield Statement(statement)


def identity_statements(resource: Resource) -> Iterator[Statement]:
    """Yield what a policy, or a role's own policies, say."""
    yield from statements(resource.get("PolicyDocument"))
    for policy in resource.get("Policies") or []:
        yield from statements(policy.get("PolicyDocument"))


def _identity(resource: Resource, statement: Statement) -> Iterator[Finding]:
    if not statement.allows:
        return
    for name in ("NotAction", "NotResource"):
        if name in statement.body:
            yield resource.finding("iam-not", f"Allow with {name}", name.removeprefix("Not"))
    for action in statement.listed("Action"):
        if WILD.search(action):
            yield resource.finding(
                f"iam-wildcard-action[{action}]", f"Action {action}", "the actions by name"
            )
        if covers(action, "iam:PassRole"):
            yield from _pass_role(resource, statement)
        if (
            action.lower() == NEED_A_NAMESPACE
            and "cloudwatch:namespace" not in statement.conditions
        ):
            found = "cloudwatch:PutMetricData without cloudwatch:namespace"
            yield resource.finding("iam-namespace", found, "a condition that names the name space")
    for target in statement.listed("Resource"):
        if wide := unneeded(target, statement.listed("Action")):
            yield resource.finding(
                f"iam-wildcard-resource[{target.split(':', 5)[-1]}]",
                f"{', '.join(wide[:4])} on {target}",
                "the resources by name, or by the beginning of their names",
            )


def covers(pattern: str, action: str) -> bool:
    """Tell whether an action is meant by one that may have wildcards."""
    wild = {"*": ".*", "?": "."}
    expression = "".join(wild.get(part) or re.escape(part) for part in pattern)
    return bool(re.fullmatch(expression, action, re.IGNORECASE))


def _pass_role(resource: Resource, statement: Statement) -> Iterator[Finding]:
    for target in statement.listed("Resource"):
        if not ROLE.fullmatch(target):
            yield resource.finding(
                "iam-pass-role", f"iam:PassRole on {target}", "exact ARNs of roles"
            )
    to = statement.conditions.get("iam:passedtoservice")
    if to is None or WILD.search(str(to)):
        found = f"iam:PassRole to {to or 'any service'}"
        yield resource.finding("iam-pass-role", found, "a condition on iam:PassedToService")


def unneeded(target: str, actions: list[str]) -> list[str]:
    """Return the actions for which a resource says less than they let it say."""
    if not WILD.search(target) or not _is_wide(target):
        return []
    return [each for each in actions if WILD.search(each) or knows_resources(each)]


def _is_wide(target: str) -> bool:
    """Tell whether nothing of a resource's own name is there."""
    parts = target.split(":", 5)
    if len(parts) < 6 or parts[0] != "arn":
        return not target.startswith("«")
    service, region, account, name = parts[2:6]
    own = re.sub(r"^[a-z-]+[/:](?=.)", "", name) if service != "s3" else name
    return not WILD.split(own)[0].strip("/:") or "*" in service + account + region


@cache
def knows_resources(action: str) -> bool:
    """Tell whether IAM knows resources for an action (the service authorization reference)."""
    service, _, name = action.partition(":")
    known = get_action_data(service, name) or {}
    formats = {row["resource_arn_format"] for rows in known.values() for row in rows}
    return bool(formats - {"*"})


def _principal(resource: Resource) -> Iterator[Finding]:
    if resource.type == "AWS::IAM::User":
        yield resource.finding("iam-user", "a user", "a role: keys of users never expire")
    for arn in resource.get("ManagedPolicyArns") or []:
        if TOO_MUCH.search(str(arn)):
            yield resource.finding("iam-full-access", str(arn), "the actions that are needed")
    for statement in statements(resource.get("AssumeRolePolicyDocument")):
        if statement.is_for_everybody and not statement.conditions:
            yield resource.finding("iam-trust", "Principal *", "who may take the role")
        for service in sorted(statement.services & KNOWS_ITS_CALLER):
            if not CALLERS & statement.conditions.keys():
                found = f"{service} for any account"
                yield resource.finding("iam-trust", found, "a condition on aws:SourceAccount")


def _resource_policy(resource: Resource, statement: Statement) -> Iterator[Finding]:
    if not statement.allows or CALLERS & statement.conditions.keys():
        return
    if statement.is_for_everybody:
        yield resource.finding("public-policy", "Allow for Principal *", "who may use it")
    for service in sorted(statement.services & SENDERS):
        found = f"{service} for any account"
        yield resource.finding("policy-source", found, "a condition on aws:SourceAccount")


def _permission(resource: Resource) -> Iterator[Finding]:
    principal = str(resource.get("Principal") or "")
    named = any(resource.get(name) for name in ("SourceArn", "SourceAccount", "PrincipalOrgID"))
    if principal == "*" or (principal.endswith(".amazonaws.com") and not named):
        yield resource.finding(
            "policy-source", f"{principal} may invoke for anybody", "SourceArn or SourceAccount"
        )
