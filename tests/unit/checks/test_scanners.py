"""What scanners are given, and how what they say is read."""

import json
from pathlib import Path

from checks.scanners import asl_validator, cfn_lint, copies
from tests.unit.checks.factories import assembly, machine, of_states, resource


def test_suppressions_in_templates_do_not_count(tmp_path: Path) -> None:
    ignored = {"cfn-lint": {"config": {"ignore_checks": ["E3012", "E3002"]}}}
    bad = resource("AWS::SNS::Topic", NoSuchProperty="x") | {"Metadata": ignored}
    one = assembly(tmp_path, {"Topic": bad}, Metadata=ignored)
    folder = tmp_path / "copies"
    folder.mkdir()
    copied = copies([one], folder)
    (path,) = copied.templates
    assert "Metadata" not in json.dumps(json.loads(path.read_text()))
    (found,) = cfn_lint(copied)
    assert (found.rule, found.stack, found.resource) == ("E3002", "one", "Topic")


def test_the_language_s_validator_reads_unresolved_names_as_arns(tmp_path: Path) -> None:
    task = {"Type": "Task", "Resource": "${Arn}", "End": True}
    given = {"DefinitionSubstitutions": {"Arn": {"Fn::GetAtt": ["Function", "Arn"]}}}
    sound = machine(of_states(One=task), **given)
    broken = machine(of_states(One={"Type": "Pass", "Bogus": True, "End": True}))
    found = list(asl_validator([assembly(tmp_path, {"Sound": sound, "Broken": broken})]))
    assert {each.resource.partition("/")[0] for each in found} == {"Broken"}
