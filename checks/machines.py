"""State machines of an assembly: their definitions resolved, their states one by one."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from checks.assembly import Assembly, Resource
from checks.findings import CheckError, Finding

TYPES = ("AWS::StepFunctions::StateMachine", "AWS::Serverless::StateMachine")
BARE_UNKNOWN = re.compile(r"([:\[,]\s*)«[^\"»]*»(?=\s*[,}\]])")
INNER = ("ItemProcessor", "Iterator")


@dataclass(frozen=True)
class State:
    """A state, the states beside it, and whether what holds them catches its errors."""

    machine: "Machine"
    name: str
    body: Mapping[str, Any]
    jsonata: bool
    is_caught: bool

    @property
    def parameters(self) -> Any:
        """What a task asks its service."""
        return self.body.get("Arguments" if self.jsonata else "Parameters") or {}

    def finding(self, rule: str, found: str, expected: str) -> Finding:
        """Say what is wrong with it."""
        return self.machine.resource.finding(rule, found, expected, self.name)


@dataclass(frozen=True)
class Workflow:
    """States that know each other: a state machine's, a branch's, an item processor's."""

    machine: "Machine"
    place: str
    body: Mapping[str, Any]
    jsonata: bool
    is_caught: bool

    @cached_property
    def states(self) -> list[State]:
        """Its own states, those within its states not among them."""
        found = []
        for name, body in self.body.get("States", {}).items():
            language = body.get("QueryLanguage")
            jsonata = self.jsonata if language is None else language == "JSONata"
            found.append(State(self.machine, name, body, jsonata, self.is_caught))
        return found

    @property
    def within(self) -> Iterator["Workflow"]:
        """Workflows in its states."""
        for state in self.states:
            bodies = [*state.body.get("Branches", [])]
            bodies += [state.body[name] for name in INNER if name in state.body]
            caught = self.is_caught or bool(state.body.get("Catch"))
            for body in bodies:
                yield Workflow(self.machine, state.name, body, state.jsonata, caught)


@dataclass(frozen=True)
class Machine:
    """A state machine with its definition."""

    resource: Resource
    definition: Mapping[str, Any]
    repeated: tuple[str, ...] = ()

    @property
    def is_express(self) -> bool:
        """Whether executions last minutes at most."""
        kind = self.resource.get("StateMachineType") or self.resource.get("Type")
        return bool(kind == "EXPRESS")

    @property
    def workflows(self) -> Iterator[Workflow]:
        """Its own workflow first, then those within."""
        jsonata = self.definition.get("QueryLanguage") == "JSONata"
        waiting = [Workflow(self, "", self.definition, jsonata, is_caught=False)]
        while waiting:
            workflow = waiting.pop(0)
            yield workflow
            waiting.extend(workflow.within)

    @property
    def states(self) -> Iterator[State]:
        """Every state, however deep."""
        return (state for workflow in self.workflows for state in workflow.states)


def machines(assembly: Assembly) -> tuple[list[Machine], list[Finding]]:
    """Return the state machines whose definitions can be read, and findings for the others."""
    found, unread = [], []
    for resource in assembly.of_type(*TYPES):
        try:
            found.append(_machine(resource, assembly))
        except CheckError as error:
            unread.append(
                resource.finding("asl-unreadable", str(error), "a definition in the assembly")
            )
    return found, unread


def _machine(resource: Resource, assembly: Assembly) -> Machine:
    repeated: list[str] = []

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        repeated.extend(sorted({name for name in names if names.count(name) > 1}))
        return dict(pairs)

    document = _document(resource, assembly)
    for name, value in (resource.get("DefinitionSubstitutions") or {}).items():
        document = document.replace(f"${{{name}}}", str(value))
    try:
        definition = json.loads(document, object_pairs_hook=unique)
    except ValueError:
        repeated.clear()
        try:  # a number that only a deployment knows
            definition = json.loads(BARE_UNKNOWN.sub(r"\g<1>1", document), object_pairs_hook=unique)
        except ValueError as error:
            raise CheckError(f"the definition is no JSON: {error}") from error
    if not isinstance(definition, dict) or not isinstance(definition.get("States"), dict):
        raise CheckError("the definition has no States")
    return Machine(resource, definition, tuple(repeated))


def _document(resource: Resource, assembly: Assembly) -> str:
    if definition := resource.get("Definition"):
        return json.dumps(definition, ensure_ascii=False)
    if written := resource.get("DefinitionString"):
        return str(written)
    location = resource.get("DefinitionS3Location") or {}
    key = location.get("Key", "") if isinstance(location, dict) else ""
    path = assembly.asset(str(key))
    if path is None or not path.is_file():
        raise CheckError(f"no definition, and no asset with the key {key!r}")
    return path.read_text("utf-8")
