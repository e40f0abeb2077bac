"""Step Functions: what AWS finds wrong with a definition before it stores it.

Codes, words and locations are those that public logs of CreateStateMachine and
ValidateStateMachineDefinition show. What only the embedded account lacks says so.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from local_account.services.definition_shapes import (
    Problem,
    State,
    machines_in,
    misshapen,
    read,
)
from local_account.services.integrations import integration_problems
from local_account.services.json_paths import (
    REFERENCE_PATH,
    is_intrinsic,
    is_json_path,
    unmodelled_in,
)

_ENDS = frozenset({"Next", "End"})
_PATHS = frozenset({"InputPath", "OutputPath"})
_RESULT = frozenset({"ResultPath", "Parameters", "ResultSelector", "Retry", "Catch"})
_TASK = frozenset({"Resource", "Credentials"})
_TIMES = frozenset(
    {"TimeoutSeconds", "TimeoutSecondsPath", "HeartbeatSeconds", "HeartbeatSecondsPath"}
)
_MAP = frozenset(
    {
        *("ItemProcessor", "Iterator", "ItemsPath", "ItemSelector", "ItemReader", "ItemBatcher"),
        *("ResultWriter", "MaxConcurrency", "MaxConcurrencyPath", "Label"),
        *("ToleratedFailureCount", "ToleratedFailureCountPath"),
        *("ToleratedFailurePercentage", "ToleratedFailurePercentagePath"),
    }
)
_FIELDS: Mapping[str, frozenset[str]] = {
    "Pass": _ENDS | _PATHS | {"ResultPath", "Parameters", "Result", "Assign"},
    "Task": _ENDS | _PATHS | _RESULT | _TASK | _TIMES | {"Assign"},
    "Choice": _PATHS | {"Choices", "Default", "Assign"},
    "Wait": _ENDS | _PATHS | {"Seconds", "SecondsPath", "Timestamp", "TimestampPath", "Assign"},
    "Succeed": _PATHS,
    "Fail": frozenset({"Error", "ErrorPath", "Cause", "CausePath"}),
    "Parallel": _ENDS | _PATHS | _RESULT | {"Branches", "Assign"},
    "Map": _ENDS | _PATHS | _RESULT | _MAP | {"Assign"},
}
_EVERYWHERE = frozenset({"Type", "Comment", "QueryLanguage"})
_REQUIRED = {"Task": "Resource", "Choice": "Choices", "Parallel": "Branches"}
_TEMPLATES = ("Parameters", "ResultSelector", "ItemSelector")
_REFERENCE_PATHS = frozenset({"ResultPath"})
_OPERATOR = re.compile(
    r"(String|Numeric|Boolean|Timestamp)(Equals|(Less|Greater)Than(Equals)?)(Path)?"
    r"|StringMatches|Is(Null|Present|Numeric|String|Boolean|Timestamp)"
)
_COMBINED = ("And", "Or", "Not")
_LONGEST_NAME = 80


def problems_of_definition(definition: str) -> list[Problem]:
    """Return what AWS would refuse a definition for; nothing if it is one that runs."""
    try:
        machine = read(definition)
    except ValueError as error:
        return [Problem(str(error), None, "INVALID_JSON_DESCRIPTION")]
    if problems := list(misshapen(machine)):
        return problems
    containers = list(_containers(machine, ""))
    problems = [*_language(machine)]
    for at, container in containers:
        problems += _in_container(container, at)
    if problems:
        return problems
    problems = list(_duplicates(containers))
    for at, container in containers:
        problems += _in_graph(container, at)
    return problems


def problems_of_state(state: State) -> list[Problem]:
    """Return what is wrong with a state that is looked at alone."""
    return list(_in_state(state, ""))


def refusal(problems: list[Problem]) -> str:
    """Return the message with which AWS refuses to create a state machine."""
    return f"Invalid State Machine Definition: '{', '.join(map(str, problems))}'"


def managed_rules(definition: str) -> set[str]:
    """Return the names of the rules that Step Functions keeps for what `.sync` waits for."""
    resources = {state.get("Resource", "") for _, state in states_of(json.loads(definition))}
    return {
        rule
        for resource in resources
        if resource.endswith(".sync") or resource.endswith(".sync:2")
        for action, rule in _MANAGED_RULES.items()
        if f":::{action}." in resource
    }


_MANAGED_RULES = {
    "sagemaker:createTrainingJob": "StepFunctionsGetEventsForSageMakerTrainingJobsRule",
    "sagemaker:createProcessingJob": "StepFunctionsGetEventsForSageMakerProcessingJobsRule",
    "states:startExecution": "StepFunctionsGetEventsForStepFunctionsExecutionRule",
}


def states_of(machine: State) -> Iterator[tuple[str, State]]:
    """Yield the states of a machine and their names, those inside Parallel and Map states too."""
    for _, container in _containers(machine, ""):
        yield from container["States"].items()


def _containers(container: State, at: str) -> Iterator[tuple[str, State]]:
    yield at, container
    for name, state in container["States"].items():
        for where, inner in machines_in(state):
            yield from _containers(inner, f"{at}/States/{name}{where}")


def _duplicates(containers: list[tuple[str, State]]) -> Iterator[Problem]:
    """Yield the states whose name another state of the whole machine has."""
    known: set[str] = set()
    for at, container in containers:
        states = container["States"]
        for name in states:
            if name in known or name in states.repeated:
                message = f"Duplicate State name: {name}"
                yield Problem(message, f"{at}/States/{name}", "DUPLICATE_STATE_NAME")
        known |= states.keys()


def _language(machine: State) -> Iterator[Problem]:
    if machine.get("QueryLanguage", "JSONPath") != "JSONPath":
        yield _unmodelled("the query language JSONata", "/QueryLanguage")


def _unmodelled(what: str, location: str) -> Problem:
    return Problem(f"The embedded account does not model {what}", location)


def _in_container(container: State, at: str) -> Iterator[Problem]:
    for name, state in container["States"].items():
        location = f"{at}/States/{name}"
        if len(name) > _LONGEST_NAME:
            yield Problem(f"A state's name has at most {_LONGEST_NAME} characters", location)
        yield from _in_state(state, location)


def _in_state(state: State, at: str) -> Iterator[Problem]:
    kind = str(state.get("Type"))
    if kind not in _FIELDS:
        yield Problem(f"Value must be one of [{', '.join(sorted(_FIELDS))}]", f"{at}/Type")
        return
    yield from _language({"QueryLanguage": state.get("QueryLanguage", "JSONPath")})
    for field in state:
        if field not in _FIELDS[kind] | _EVERYWHERE:
            yield Problem(f"Field '{field}' is not supported", at)
    required = _REQUIRED.get(kind, "Type")
    if required not in state:
        yield Problem(f"These fields are required: [{required}]", at)
    elif _FIELDS[kind] >= _ENDS and not _ENDS & set(state):
        message = "This object should have only one of the following fields: [Next, End]"
        yield Problem(message, at)
    elif "Next" in state and state.get("End"):
        yield Problem("There should only be one of the following fields: [Next, End]", at)
    yield from _in_paths(state, at)
    yield from _in_rules(state, at)
    if kind == "Task" and "Resource" in state:
        for where, message in integration_problems(state):
            yield Problem(message, f"{at}/{where}")


def _in_paths(state: State, at: str) -> Iterator[Problem]:
    for field, value in state.items():
        if not field.endswith("Path") or value is None:
            continue
        if not is_json_path(value) and not is_intrinsic(value):
            yield Problem("Value must be a valid JSONPath.", f"{at}/{field}")
        elif what := unmodelled_in(value):
            yield _unmodelled(what, f"{at}/{field}")
        elif field in _REFERENCE_PATHS and not REFERENCE_PATH.fullmatch(value):
            yield Problem("Value is not a Reference Path", f"{at}/{field}")
    for field in _TEMPLATES:
        for key, value in _keys(state.get(field)):
            if not is_json_path(value) and not is_intrinsic(value):
                message = "must be a valid JSONPath or a valid intrinsic function call"
                yield Problem(f"The value for the field '{key}' {message}", f"{at}/{field}")
            elif what := unmodelled_in(value):
                yield _unmodelled(what, f"{at}/{field}")
    if "Assign" in state:
        yield _unmodelled("variables", f"{at}/Assign")


def _keys(template: Any) -> Iterator[tuple[str, Any]]:
    """Yield the fields that must be paths or calls."""
    if isinstance(template, list):
        for member in template:
            yield from _keys(member)
    elif isinstance(template, dict):
        for key, value in template.items():
            if key.endswith(".$"):
                yield key, value
            else:
                yield from _keys(value)


def _in_rules(state: State, at: str) -> Iterator[Problem]:
    if state.get("Choices") == []:
        yield Problem("Value cannot be empty", f"{at}/Choices")
    for number, rule in enumerate(state.get("Choices", [])):
        location = f"{at}/Choices[{number}]"
        if "Next" not in rule:
            yield Problem("These fields are required: [Next]", location)
        yield from _in_rule({key: value for key, value in rule.items() if key != "Next"}, location)
    for field, required in (("Retry", {"ErrorEquals"}), ("Catch", {"ErrorEquals", "Next"})):
        rules = state.get(field, [])
        for number, rule in enumerate(rules):
            location = f"{at}/{field}[{number}]"
            if missing := sorted(required - set(rule)):
                yield Problem(f"These fields are required: [{', '.join(missing)}]", location)
            errors = rule.get("ErrorEquals", [])
            if "States.ALL" in errors and (len(errors) > 1 or number < len(rules) - 1):
                message = "States.ALL must appear alone and at end of list"
                yield Problem(message, f"{location}/ErrorEquals")
            kept = {k: v for k, v in rule.items() if k in ("ResultPath", "Assign")}
            yield from _in_paths(kept, location)


def _in_rule(rule: State, at: str) -> Iterator[Problem]:
    tests = {key for key in rule if key not in ("Variable", "Comment", "Assign")}
    for field in sorted(tests):
        if field in _COMBINED:
            inner = rule[field] if isinstance(rule[field], list) else [rule[field]]
            for number, each in enumerate(inner):
                yield from _in_rule(each, f"{at}/{field}[{number}]")
        elif not _OPERATOR.fullmatch(field):
            yield Problem(f"Field '{field}' is not supported", at)
        elif "Variable" not in rule:
            yield Problem("These fields are required: [Variable]", at)
    if len(tests) != 1:
        fields = "[And, Or, Not, Variable, Condition]"
        yield Problem(f"The object must have only one of the following fields, {fields}", at)
    if "Variable" in rule and not is_json_path(rule["Variable"]):
        yield Problem("Value is not a Reference Path", f"{at}/Variable")
    elif what := unmodelled_in(rule.get("Variable", "$")):
        yield _unmodelled(what, f"{at}/Variable")
    paths = {field: rule[field] for field in tests if field.endswith("Path")}
    yield from _in_paths({**paths, **({"Assign": {}} if "Assign" in rule else {})}, at)


def _in_graph(container: State, at: str) -> Iterator[Problem]:
    """Yield transitions that lead nowhere, and states that nothing leads to."""
    states, start = container["States"], container["StartAt"]
    edges = {name: list(_transitions(state)) for name, state in states.items()}
    targets = [("/StartAt", start)]
    targets += [
        (f"/States/{name}{where}", target)
        for name, transitions in edges.items()
        for where, target in transitions
    ]
    for where, target in targets:
        if target not in states:
            message = f"Missing 'Next' target: {target}"
            yield Problem(message, f"{at}{where}", "MISSING_TRANSITION_TARGET")
    if not any(_is_end(state) for state in states.values()):
        yield Problem("Workflow has no terminal state", None, "MISSING_END_STATE")
    else:
        for name in sorted(set(states) - _reached(start, edges), key=list(states).index):
            message = f'State "{name}" is not reachable.'
            yield Problem(message, f"{at}/States/{name}", "MISSING_TRANSITION_TARGET")


def _transitions(state: State) -> Iterator[tuple[str, str]]:
    for field in ("Next", "Default"):
        if field in state:
            yield f"/{field}", state[field]
    for field in ("Choices", "Catch"):
        for number, rule in enumerate(state.get(field, [])):
            yield f"/{field}[{number}]/Next", rule["Next"]


def _is_end(state: State) -> bool:
    return bool(state.get("End")) or state["Type"] in ("Succeed", "Fail")


def _reached(start: str, edges: Mapping[str, list[tuple[str, str]]]) -> set[str]:
    found, waiting = set[str](), [start]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += [target for _, target in edges.get(name, [])]
    return found
