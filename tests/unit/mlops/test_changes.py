"""What a deployment changes is known from the templates; nothing is asked where nothing differs."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from mlops.cdk import Cdk
from mlops.changes import changed_parts, definition_changes, definition_lines, unsettled_parts
from mlops.project import Project
from mlops.target import Deployment, Target


def _training(timeout: int) -> dict[str, Any]:
    parts = [
        '{"StartAt":"A","States":{"A":{"Resource":"arn:',
        {"Ref": "AWS::Partition"},
        ':states","Function":"',
        {"Fn::GetAtt": ["PrepareRunLambda", "Arn"]},
        '","Bucket":"',
        {"Fn::ImportValue": "storage:Bucket"},
        f'","TimeoutSeconds":{timeout}}}}}}}',
    ]
    machine = {
        "Type": "AWS::StepFunctions::StateMachine",
        "Properties": {"DefinitionString": {"Fn::Join": ["", parts]}},
    }
    return {"Resources": {"TrainingStateMachine": machine}}


STORAGE: dict[str, Any] = {"Resources": {"Bucket": {"Type": "AWS::S3::Bucket"}}}


def _deployment(deployed: dict[str, Any], status: str = "UPDATE_COMPLETE") -> Deployment:
    def get_template(StackName: str) -> dict[str, Any]:
        return {"TemplateBody": deployed[StackName]}

    target = SimpleNamespace(
        stack_status=lambda stack: status if stack in deployed else None,
        stack_outputs=lambda stack: {} if stack in deployed else None,
        cloudformation=SimpleNamespace(get_template=get_template),
    )
    return Deployment(Project(Path(), "example"), "dev", cast("Target", target))


def _cdk(timeout: int) -> Cdk:
    templates = {"example-dev-storage": STORAGE, "example-dev-training": _training(timeout)}
    return cast("Cdk", SimpleNamespace(template=templates.__getitem__))


DEPLOYED = {"example-dev-storage": STORAGE, "example-dev-training": _training(60)}


def test_equal_templates_are_no_change() -> None:
    assert changed_parts(_deployment(DEPLOYED), _cdk(60)) == []


def test_a_stack_that_differs_or_is_absent_is_a_change() -> None:
    assert changed_parts(_deployment(DEPLOYED), _cdk(61)) == ["training"]
    assert changed_parts(_deployment({}), _cdk(60)) == ["storage", "training"]


@pytest.mark.parametrize(
    ("status", "settled"),
    [
        ("CREATE_COMPLETE", True),
        ("UPDATE_ROLLBACK_COMPLETE", True),
        ("ROLLBACK_COMPLETE", False),
        ("UPDATE_ROLLBACK_FAILED", False),
        ("REVIEW_IN_PROGRESS", False),
    ],
)
def test_a_stack_whose_deployment_failed_is_a_change_although_its_template_is_equal(
    status: str, settled: bool
) -> None:
    deployment = _deployment(DEPLOYED, status)
    parts = [] if settled else ["storage", "training"]
    assert changed_parts(deployment, _cdk(60)) == parts
    assert unsettled_parts(deployment) == dict.fromkeys(parts, status)


def test_references_are_shown_by_their_names() -> None:
    text = "\n".join(definition_lines(_training(60)))
    for words in ("arn:${AWS::Partition}:states", "${PrepareRunLambda.Arn}", "${storage:Bucket}"):
        assert words in text


def test_a_changed_state_machine_is_shown_line_by_line() -> None:
    lines = definition_changes(_deployment(DEPLOYED), _cdk(61))
    assert [line.split() for line in lines if line.startswith("-  ")] == [
        ["-", '"TimeoutSeconds":', "60"]
    ]
    assert any(line.endswith('"TimeoutSeconds": 61') for line in lines)


def test_a_stack_without_a_template_yet_has_no_definition() -> None:
    assert definition_lines({}) == []


def test_a_first_deployment_has_nothing_to_compare_with() -> None:
    assert definition_changes(_deployment({}), _cdk(60)) == []
