"""Step Functions: which services a Task state can call, and with which parameters."""

import re
from collections.abc import Iterator
from typing import Any

from local_account.service import service_model
from local_account.services import step_functions

_RESOURCE = re.compile(
    r"arn:aws[a-z-]*:states:[^:]*:[^:]*:(?P<service>aws-sdk:[a-z0-9]+|[a-z-]+):(?P<action>\w+)"
    r"(\.(?P<pattern>sync|sync:2|waitForTaskToken))?"
)
_FUNCTION = re.compile(r"arn:aws[a-z-]*:lambda:.*:function:.+")
_ACTIVITY = re.compile(r"arn:aws[a-z-]*:states:.*:activity:.+")
_TOKEN = "waitForTaskToken"  # noqa: S105 - the name of a pattern
_INTEGRATIONS: dict[str, dict[str, set[str | None]]] = {
    "lambda": {"invoke": {None, _TOKEN}},
    "sagemaker": {
        action: {None, "sync"} if action in step_functions.SYNC else {None}
        for action in step_functions.ACTIONS
    },
    "dynamodb": {action: {None} for action in ("getItem", "putItem", "updateItem", "deleteItem")},
    "sns": {"publish": {None, _TOKEN}},
    "sqs": {"sendMessage": {None, _TOKEN}},
    "events": {"putEvents": {None, _TOKEN}},
    "states": {"startExecution": {None, _TOKEN, "sync", "sync:2"}},
}
_OTHERS_OF_SAGEMAKER = re.compile("create(Transform|HyperParameterTuning|Labeling)Job")
SDK_SERVICES = {
    **{
        name: name
        for name in (
            *("budgets", "cloudformation", "cloudwatch", "dynamodb", "ecr", "iam", "kms", "lambda"),
            *("s3", "sagemaker", "scheduler", "sns", "sqs", "ssm", "sts"),
        )
    },
    "cloudwatchlogs": "logs",
    "eventbridge": "events",
    "sagemakerruntime": "sagemaker-runtime",
    "servicequotas": "service-quotas",
    "sfn": "stepfunctions",
}
"""The services of this account that `aws-sdk` calls, by its names, with botocore's."""
_OPTIMIZED = {"states": "stepfunctions"}
_ANY = ("string", "blob", "timestamp")  # other values are written as JSON
_TYPES: dict[str, Any] = {
    "structure": dict,
    "map": dict,
    "list": list,
    "boolean": bool,
    "integer": int,
    "long": int,
    "float": (int, float),
    "double": (int, float),
}


def integration_problems(task: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with a Task's resource and parameters: the field, and what it is."""
    resource = str(task["Resource"])
    if _FUNCTION.fullmatch(resource):
        return
    if _ACTIVITY.fullmatch(resource):
        yield "Resource", f"The embedded account does not model activities: {resource}"
        return
    match = _RESOURCE.fullmatch(resource)
    if match is None:
        yield "Resource", "Value is not a valid resource ARN"
        return
    service, action, pattern = match["service"], match["action"], match["pattern"]
    if refusal := _refusal(service, action, pattern, resource):
        yield "Resource", refusal
        return
    shape = _operation(_botocore_name(service), action).input_shape
    for message in _in_parameters(task.get("Parameters", {}), shape):
        yield "Parameters", message


def result_problems(resource: str, result: Any, *, is_strict: bool) -> Iterator[str]:
    """Yield how a result differs from what a `sagemaker` integration returns."""
    match = _RESOURCE.fullmatch(resource)
    if match is None or match["service"] != "sagemaker":
        return
    action = match["action"]
    if match["pattern"] == "sync":  # AWS is asked for the job when it has ended
        action = action.replace("create", "describe")
    shape = _operation("sagemaker", action).output_shape
    if not isinstance(result, dict):
        yield "The result is not a JSON object"
        return
    metadata = ("SdkHttpMetadata", "SdkResponseMetadata")
    given = {name: value for name, value in result.items() if name not in metadata}
    for problem in _in_parameters(given, shape):
        if is_strict or "required" not in problem:
            yield problem


def _refusal(service: str, action: str, pattern: str | None, resource: str) -> str:
    unknown = (
        f"The resource provided {resource} is not recognized. The value is not a valid resource "
        "ARN, or the resource is not available in this region."
    )
    unmodelled = f"The embedded account does not model the integration {resource}"
    name = service.removeprefix("aws-sdk:")
    if name != service:
        if name not in SDK_SERVICES:
            return unknown if name in SDK_SERVICES.values() else unmodelled
        known = _operation(SDK_SERVICES[name], action) is not None and pattern in (None, _TOKEN)
        return "" if known else unknown
    actions = _INTEGRATIONS.get(service)
    if actions is None or (service == "sagemaker" and _OTHERS_OF_SAGEMAKER.match(action)):
        return unmodelled
    return "" if pattern in actions.get(action, ()) else unknown


def _botocore_name(service: str) -> str:
    sdk = service.removeprefix("aws-sdk:")
    return SDK_SERVICES[sdk] if sdk != service else _OPTIMIZED.get(service, service)


def _operation(name: str, action: str) -> Any:
    """Return botocore's model of an operation, or None if there is none of that name."""
    model = service_model(name)
    operation = action[0].upper() + action[1:]
    known = action[0].islower() and operation in model.operation_names
    return model.operation_model(operation) if known else None


def _in_parameters(given: Any, shape: Any) -> Iterator[str]:
    if not isinstance(given, dict) or shape is None:
        return
    fields = {name.removesuffix(".$") for name in given}
    members = {name[0].upper() + name[1:]: member for name, member in shape.members.items()}
    for required in shape.required_members:
        if required[0].upper() + required[1:] not in fields:
            yield f"The field '{required[0].upper() + required[1:]}' is required but was missing"
    for name, value in given.items():
        member = members.get(name.removesuffix(".$"))
        if member is None:
            yield f'The field "{name.removesuffix(".$")}" is not supported by Step Functions'
        elif not name.endswith(".$"):
            yield from _in_value(name, value, member)


def _in_value(name: str, value: Any, shape: Any) -> Iterator[str]:
    kind = shape.type_name
    if kind in _ANY or getattr(shape, "is_document_type", False):
        return
    if not isinstance(value, _TYPES[kind]) or (kind != "boolean" and isinstance(value, bool)):
        yield f"The value of the field '{name}' has an invalid format"
    elif kind == "structure":
        yield from _in_parameters(value, shape)
    elif kind == "list":
        for member in value:
            yield from _in_value(name, member, shape.member)
    elif kind == "map":
        for key, member in value.items():
            if not key.endswith(".$"):
                yield from _in_value(name, member, shape.value)
