"""Step Functions: what AWS finds wrong with a definition before it stores it.

Codes, words and locations are those that public logs of CreateStateMachine and
ValidateStateMachineDefinition show. What only the embedded account lacks says so.
"""

import json
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from jsonpath_ng.exceptions import JSONPathError
from jsonpath_ng.ext import parse as parse_json_path

from local_account.services.integrations import integration_problems

State = dict[str, Any]

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
_TEMPLATES = ("Parameters", "ResultSelector", "ItemSelector", "Assign")
_REFERENCE_PATHS = frozenset({"ResultPath"})
_OPERATOR = re.compile(
    r"(String|Numeric|Boolean|Timestamp)(Equals|(Less|Greater)Than(Equals)?)(Path)?"
    r"|StringMatches|Is(Null|Present|Numeric|String|Boolean|Timestamp)"
)
_COMBINED = ("And", "Or", "Not")
_SIMPLE_PATH = re.compile(r"\$(\.[\w-]+|\[\d+\]|\['[^']+'\])*")
_VARIABLE = re.compile(r"\$(\$|[A-Za-z_]\w*)")
_INTRINSIC = re.compile(r"States\.([A-Za-z0-9]+)\(.*\)", re.DOTALL)
_FUNCTIONS = frozenset(
    {
        *("Format", "StringToJson", "JsonToString", "Array", "ArrayPartition", "ArrayContains"),
        *("ArrayRange", "ArrayGetItem", "ArrayLength", "ArrayUnique", "Base64Encode"),
        *("Base64Decode", "Hash", "JsonMerge", "MathRandom", "MathAdd", "StringSplit", "UUID"),
    }
)
_LONGEST_NAME = 80


class Problem(NamedTuple):
    """One thing that is wrong: AWS's code, what it is, and where (as a JSON pointer)."""

    message: str
    location: str | None
    code: str = "SCHEMA_VALIDATION_FAILED"

    def __str__(self) -> str:
        return f"{self.code}: {self.message} at {self.location or 'null'}"


def problems_of_definition(definition: str) -> list[Problem]:
    """Return what AWS would refuse a definition for; nothing if it is one that runs."""
    try:
        machine = json.loads(definition)
    except ValueError as error:
        return [Problem(str(error), None, "INVALID_JSON_DESCRIPTION")]
    if not isinstance(machine, dict):
        return [Problem("Value is not a JSON object", "")]
    problems = [*_language(machine), *_in_container(machine, "")]
    return problems or list(_in_graph(machine, ""))


def problems_of_state(state: State) -> list[Problem]:
    """Return what is wrong with a state that is looked at alone."""
    return list(_in_state(state, ""))


def refusal(problems: list[Problem]) -> str:
    """Return the message with which AWS refuses to create a state machine."""
    return f"Invalid State Machine Definition: '{', '.join(map(str, problems))}'"


def managed_rules(definition: str) -> set[str]:
    """Return the names of the rules that Step Functions keeps for what `.sync` waits for."""
    resources = {state.get("Resource", "") for state in states_of(json.loads(definition)).values()}
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


def states_of(container: State) -> dict[str, State]:
    """Return the states of a machine by name, those inside Parallel and Map states too."""
    found: dict[str, State] = {}
    for name, state in container["States"].items():
        found[name] = state
        for _, inner in _inner(state):
            found.update(states_of(inner))
    return found


def _inner(state: State) -> Iterator[tuple[str, State]]:
    for number, branch in enumerate(state.get("Branches", [])):
        yield f"/Branches[{number}]", branch
    for field in ("ItemProcessor", "Iterator"):
        if field in state:
            yield f"/{field}", state[field]


def _language(machine: State) -> Iterator[Problem]:
    if machine.get("QueryLanguage", "JSONPath") != "JSONPath":
        yield _unmodelled("the query language JSONata", "/QueryLanguage")


def _unmodelled(what: str, location: str) -> Problem:
    return Problem(f"The embedded account does not model {what}", location)


def _in_container(container: Any, at: str) -> Iterator[Problem]:
    missing = [name for name in ("StartAt", "States") if name not in container]
    if missing:
        yield Problem(f"These fields are required: [{', '.join(missing)}]", at)
        return
    for name, state in container["States"].items():
        location = f"{at}/States/{name}"
        if len(name) > _LONGEST_NAME:
            yield Problem(f"A state's name has at most {_LONGEST_NAME} characters", location)
        yield from _in_state(state, location)
        for where, inner in _inner(state):
            yield from _in_container(inner, f"{location}{where}")


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
        if not is_json_path(value) and not _is_intrinsic(value):
            yield Problem("Value must be a valid JSONPath.", f"{at}/{field}")
        elif field in _REFERENCE_PATHS and not _SIMPLE_PATH.fullmatch(value):
            yield Problem("Value is not a Reference Path", f"{at}/{field}")
    for field in _TEMPLATES:
        for key in _broken_keys(state.get(field)):
            message = "must be a valid JSONPath or a valid intrinsic function call"
            yield Problem(f"The value for the field '{key}' {message}", f"{at}/{field}")


def _broken_keys(template: Any) -> Iterator[str]:
    """Yield the names of fields that should be paths, and are none."""
    if isinstance(template, list):
        for member in template:
            yield from _broken_keys(member)
    elif isinstance(template, dict):
        for key, value in template.items():
            if not key.endswith(".$"):
                yield from _broken_keys(value)
            elif not is_json_path(value) and not _is_intrinsic(value):
                yield key


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
            yield from _in_paths({k: v for k, v in rule.items() if k == "ResultPath"}, location)


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
    for name, state in states.items():
        for where, inner in _inner(state):
            yield from _in_graph(inner, f"{at}/States/{name}{where}")


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


@lru_cache(maxsize=1024)
def is_json_path(value: Any) -> bool:
    """Tell whether a value is a path into a state's input, its context or a variable."""
    if not isinstance(value, str) or not value.startswith("$"):
        return False
    path = _VARIABLE.sub("$", value, count=1)
    if _SIMPLE_PATH.fullmatch(path):
        return True
    try:
        parse_json_path(path)
    except (JSONPathError, AttributeError):  # what the library's lexer and parser raise
        return False
    return True


def _is_intrinsic(value: Any) -> bool:
    match = _INTRINSIC.fullmatch(value) if isinstance(value, str) else None
    return match is not None and match[1] in _FUNCTIONS
