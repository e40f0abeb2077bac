"""The canary has a mistake for each own rule, and the own rules find these and no others."""

import re
import tomllib
from pathlib import Path

from checks import canary, own_rules
from checks.assembly import load
from checks.findings import OWN, Finding

SOURCES = Path(own_rules.__file__).parent
RULE = re.compile(
    r"""(?:finding\(\s*f?|yield |else |rule = )"((?:asl|run|iam)?-?[a-z]+(?:-[a-z]+)*)(?=["\[])"""
)
EXPECTED = tomllib.loads(canary.EXPECTED.read_text())


def own_findings() -> list[Finding]:
    return list(own_rules.find(load(canary.ASSEMBLY)))


def others() -> list[Finding]:
    return [
        Finding(tool, rule, canary.STACK, resource, "", "")
        for tool, rules in EXPECTED.items()
        for rule, resources in rules.items()
        for resource in resources
        if tool != OWN
    ]


def test_own_rules_find_exactly_the_canary_s_mistakes() -> None:
    assert list(canary.differences([*own_findings(), *others()])) == []


def test_each_own_rule_has_a_mistake_in_the_canary() -> None:
    written = {
        rule
        for path in SOURCES.glob("*.py")
        for rule in RULE.findall(path.read_text())
        if "-" in rule or rule in {"secret", "import"}
    }
    known = {rule.partition("[")[0] for rule in EXPECTED[OWN]}
    assert len(written) > 50
    assert written | {"malformed"} == known


def test_every_tool_has_a_mistake_in_the_canary() -> None:
    assert EXPECTED.keys() == {"checks", "cdk-nag", "cfn-lint", "checkov", "asl-validator"}


def test_a_tool_that_finds_nothing_is_told_of() -> None:
    silent = [finding for finding in [*own_findings(), *others()] if finding.tool != "cfn-lint"]
    assert list(canary.differences(silent)) == [
        "the canary's mistake was not found: cfn-lint E2531 UnloggedOutdatedFunction",
        "the canary's mistake was not found: cfn-lint E3601 Malformed",
    ]


def test_a_finding_that_nobody_expects_is_told_of() -> None:
    more = Finding("checkov", "CKV_AWS_1", canary.STACK, "Key", "", "")
    (told,) = canary.differences([*own_findings(), *others(), more])
    assert told == "found in the canary, yet not among its mistakes: checkov CKV_AWS_1 Key"
