"""What one tool cannot judge is a finding, and takes no other tool's findings away."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from checks import scanners, transforms
from checks.findings import CheckError, Finding
from checks.judge import judge
from tests.unit.checks.factories import assembly, resource

TOPIC = "AWS::SNS::Topic"


def test_a_template_that_cannot_be_loaded_is_a_finding_beside_the_others(tmp_path: Path) -> None:
    dangling = {"Resources": {"Topic": resource(TOPIC, TopicName={"Ref": "Nowhere"})}}
    (tmp_path / "broken.template.json").write_text(json.dumps(dangling))
    one = assembly(tmp_path, {"Bucket": resource("AWS::S3::Bucket")})
    folder = tmp_path / "copies"
    folder.mkdir()
    found, _ = scanners.cdk_nag(scanners.copies([one], folder))
    (refused,) = [each for each in found if each.rule == scanners.NOT_LOADED]
    assert (refused.tool, refused.stack) == ("cdk-nag", "broken")
    assert refused.found.startswith("could not load broken.template.json: ")
    assert "'Nowhere' not found" in refused.found
    assert ("AwsSolutions-S1", "one") in {(each.rule, each.stack) for each in found}


def test_a_tool_that_cannot_work_leaves_the_others_findings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unable(_: scanners.Copies) -> list[Finding]:
        raise CheckError("it has no rules")

    monkeypatch.setattr(scanners, "cdk_nag", unable)
    monkeypatch.setattr(scanners, "checkov", lambda _: [])
    assembly(tmp_path, {"Topic": resource(TOPIC, NoSuchProperty="x")})
    found = {(each.tool, each.rule): each.found for each in judge([tmp_path]).findings}
    assert found["cdk-nag", "not-judged"] == "it has no rules"
    assert ("cfn-lint", "E3002") in found


def test_the_reason_is_what_was_raised_last(tmp_path: Path) -> None:
    script = tmp_path / "fails.py"
    script.write_text(
        "try:\n    raise KeyError\nexcept KeyError as e:\n    raise ValueError('why') from e"
    )
    with pytest.raises(CheckError, match=r"fails\.py: ValueError: why$"):
        scanners._run([sys.executable, script], tmp_path)


def test_macros_are_told_of(tmp_path: Path) -> None:
    included = {"Fn::Transform": {"Name": "AWS::Include", "Parameters": {"Location": "s3://a/b"}}}
    resources = {"Plain": resource(TOPIC), "Topic": resource(TOPIC, Tags=[included])}
    one = assembly(tmp_path, resources, Transform="AWS::Serverless-2016-10-31")
    told = {each.resource: each.found.partition(" ")[0] for each in transforms.find(one)}
    assert told == {"Transform": "AWS::Serverless-2016-10-31", "Topic": "AWS::Include"}


def test_output_that_is_piped_does_not_wrap(tmp_path: Path) -> None:
    name = "Topic" * 40
    assembly(tmp_path, {name: resource(TOPIC)}, Transform="Macro")
    ended = subprocess.run(
        [sys.executable, "-m", "checks", str(tmp_path)],
        cwd=scanners.ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1, ended.stderr
    assert any(f"\tone / {name}\t" in line for line in ended.stdout.splitlines())
    assert "checks\ttransform-unexpanded\tone / Transform\tMacro is" in ended.stdout
