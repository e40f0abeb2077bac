"""State machines: refused at creation for what AWS refuses them for."""

import importlib
import json
from typing import Any

from local_account.hooks.replace import add, replace
from local_account.service import Account, ServiceError, problems_of
from local_account.services.definition_shapes import Problem
from local_account.services.definitions import managed_rules, problems_of_definition, refusal

_PARSER = "moto.stepfunctions.parser"
_BACKEND = f"{_PARSER}.models:StepFunctionsParserBackend"
_RESPONSES = "moto.stepfunctions.responses:StepFunctionResponse"
_SERVICE = "states.amazonaws.com"
_RULE_ACTIONS = ("events:PutRule", "events:PutTargets", "events:DescribeRule")
_LOG_ACTIONS = (
    *("logs:CreateLogDelivery", "logs:GetLogDelivery", "logs:UpdateLogDelivery"),
    *("logs:DeleteLogDelivery", "logs:ListLogDeliveries", "logs:PutResourcePolicy"),
    *("logs:DescribeResourcePolicies", "logs:DescribeLogGroups"),
)
_MOST_PROBLEMS = 100


def install(account: Account) -> None:
    """Check requests, definitions and roles before moto stores them."""
    replace(f"{_RESPONSES}.call_action", _well_formed)
    # what stores a definition is wrapped below, and has found it valid
    replace(f"{_BACKEND}._validate_definition", lambda original: staticmethod(lambda **_: None))
    replace(f"{_BACKEND}.create_state_machine", lambda original: _checked(account, original))
    replace(f"{_BACKEND}.update_state_machine", lambda original: _rechecked(account, original))
    add(f"{_RESPONSES}.validate_state_machine_definition", _validate)


def _well_formed(original: Any) -> Any:
    def call(self: Any) -> Any:
        operation = self._get_action()
        if problems := problems_of("stepfunctions", operation, json.loads(self.body or "{}")):
            raise ServiceError("ValidationException", problems)
        return original(self)

    return call


def problems_in(definition: str) -> list[Problem]:
    """Return what is wrong with a definition, the interpreter's objections included."""
    if problems := problems_of_definition(definition):
        return problems
    parser = importlib.import_module(f"{_PARSER}.asl.parse.asl_parser").AmazonStateLanguageParser
    return objections(parser, definition)


def objections(parser: Any, definition: str) -> list[Problem]:
    """Return what keeps one of the interpreter's parsers from reading a definition."""
    try:
        parser.parse(definition)
    except Exception as error:  # noqa: BLE001 - whatever keeps it from being read
        return [Problem(str(error), None)]
    return []


def _require_valid(definition: str) -> None:
    if problems := problems_in(definition):
        raise ServiceError("InvalidDefinition", refusal(problems))


def _checked(account: Account, original: Any) -> Any:
    def create(self: Any, name: str, definition: str, roleArn: str, **more: Any) -> Any:
        if more.get("sm_type") == "EXPRESS":
            message = "The embedded account does not model EXPRESS state machines."
            raise ServiceError("UnsupportedOperation", message, 501)
        _require_valid(definition)
        _check_role(account, roleArn, definition, more.get("loggingConfiguration"))
        for existing in self.state_machines:
            if existing.name == name and not _is_same(existing, definition, more):
                message = f"State Machine Already Exists: '{existing.arn}'"
                raise ServiceError("StateMachineAlreadyExists", message)
        return original(self, name, definition, roleArn, **more)

    return create


def _is_same(existing: Any, definition: str, more: dict[str, Any]) -> bool:
    logging = more.get("loggingConfiguration") or {"level": "OFF"}
    tracing = more.get("tracingConfiguration") or {"enabled": False}
    return (existing.definition, existing.loggingConfiguration, existing.tracingConfiguration) == (
        *(definition, logging),
        tracing,
    )


def _rechecked(account: Account, original: Any) -> Any:
    def update(self: Any, arn: str, **changes: Any) -> Any:
        former = self.describe_state_machine(arn)
        definition = changes.get("definition") or former.definition
        _require_valid(definition)
        role = changes.get("role_arn") or former.roleArn
        logging = changes.get("logging_configuration") or former.loggingConfiguration
        _check_role(account, role, definition, logging)
        return original(self, arn, **changes)

    return update


def _check_role(account: Account, role_arn: str, definition: str, logging: Any) -> None:
    """Ask what Step Functions asks of a role when it sets up `.sync` and logging."""
    try:
        for rule in sorted(managed_rules(definition)):
            for action in _RULE_ACTIONS:
                resource = account.arn("events", f"rule/{rule}")
                account.identities.require(role_arn, action, resource, _SERVICE)
    except ServiceError as error:
        message = f"'{role_arn}' is not authorized to create managed-rule."
        raise ServiceError("AccessDeniedException", message) from error
    if (logging or {}).get("level", "OFF") == "OFF":
        return
    try:
        for action in _LOG_ACTIONS:
            account.identities.require(role_arn, action, "*", _SERVICE)
    except ServiceError as error:
        message = "The state machine IAM Role is not authorized to access the Log Destination"
        raise ServiceError("AccessDeniedException", message) from error


def _validate(self: Any) -> Any:
    from moto.core.responses import ActionResult

    problems = problems_in(self._get_param("definition"))
    most = self._get_int_param("maxResults") or _MOST_PROBLEMS
    diagnostics = [
        {"severity": "ERROR", "code": problem.code, "message": problem.message}
        | ({"location": problem.location} if problem.location else {})
        for problem in problems
    ]
    return ActionResult(
        {
            "result": "FAIL" if problems else "OK",
            "diagnostics": diagnostics[:most],
            "truncated": len(diagnostics) > most,
        }
    )
