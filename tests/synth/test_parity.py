"""What the project uses is what the embedded account models: operations, types and properties."""

import ast
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml
from botocore import xform_name
from botocore.session import get_session

from local_account import parity
from tests.synth.assembly import ROOT, Assembly
from tests.synth.variants import VARIANTS

BOOTSTRAP = ROOT / "node_modules/aws-cdk/lib/api/bootstrap/bootstrap-template.yaml"
# boto3's name of a service, and the one that requests to it are signed with where they differ
SIGNED = {
    "cloudwatch": "monitoring",
    "sagemaker-runtime": "sagemaker",
    "service-quotas": "servicequotas",
    "stepfunctions": "states",
}
FOLDERS = ("lambdas", "mlops")
CLIENTS = ("lambdas/shared/aws.py", "mlops/target.py")
CDK_CLI = {
    *("cloudformation:CreateChangeSet", "cloudformation:DeleteChangeSet"),
    *("cloudformation:DeleteStack", "cloudformation:DescribeChangeSet"),
    *("cloudformation:DescribeStackEvents", "cloudformation:DescribeStacks"),
    *("cloudformation:ExecuteChangeSet", "cloudformation:GetTemplate"),
    *("s3:GetBucketEncryption", "s3:GetBucketLocation", "s3:ListObjectsV2", "s3:PutObject"),
    *("ssm:GetParameter", "sts:AssumeRole", "sts:GetCallerIdentity"),
}
"""What `cdk bootstrap`, `diff`, `deploy` and `destroy` were seen to call."""
AWS_CLI = {"s3 cp": {"s3:ListObjectsV2", "s3:PutObject", "s3:GetObject", "s3:HeadObject"}}
ONLY_ON_AWS = {"servicequotas:ListServiceQuotas"}
"""`mlops doctor --aws` asks for quotas, and says that the embedded account has none."""


def _clients() -> dict[str, str]:
    """Return the service of each client that the project has, by the name of what makes it."""
    found: dict[str, str] = {}
    for path in CLIENTS:
        for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef):
                made = re.findall(r"\bclient\('([a-z0-9-]+)'", ast.unparse(node))
                found |= dict.fromkeys([node.name], made[0]) if made else {}
    return found


SERVICE_OF = _clients()


def _operations() -> dict[str, list[str]]:
    """Return the operations of the services that the project has clients of, by Python name."""
    found: dict[str, list[str]] = {}
    for service in sorted(set(SERVICE_OF.values())):
        for operation in get_session().get_service_model(service).operation_names:
            name = f"{SIGNED.get(service, service)}:{operation}"
            found.setdefault(xform_name(operation), []).append(name)
    return found


OPERATIONS = _operations()
OWN = {
    node.name
    for folder in FOLDERS
    for path in (ROOT / folder).rglob("*.py")
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    if isinstance(node, ast.FunctionDef)
}
"""Functions of the project, some of which are called like the operation that they ask for."""


def _is_modelled(name: str) -> bool:
    service, _, operation = name.partition(":")
    return parity.refused_operation(service, operation) is None


def _called(source: str) -> Iterator[list[str]]:
    """Yield the operations that each call of a client may be: of its service, if it is known."""
    for node in ast.walk(ast.parse(source)):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        name = node.func.attr
        if name in ("get_paginator", "get_waiter") and isinstance(node.args[0], ast.Constant):
            name = str(node.args[0].value)
        candidates = OPERATIONS.get(name, [])
        receiver = re.findall(r"\w+", ast.unparse(node.func.value))[-1:]
        service = SERVICE_OF.get(receiver[0]) if receiver else None
        if service is not None and candidates:
            signed = f"{SIGNED.get(service, service)}:"
            yield [each for each in candidates if each.startswith(signed)]
        elif candidates and "_" in name and name not in OWN:  # nor `search` and the like
            yield candidates


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_operation_that_the_code_calls_is_modelled(folder: str) -> None:
    calls = {
        (str(path.relative_to(ROOT)), *names)
        for path in (ROOT / folder).rglob("*.py")
        for names in _called(path.read_text(encoding="utf-8"))
    }
    assert len(calls) > 20
    used = [each for each in sorted(calls) if not ONLY_ON_AWS.intersection(each)]
    assert [each for each in used if not all(map(_is_modelled, each[1:]))] == []


