"""Transitions of a state machine: every one leads somewhere, every state is reached."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from checks.findings import Finding
from checks.machines import Machine, State, Workflow

ENDS = {"Succeed", "Fail"}


def find(machine: Machine) -> Iterator[Finding]:
    """Yield what is wrong with a machine's transitions and names."""
    for workflow in machine.workflows:
        yield from _transitions(workflow)
        for state in workflow.states:
            yield from _choice(state)
    yield from _unreached(machine)
    yield from _names(machine)
    if "TimeoutSeconds" not in machine.definition and not machine.is_express:
        yield machine.resource.finding(
            "asl-machine-timeout", "no TimeoutSeconds", "a time within which every execution ends"
        )


def _transitions(workflow: Workflow) -> Iterator[Finding]:
    known = {state.name: state for state in workflow.states}
    resource, start = workflow.machine.resource, workflow.body.get("StartAt")
    if start not in known:
        yield resource.finding(
            "asl-transition", f"StartAt {start!r}", f"one of {_some(known)}", workflow.place
        )
    for state in workflow.states:
        for name, target in _targets(state.body):
            if target not in known:
                found = f"{name} {target!r} is no state here"
                yield state.finding("asl-transition", found, _some(known))
    for state in workflow.states:
        if state.body.get("Type") not in {"Choice", *ENDS}:
            yield from _continues(state)


def _unreached(machine: Machine) -> Iterator[Finding]:
    """Yield one finding: a single mistake may leave most of a machine behind."""
    unreached = [state for workflow in machine.workflows for state in _left_behind(workflow)]
    if unreached:
        more = f" (and {len(unreached) - 1} more)" if len(unreached) > 1 else ""
        first = unreached[0]
        yield first.finding(
            "asl-unreachable",
            f"State {first.name}{more} cannot be reached",
            "transitions that lead to every state",
        )


def _left_behind(workflow: Workflow) -> list[State]:
    """Return states that cannot be reached, first those that no other of them leads to."""
    known = {state.name: state for state in workflow.states}
    targets = {name: [each for _, each in _targets(known[name].body)] for name in known}
    # what a dangling transition was to reach is no mistake of its own
    if any(target not in known for each in targets.values() for target in each):
        return []
    names = sorted(known.keys() - _reached(workflow.body.get("StartAt"), known))
    followers = {target for name in names for target in targets[name]}
    return [known[name] for name in sorted(names, key=followers.__contains__)]


def _targets(body: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    yield from ((name, body[name]) for name in ("Next", "Default") if name in body)
    for field in ("Catch", "Choices"):
        for index, each in enumerate(body.get(field, [])):
            yield f"{field}[{index}].Next", each.get("Next")


def _reached(start: Any, known: Mapping[str, State]) -> set[str]:
    reached: set[str] = set()
    waiting = [start]
    while waiting:
        name = waiting.pop()
        if name in known and name not in reached:
            reached.add(name)
            waiting.extend(target for _, target in _targets(known[name].body))
    return reached


def _continues(state: State) -> Iterator[Finding]:
    both = ("Next" in state.body) + bool(state.body.get("End"))
    if both != 1:
        found = "neither Next nor End" if both == 0 else "both Next and End"
        yield state.finding("asl-transition", found, "Next or End")


def _choice(state: State) -> Iterator[Finding]:
    if state.body.get("Type") == "Choice" and "Default" not in state.body:
        yield state.finding(
            "asl-choice-default",
            "a Choice without Default",
            "Default: an input that no rule matches otherwise fails with States.NoChoiceMatched",
        )


def _names(machine: Machine) -> Iterator[Finding]:
    counted = Counter(state.name for state in machine.states)
    repeated = {name for name, count in counted.items() if count > 1}
    for name in sorted(repeated | set(machine.repeated)):
        yield machine.resource.finding(
            "asl-duplicate", f"{name!r} more than once", "one state, one field of a name", name
        )


def _some(known: Mapping[str, State]) -> str:
    names = sorted(known)
    return ", ".join(names[:5]) + (" …" if len(names) > 5 else "")
