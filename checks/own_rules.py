"""The project's own rules, all of them: what the scanners do not look at."""

from collections.abc import Iterable, Iterator

from checks import (
    asl_errors,
    asl_graph,
    asl_shapes,
    delivery,
    functions,
    iam,
    machine_rights,
    runtime_resources,
    storage,
    transforms,
)
from checks.assembly import Assembly
from checks.findings import OWN, Finding
from checks.machines import machines

MALFORMED = (TypeError, ValueError, AttributeError, KeyError, IndexError)


def find(assembly: Assembly) -> Iterator[Finding]:
    """Yield every finding of the own rules in an assembly."""
    for rules in (delivery, functions, iam, storage, transforms):
        yield from _read(rules.__name__, assembly.templates[0].name, rules.find(assembly))
    yield from _read(machines.__module__, assembly.templates[0].name, _of_machines(assembly))


def _of_machines(assembly: Assembly) -> Iterator[Finding]:
    readable, unreadable = machines(assembly)
    yield from unreadable
    for machine in readable:
        resource = machine.resource
        for rules in (asl_graph, asl_errors, asl_shapes, machine_rights, runtime_resources):
            place = f"{rules.__name__} in {resource.logical_id}"
            yield from _read(place, resource.template.name, rules.find(machine))


def _read(place: str, stack: str, findings: Iterable[Finding]) -> Iterator[Finding]:
    """Yield findings; rules that stumble over what has not its documented shape say so."""
    try:
        yield from findings
    except MALFORMED as error:
        expected = "properties of the types that CloudFormation documents: see cfn-lint"
        yield Finding(OWN, "malformed", stack, place, f"{type(error).__name__}: {error}", expected)
