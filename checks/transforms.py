"""Macros of a template: what they make of it is known to a deployment alone."""

from collections.abc import Iterator
from typing import Any

from checks.assembly import Assembly, Template
from checks.findings import OWN, Finding

WITHIN = "Fn::Transform"


def find(assembly: Assembly) -> Iterator[Finding]:
    """Yield a finding for each macro: the resources that it makes are not judged."""
    rule = "transform-unexpanded"
    for template in assembly.templates:
        for place, name in macros(template):
            found = f"{name} is not expanded, so the resources that it makes are not judged"
            expected = "the template as it is after its macros"
            yield Finding(OWN, rule, template.name, place, found, expected)


def macros(template: Template) -> Iterator[tuple[str, str]]:
    """Yield the macros of a template by where they stand, and by name."""
    stated = template.body.get("Transform") or []
    for each in stated if isinstance(stated, list) else [stated]:
        yield "Transform", _name(each)
    for resource in template.resources:
        for name in sorted(_within(resource.body)):
            yield resource.logical_id, name


def _within(part: Any) -> set[str]:
    if isinstance(part, list):
        return {name for each in part for name in _within(each)}
    if not isinstance(part, dict):
        return set()
    own = {_name(part[WITHIN])} if WITHIN in part else set()
    return own | _within(list(part.values()))


def _name(macro: Any) -> str:
    return str(macro.get("Name", macro) if isinstance(macro, dict) else macro)
