"""Each property that a template sets is what the service's own API then tells."""

import json
from typing import Any

import pytest

from tests.contract.account import Aws, refused
from tests.contract.images import model_image, push
from tests.contract.test_functions import CODE, archive
from tests.contract.types import CASES, Case


def _marked(case: Case) -> Any:
    marks = [pytest.mark.contract(*case.proven)]
    if case.costs:
        marks.append(pytest.mark.costs(*case.costs))
    return pytest.param(case, id=f"{case.type_name}-{len(case.properties)}", marks=marks)


@pytest.mark.parametrize("case", [_marked(case) for case in CASES])
def test_a_property_of_a_template_is_told_by_the_service(aws: Aws, case: Case) -> None:
    named = _named(
        aws, {**case.needs, "It": {"Type": case.type_name, "Properties": case.properties}}
    )
    references = {f"O{n}": each for n, each in enumerate(_references(named))}
    outputs = {name: {"Value": value} for name, value in references.items()}
    told = _deployed(
        aws, {"Resources": named, "Outputs": {**outputs, "It": {"Value": {"Ref": "It"}}}}
    )
    values = {json.dumps(value): told[name] for name, value in references.items()}
    expected = _resolved(named["It"]["Properties"], values)
    seen = case.look(aws, told["It"])
    wanted = {name: expected[name] for name in expected if name not in case.aside}
    assert {name: seen.get(name) for name in wanted} == wanted


@pytest.mark.contract("AWS::StepFunctions::StateMachine.DefinitionSubstitutions")
def test_a_definition_is_read_with_its_substitutions(aws: Aws) -> None:
    (case,) = [case for case in CASES if case.type_name == "AWS::StepFunctions::StateMachine"]
    definition = '{{"StartAt": "${{State}}", "States": {{"A": {{"Type": "Succeed"}}}}}}'
    substituted = {"DefinitionString": definition, "DefinitionSubstitutions": {"State": "A"}}
    it = {"Type": case.type_name, "Properties": {**case.properties, **substituted}}
    outputs = {"It": {"Value": {"Ref": "It"}}}
    told = _deployed(aws, {"Resources": _named(aws, {**case.needs, "It": it}), "Outputs": outputs})
    assert json.loads(case.look(aws, told["It"])["DefinitionString"])["StartAt"] == "A"


@pytest.mark.contract("AWS::ECR::Repository.EmptyOnDelete")
def test_a_repository_is_deleted_with_its_images_if_the_template_says_so(aws: Aws) -> None:
    name = f"contract/{aws.prefix}"
    properties = {"RepositoryName": name, "EmptyOnDelete": True}
    _deployed(
        aws, {"Resources": {"It": {"Type": "AWS::ECR::Repository", "Properties": properties}}}
    )
    ecr = aws.client("ecr")
    push(ecr, name, model_image(), "v1")
    _until_deleted(aws)
    assert refused(ecr.list_images, repositoryName=name) == "RepositoryNotFoundException"


def _named(aws: Aws, value: Any) -> Any:
    """Put the test's own names where the case has `{prefix}` and the like."""
    if isinstance(value, dict):
        return {key: _named(aws, member) for key, member in value.items()}
    if isinstance(value, list):
        return [_named(aws, member) for member in value]
    if not isinstance(value, str) or "{" not in value:
        return value
    if "{bucket}" in value:
        aws.client("s3").put_object(Bucket=aws.bucket, Key="code.zip", Body=archive(CODE))
    bucket = aws.bucket if "{bucket}" in value else ""
    where = {"region": aws.region, "account": aws.account_id}
    return value.format(prefix=aws.prefix, bucket=bucket, **where)


def _is_reference(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() <= {"Ref", "Fn::GetAtt"} and bool(value)


def _references(resources: dict[str, Any]) -> list[Any]:
    """Return what the resource refers to, each once."""
    found: dict[str, Any] = {}

    def look(value: Any) -> None:
        if _is_reference(value):
            found[json.dumps(value)] = value
        elif isinstance(value, dict | list):
            for member in value.values() if isinstance(value, dict) else value:
                look(member)

    look(resources["It"])
    return list(found.values())


def _resolved(value: Any, values: dict[str, str]) -> Any:
    if _is_reference(value):
        return values[json.dumps(value)]
    if isinstance(value, dict):
        return {key: _resolved(member, values) for key, member in value.items()}
    if isinstance(value, list):
        return [_resolved(member, values) for member in value]
    return value


def _deployed(aws: Aws, template: dict[str, Any]) -> dict[str, str]:
    """Create the test's stack and return its outputs."""
    client = aws.client("cloudformation")
    client.create_change_set(
        StackName=aws.prefix,
        ChangeSetName="all",
        ChangeSetType="CREATE",
        TemplateBody=json.dumps(template),
        Capabilities=["CAPABILITY_NAMED_IAM"],
    )
    aws.later(_until_deleted, aws=aws)
    named = {"StackName": aws.prefix, "ChangeSetName": "all"}
    aws.until(lambda: client.describe_change_set(**named)["Status"] == "CREATE_COMPLETE")
    client.execute_change_set(**named)

    def settled() -> dict[str, Any]:
        (stack,) = client.describe_stacks(StackName=aws.prefix)["Stacks"]
        return {} if stack["StackStatus"].endswith("_IN_PROGRESS") else dict(stack)

    stack = aws.until(settled)
    events = client.describe_stack_events(StackName=aws.prefix)["StackEvents"]
    failed = [
        each.get("ResourceStatusReason") for each in events if "FAILED" in each["ResourceStatus"]
    ]
    assert stack["StackStatus"] == "CREATE_COMPLETE", failed
    return {each["OutputKey"]: each["OutputValue"] for each in stack.get("Outputs", [])}


def _until_deleted(aws: Aws) -> None:
    client = aws.client("cloudformation")
    client.delete_stack(StackName=aws.prefix)

    def gone() -> bool:
        try:
            (stack,) = client.describe_stacks(StackName=aws.prefix)["Stacks"]
        except client.exceptions.ClientError:
            return True
        assert stack["StackStatus"] != "DELETE_FAILED", stack.get("StackStatusReason")
        return False

    aws.until(gone)
