"""What is read of a cloud assembly, and what its functions come to."""

import json
from pathlib import Path
from typing import Any

import pytest

from checks.assembly import load
from checks.findings import CheckError
from tests.unit.checks.factories import assembly, resource


def value_of(folder: Path, value: Any, **parts: Any) -> Any:
    resources = {"One": resource("AWS::SNS::Topic", Value=value)}
    (one,) = assembly(folder, resources, **parts).resources
    return one.get("Value")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"Ref": "AWS::Region"}, "eu-west-1"),
        ({"Ref": "Other"}, "«Other»"),
        ({"Ref": "Given"}, "default"),
        ({"Fn::GetAtt": ["Role", "Arn"]}, "«Role.Arn»"),
        ({"Fn::GetAtt": "Role.Arn"}, "«Role.Arn»"),
        ({"Fn::Join": ["-", ["a", {"Ref": "Given"}, 1]]}, "a-default-1"),
        ({"Fn::Sub": "${Given}/${Role.Arn}/${!Literal}"}, "default/«Role.Arn»/${Literal}"),
        ({"Fn::Sub": ["${Own}", {"Own": {"Ref": "Given"}}]}, "default"),
        ({"Fn::If": ["Is", {"Ref": "AWS::NoValue"}, "other"]}, "other"),
        ({"Fn::Select": [1, ["a", "b"]]}, "b"),
        ({"Fn::Select": [0, {"Fn::Split": [":", "x:y"]}]}, "x"),
        ({"Fn::FindInMap": ["Map", {"Ref": "AWS::Region"}, "Key"]}, "mapped"),
        ({"Fn::ImportValue": "elsewhere"}, "«elsewhere»"),
        ({"Fn::Base64": "text"}, "text"),
        ({"Fn::Cidr": "10.0.0.0/8"}, "«10.0.0.0/8»"),
        ([{"Ref": "AWS::NoValue"}, "kept"], ["kept"]),
    ],
)
def test_functions_are_resolved_as_far_as_the_template_tells(
    tmp_path: Path, value: Any, expected: Any
) -> None:
    parts = {
        "Parameters": {"Given": {"Type": "String", "Default": "default"}},
        "Mappings": {"Map": {"eu-west-1": {"Key": "mapped"}}},
    }
    assert value_of(tmp_path, value, **parts) == expected


def test_stacks_import_what_others_export(tmp_path: Path) -> None:
    exported = {"Arn": {"Value": {"Fn::GetAtt": ["Key", "Arn"]}, "Export": {"Name": "key"}}}
    (tmp_path / "two.template.json").write_text(json.dumps({"Resources": {}, "Outputs": exported}))
    assert value_of(tmp_path, {"Fn::ImportValue": "key"}) == "«Key.Arn»"


def test_only_what_the_manifest_lists_is_read(tmp_path: Path) -> None:
    inner = tmp_path / "assembly-Stage"
    inner.mkdir()
    for folder, name in ((tmp_path, "one"), (tmp_path, "stale"), (inner, "two")):
        (folder / f"{name}.template.json").write_text('{"Resources": {}}')
    described = {"type": "aws:cloudformation:stack", "environment": "aws://1/eu-west-1"}
    for folder, name, others in (
        (inner, "two", {}),
        (
            tmp_path,
            "one",
            {
                "stage": {
                    "type": "cdk:cloud-assembly",
                    "properties": {"directoryName": "assembly-Stage"},
                }
            },
        ),
    ):
        artifact = {**described, "properties": {"templateFile": f"{name}.template.json"}}
        manifest = {"artifacts": {name: artifact, **others}}
        (folder / "manifest.json").write_text(json.dumps(manifest))
    assert [template.name for template in load(tmp_path).templates] == ["one", "two"]


def test_templates_may_be_yaml(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text("Resources: {One: {Type: AWS::SNS::Topic}}")
    assert [each.type for each in load(tmp_path).resources] == ["AWS::SNS::Topic"]


@pytest.mark.parametrize("text", ["", '{"Resources": {"One": {}}}', '{"Resources": '])
def test_a_folder_without_usable_templates_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "one.template.json").write_text(text)
    with pytest.raises(CheckError, match=r"expected a (cloud assembly|template)"):
        load(tmp_path)