@pytest.mark.parametrize(
    ("call", "operations"),
    [
        ("target.s3.select_object_content()", {"s3:SelectObjectContent"}),
        ("aws.scheduler().list_tags_for_resource()", {"scheduler:ListTagsForResource"}),
        ("sagemaker.get_paginator('list_tags').paginate()", {"sagemaker:ListTags"}),
        ("client.list_tags()", {"lambda:ListTags", "sagemaker:ListTags"}),
    ],
)
def test_a_call_is_of_its_client_s_service_or_of_any_that_has_the_operation(
    call: str, operations: set[str]
) -> None:
    (found,) = _called(call)
    assert set(found) == operations


def test_an_operation_that_is_not_modelled_is_found() -> None:
    assert not _is_modelled("s3:SelectObjectContent")


def test_every_operation_of_the_command_line_tools_is_modelled() -> None:
    text = "".join(path.read_text() for path in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")))
    shown = re.findall(r"(?:\$AWS|\$SQS|\baws) ((?:[a-z0-9]+ )?[a-z]+(?:-[a-z0-9]+)*)", text)
    used = set(CDK_CLI)
    for command in shown:
        operations = OPERATIONS.get(command.rpartition(" ")[2].replace("-", "_"), [])
        used |= AWS_CLI.get(command, set(operations[:1]))
    assert {"states:ListStateMachines", "s3:PutObject"} <= used
    assert [name for name in sorted(used) if not _is_modelled(name)] == []


def _integrations(definition: Any) -> Iterator[str]:
    """Yield the operations of a definition's tasks; a job that is waited for is looked at."""
    if isinstance(definition, dict):
        if definition.get("Type") == "Task":
            service, action = definition["Resource"].split(":")[-2:]
            operation = action.partition(".")[0]
            name = operation[0].upper() + operation[1:]
            yield f"{service}:{name}"
            if action.endswith(".sync"):
                yield f"{service}:{name.replace('Create', 'Describe')}"
                yield f"{service}:{name.replace('Create', 'Stop')}"
        for member in definition.values():
            yield from _integrations(member)
    elif isinstance(definition, list):
        for member in definition:
            yield from _integrations(member)


@pytest.fixture(params=["dev", "staging", "prod", "smoke", *VARIANTS])
def any_assembly(request: pytest.FixtureRequest, assembly: Callable[[str], Assembly]) -> Assembly:
    """Every environment, and every variant of the settings."""
    if request.param in VARIANTS:
        variant: Assembly = request.getfixturevalue(request.param)
        return variant
    return assembly(request.param)


def test_every_integration_of_the_state_machine_is_modelled(any_assembly: Assembly) -> None:
    used = sorted(set(_integrations(any_assembly.definition)))
    assert "sagemaker:DescribeTrainingJob" in used
    assert [name for name in used if not _is_modelled(name)] == []


def _refusals(template: dict[str, Any]) -> list[str]:
    refusals = (
        parity.refused_properties(each["Type"], each.get("Properties", {}))
        for each in template["Resources"].values()
    )
    return [each for each in refusals if each]


def test_every_resource_of_the_templates_is_modelled(any_assembly: Assembly) -> None:
    for template in any_assembly.templates.values():
        assert _refusals(template) == []


def test_every_resource_of_the_bootstrap_template_is_modelled() -> None:
    assert _refusals(yaml.load(BOOTSTRAP.read_text(), _Loader)) == []  # noqa: S506 - the CDK's own


class _Loader(yaml.SafeLoader):
    """Reads CloudFormation's short forms of functions, such as `!Sub`."""


def _function(loader: Any, name: str, node: Any) -> dict[str, Any]:
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    else:
        value = loader.construct_sequence(node, deep=True)
    return {name if name == "Ref" else f"Fn::{name}": value}


_Loader.add_multi_constructor("!", _function)


@pytest.mark.parametrize(
    ("resource", "named"),
    [
        ({"Type": "AWS::EC2::Instance"}, "AWS::EC2::Instance"),
        ({"Type": "AWS::SQS::Queue", "Properties": {"Colour": 1}}, "property Colour of AWS::SQS"),
    ],
)
def test_what_is_not_modelled_is_named(resource: dict[str, Any], named: str) -> None:
    (refusal,) = _refusals({"Resources": {"It": resource}})
    assert named in refusal
