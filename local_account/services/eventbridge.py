"""EventBridge: events, what a rule's target is given of them, and the buses."""

import json
import re
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from jsonpath_ng.exceptions import JSONPathError
from jsonpath_ng.ext import parse as parse_jsonpath

from local_account.service import Account
from local_account.services.delivery import (
    Delivery,
    Parcel,
    Sender,
    Target,
    UnsupportedTarget,
)

Event = dict[str, Any]

# a string of a JSON document, or a variable outside of one
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|<([\w.-]+)>')
_VARIABLE = re.compile(r"<([\w.-]+)>")
_RESERVED = (
    *("aws.events.rule-arn", "aws.events.rule-name", "aws.events.event.ingestion-time"),
    *("aws.events.event", "aws.events.event.json"),
)
# what a dead letter calls a target's refusal
_ERROR_CODES = {"AccessDenied": "NO_PERMISSIONS", "AccessDeniedException": "NO_PERMISSIONS"}


def new_event(
    account: Account, source: str, detail_type: str, resources: list[str], detail: dict[str, Any]
) -> Event:
    """Build an event as a service puts it on the default bus."""
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": detail_type,
        "source": source,
        "account": account.account_id,
        "time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": account.region,
        "resources": resources,
        "detail": detail,
    }


def target_input(target: Target, event: Event, rule_arn: str) -> str:
    """Return what the target is given: the event, a constant, a part of the event or a text.

    Raises
    ------
    UnsupportedTarget
        If a path is none, or the text that an input transformer makes is no JSON.
    """
    if "Input" in target:
        return str(target["Input"])
    if transformer := target.get("InputTransformer"):
        return _transformed(transformer, event, rule_arn)
    if path := target.get("InputPath"):
        return json.dumps(_at(path, event))
    return json.dumps(event)


def _at(path: str, event: Event) -> Any:
    try:
        found = parse_jsonpath(path).find(event)
    except JSONPathError as error:
        raise UnsupportedTarget(f"InputPath {path} is not a path: {error}.") from error
    return found[0].value if found else None


def _transformed(transformer: Mapping[str, Any], event: Event, rule_arn: str) -> str:
    values = {
        "aws.events.rule-arn": rule_arn,
        "aws.events.rule-name": rule_arn.rsplit("/", 1)[-1],
        "aws.events.event.ingestion-time": event["time"],
        "aws.events.event": {key: event[key] for key in event if key != "detail"},
        "aws.events.event.json": event,
    }
    for name, path in transformer.get("InputPathsMap", {}).items():
        values[name] = _at(path, event)
    text = _TOKEN.sub(lambda token: _filled(token, values), transformer["InputTemplate"])
    try:
        json.loads(text)
    except ValueError as error:
        message = f"What the InputTransformer makes is not JSON ({error}): {text}"
        raise UnsupportedTarget(message) from error
    return text


def template_problem(transformer: Mapping[str, Any]) -> str:
    """Return what is wrong with an input transformer as EventBridge sees it, or nothing."""
    if not transformer:
        return ""
    paths = transformer.get("InputPathsMap", {})
    if reserved := sorted(name for name in paths if name.lower().startswith("aws")):
        return f"InputPathsMap may not define {reserved[0]}, names that begin with AWS are reserved"
    known = {*_RESERVED, *paths}
    text = str(transformer.get("InputTemplate", ""))
    unknown = [name for name in _VARIABLE.findall(text) if name not in known]
    if unknown:
        return f"{unknown[0]} is not defined in InputPathsMap"
    try:
        json.loads(_TOKEN.sub(lambda token: "null" if token[1] else token[0], text))
    except ValueError as error:
        return f"no JSON ({error})"
    return ""


def _filled(token: re.Match[str], values: Mapping[str, Any]) -> str:
    """Fill in a variable as a JSON value, or the variables in a string as parts of its text."""
    if name := token[1]:
        return json.dumps("" if values.get(name) is None else values[name])

    def text(variable: re.Match[str]) -> str:
        value = values.get(variable[1])
        if isinstance(value, dict):
            return json.dumps(value).replace('"', "")
        spoken = "" if value is None else value if isinstance(value, str) else json.dumps(value)
        return json.dumps(spoken)[1:-1]

    return _VARIABLE.sub(text, token[0])


class EventBus:
    """The buses: rules and their targets live in moto, delivery lives here."""

    def __init__(
        self,
        account: Account,
        delivery: Delivery,
        matching_targets: Callable[[Event, str], list[tuple[str, Target]]],
    ) -> None:
        self._account, self._delivery = account, delivery
        self._matching_targets = matching_targets

    def put(
        self,
        detail_type: str,
        resource_arn: str,
        detail: dict[str, Any],
        source: str = "aws.sagemaker",
    ) -> None:
        """Put a service's event on the default bus."""
        self.dispatch(new_event(self._account, source, detail_type, [resource_arn], detail))

    def dispatch(self, event: Event, bus: str = "default") -> None:
        """Deliver an event to every target of every rule of a bus that it matches."""
        for rule_arn, target in self._matching_targets(event, bus):
            self.deliver(rule_arn, target, event)

    def deliver(self, rule_arn: str, target: Target, event: Event) -> None:
        """Deliver an event to one target of a rule."""

        def dead_letter(code: str, message: str, retries: int) -> tuple[str, Mapping[str, str]]:
            return json.dumps(event), {
                "RULE_ARN": rule_arn,
                "TARGET_ARN": target["Arn"],
                "ERROR_CODE": _ERROR_CODES.get(code, code),
                "ERROR_MESSAGE": message,
                "RETRY_ATTEMPTS": str(retries),
            }

        self._delivery.submit(
            Parcel(
                Sender("events.amazonaws.com", rule_arn),
                target,
                event["id"],
                lambda _: target_input(target, event, rule_arn),
                dead_letter,
            )
        )
