"""EventBridge: requests that AWS refuses are refused; events that clients put reach the bus."""

import json
from datetime import UTC
from typing import Any

from botocore.utils import parse_timestamp

from local_account.hooks.replace import replace
from local_account.service import Account, ServiceError, problems_of
from local_account.services.event_patterns import matches, problems
from local_account.services.eventbridge import EventBus, new_event, template_problem

_MOST_TARGETS = 5
_LONGEST_PATTERN = 2048
_LARGEST_BATCH_BYTES = 1024 * 1024
_TIME_BYTES = 14


def install(account: Account, bus: EventBus) -> None:
    """Check requests, and put events on the account's own bus."""
    responses, models = "moto.events.responses:EventsHandler", "moto.events.models"
    replace(f"{responses}.call_action", _well_formed)
    replace(f"{responses}.test_event_pattern", lambda original: _test_pattern)
    replace(f"{models}:EventPatternParser._validate_event_pattern", _refuse_patterns)
    replace(f"{models}:EventPattern.matches_event", lambda original: _matches)
    replace(f"{models}:EventsBackend.put_targets", _refuse_targets)
    replace(f"{models}:EventsBackend.put_events", lambda original: _put_events(account, bus))


def _well_formed(original: Any) -> Any:
    def call(self: Any) -> Any:
        asked = json.loads(self.body or "{}")
        if found := problems_of("events", self._get_action(), asked):
            raise ServiceError("ValidationException", found)
        return original(self)

    return call


def _matches(pattern: Any, event: dict[str, Any]) -> bool:
    wanted = pattern.get_pattern()
    return not wanted or matches(wanted, event)


def _test_pattern(request: Any) -> Any:
    asked = json.loads(request.body)
    try:
        pattern, event = json.loads(asked["EventPattern"]), json.loads(asked["Event"])
    except ValueError as error:
        message = f"Event pattern is not valid. Reason: {error}"
        raise ServiceError("InvalidEventPatternException", message) from error
    if found := list(problems(pattern)):
        message = f"Event pattern is not valid. Reason: {'; '.join(found)}"
        raise ServiceError("InvalidEventPatternException", message)
    needed = ("id", "account", "source", "time", "region", "resources", "detail-type")
    if missing := [name for name in needed if name not in event]:
        message = f"Parameter Event is not valid. Reason: {missing[0]} is missing."
        raise ServiceError("ValidationException", message)
    return request._create_response({"Result": matches(pattern, event)})


def _refuse_patterns(original: Any) -> Any:
    from moto.events.exceptions import InvalidEventPatternException

    def validate(self: Any, pattern: dict[str, Any]) -> None:
        if not self.pattern:
            return
        found = list(problems(pattern))
        if len(self.pattern) > _LONGEST_PATTERN:
            found.append(f"Event pattern is longer than {_LONGEST_PATTERN} characters")
        if found:
            raise InvalidEventPatternException(reason="; ".join(found))

    return validate


def _refuse_targets(original: Any) -> Any:
    def put_targets(
        self: Any, name: str, event_bus_arn: str | None, targets: list[dict[str, Any]]
    ) -> Any:
        for target in targets:
            given = [n for n in ("Input", "InputPath", "InputTransformer") if n in target]
            if len(given) > 1:
                what = "Only one of Input, InputPath, or InputTransformer must be provided"
                raise _invalid(f"{what} for target {target['Id']}.")
            if problem := template_problem(target.get("InputTransformer", {})):
                raise _invalid(f"Invalid InputTemplate for target {target['Id']} : {problem}.")
        bus = self._get_event_bus(self._normalize_event_bus_arn(event_bus_arn))
        ids = {target["Id"] for target in targets}
        if name in bus.rules:
            ids |= {target["Id"] for target in bus.rules[name].targets}
        if len(ids) > _MOST_TARGETS:
            message = "The requested resource exceeds the maximum number allowed."
            raise ServiceError("LimitExceededException", message)
        return original(self, name, event_bus_arn, targets)

    return put_targets


def _invalid(message: str) -> ServiceError:
    return ServiceError("ValidationException", message)


def _put_events(account: Account, bus: EventBus) -> Any:
    def put(entry: dict[str, Any]) -> dict[str, str]:
        name = _bus_name(account, entry.get("EventBusName") or "default")
        if refusal := _refusal(entry):
            return refusal
        event = new_event(
            account,
            entry["Source"],
            entry["DetailType"],
            entry.get("Resources") or [],
            json.loads(entry["Detail"]),
        )
        if (time := entry.get("Time")) is not None:
            event["time"] = parse_timestamp(time).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        bus.dispatch(event, name)
        return {"EventId": event["id"]}

    def put_events(self: Any, events: list[dict[str, Any]]) -> list[dict[str, str]]:
        if sum(_size(entry) for entry in events) > _LARGEST_BATCH_BYTES:
            raise _invalid("Total size of the entries in the request is over the limit.")
        return [put(entry) for entry in events]

    return put_events


def _size(entry: dict[str, Any]) -> int:
    """Measure an entry as EventBridge does."""
    texts = [entry.get(name) or "" for name in ("Source", "DetailType", "Detail")]
    texts += entry.get("Resources") or []
    timed = _TIME_BYTES if entry.get("Time") is not None else 0
    return timed + sum(len(text.encode()) for text in texts)


def _bus_name(account: Account, name_or_arn: str) -> str:
    """Return the name of one of the account's buses, which need not exist: AWS drops the event."""
    prefix = account.arn("events", "event-bus/")
    if name_or_arn.startswith("arn:") and not name_or_arn.startswith(prefix):
        raise NotImplementedError(f"events for a bus of another account or region, {name_or_arn}")
    return name_or_arn.removeprefix(prefix)


def _refusal(entry: dict[str, Any]) -> dict[str, str]:
    """Return the error of an entry that AWS does not put on a bus, or nothing."""
    for name in ("Source", "DetailType", "Detail"):
        if not entry.get(name):
            message = f"Parameter {name} is not valid. Reason: {name} is a required argument."
            return {"ErrorCode": "InvalidArgument", "ErrorMessage": message}
    if entry["Source"].startswith("aws."):
        return {
            "ErrorCode": "NotAuthorizedForSourceException",
            "ErrorMessage": "Not authorized for the source.",
        }
    try:
        well_formed = isinstance(json.loads(entry["Detail"]), dict)
    except ValueError:
        well_formed = False
    malformed = {"ErrorCode": "MalformedDetail", "ErrorMessage": "Detail is malformed."}
    return {} if well_formed else malformed
