"""What a deployment changes is known from the templates; nothing is asked where nothing differs."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from mlops.cdk import Cdk
from mlops.changes import (
    changed_parts,
    created_resources,
    definition_changes,
    unsettled_parts,
)
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
CODE: dict[str, Any] = {"Resources": {"Pipeline": {"Type": "AWS::CodePipeline::Pipeline"}}}


def _deployment(deployed: dict[str, Any], status: str = "UPDATE_COMPLETE") -> Deployment:
    def get_template(StackName: str) -> dict[str, Any]:
        return {"TemplateBody": deployed[StackName]}

    target = SimpleNamespace(
        stack_status=lambda stack: status if stack in deployed else None,
        stack_outputs=lambda stack: {} if stack in deployed else None,
        cloudformation=SimpleNamespace(get_template=get_template),
    )
    return Deployment(Project(Path(), "example"), "dev", cast("Target", target))


def _templates(training: dict[str, Any]) -> dict[str, Any]:
    return {
        "example-dev-storage": STORAGE,
        "example-dev-training": training,
        "example-dev-model-code": CODE,
    }


def _cdk(timeout: int) -> Cdk:
    templates = _templates(_training(timeout))
    return cast("Cdk", SimpleNamespace(template=templates.__getitem__))


DEPLOYED = _templates(_training(60))


def test_equal_templates_are_no_change() -> None:
    assert changed_parts(_deployment(DEPLOYED), _cdk(60)) == []


def test_a_stack_that_differs_or_is_absent_is_a_change() -> None:
    assert changed_parts(_deployment(DEPLOYED), _cdk(61)) == ["training"]
    assert changed_parts(_deployment({}), _cdk(60)) == ["storage", "training", "model-code"]


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
    parts = [] if settled else ["storage", "training", "model-code"]
    assert changed_parts(deployment, _cdk(60)) == parts
    assert unsettled_parts(deployment) == dict.fromkeys(parts, status)


def _lines(cdk: Cdk) -> list[str]:
    return definition_changes(_deployment(DEPLOYED), cdk)


def test_a_changed_state_machine_is_shown_line_by_line() -> None:
    lines = _lines(_cdk(61))
    assert [line.split() for line in lines if line.startswith("-  ")] == [
        ["-", '"TimeoutSeconds":', "60"]
    ]
    assert any(line.endswith('"TimeoutSeconds": 61') for line in lines)


def _changed(old: str, new: str) -> Cdk:
    template = json.loads(json.dumps(_training(60)).replace(old, new))
    templates = _templates(template)
    return cast("Cdk", SimpleNamespace(template=templates.__getitem__))


def test_only_the_states_that_change_are_shown_with_names_for_references() -> None:
    lines = _lines(_changed("Bucket", "Folder"))
    assert lines[:2] == ["--- state A as it is deployed", "+++ state A as it will be"]
    text = "\n".join(lines)
    for words in ("arn:${AWS::Partition}:states", "${PrepareRunLambda.Arn}", "${storage:Bucket}"):
        assert words in text
    assert text.count("--- ") == 1


def test_a_state_that_is_added_is_shown_whole() -> None:
    lines = _lines(_changed('\\"States\\":{', '\\"States\\":{\\"B\\":{\\"Type\\":\\"Succeed\\"},'))
    assert lines == [
        "--- state B as it is deployed",
        "+++ state B as it will be",
        "@@ -0,0 +1,3 @@",
        "+{",
        '+  "Type": "Succeed"',
        "+}",
    ]


def test_a_first_deployment_is_a_short_list_of_what_is_created() -> None:
    assert created_resources(_deployment({}), _cdk(60)) == {
        "example-dev-storage": {"AWS::S3::Bucket": 1},
        "example-dev-training": {"AWS::StepFunctions::StateMachine": 1},
        "example-dev-model-code": {"AWS::CodePipeline::Pipeline": 1},
    }
    assert created_resources(_deployment(DEPLOYED), _cdk(60)) == {}


def test_a_first_deployment_has_nothing_to_compare_with() -> None:
    assert definition_changes(_deployment({}), _cdk(60)) == []
