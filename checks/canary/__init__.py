"""A template full of mistakes: a tool that does not find its own in it does not work."""

import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

from checks.findings import Finding

ASSEMBLY = Path(__file__).parent / "assembly"
STACK = "canary-prod"
EXPECTED = Path(__file__).parent / "expected.toml"


def differences(findings: Iterable[Finding]) -> Iterator[str]:
    """Yield what the canary's findings lack of the expected ones, or have besides."""
    tools: dict[str, dict[str, list[str]]] = tomllib.loads(EXPECTED.read_text("utf-8"))
    expected = {
        (tool, rule, resource)
        for tool, rules in tools.items()
        for rule, resources in rules.items()
        for resource in resources
    }
    found = {(each.tool, each.rule, each.resource) for each in findings}
    for missing in sorted(expected - found):
        yield f"the canary's mistake was not found: {' '.join(missing)}"
    for unexpected in sorted(found - expected):
        yield f"found in the canary, yet not among its mistakes: {' '.join(unexpected)}"
