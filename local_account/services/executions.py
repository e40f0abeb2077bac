"""Step Functions: how executions are described, listed, told of, read and redriven.

Sources: botocore's shapes, AWS documentation "Automating Step Functions event delivery with
EventBridge" and "Restarting state machine executions with redrive". Executions and
histories are moto's; `redrives` are the moments at which one was redriven.
"""

import json
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

MAX_EVENTS = 25_000
_MAX_EVENT_DATA_BYTES = 248 * 1024
_HISTORY_PAGE = 100
_REDRIVABLE = timedelta(days=14)
_DATA = frozenset({"input", "inputDetails", "output", "outputDetails"})
_LONGEST = {"error": 256, "cause": 32_768}


def description(execution: Any, *, with_data: bool = True) -> dict[str, Any]:
    """Return an execution as DescribeExecution does."""
    data = {"input": execution.execution_input, "output": _output(execution)}
    status, reason = redrive_status(execution)
    return {
        **listing(execution),
        **{name: text for name, text in data.items() if with_data and text is not None},
        **{f"{name}Details": {"included": with_data} for name in data if data[name] is not None},
        **_only_given({"error": execution.error, "cause": execution.cause}),
        **_only_given({"redriveStatus": status, "redriveStatusReason": reason}),
    }


def listing(execution: Any) -> dict[str, Any]:
    """Return an execution as ListExecutions does."""
    redrives = execution.redrives
    return _only_given(
        {
            "executionArn": execution.exec_arn,
            "stateMachineArn": execution.state_machine.arn,
            "name": execution.name,
            "status": execution.status,
            "startDate": execution.start_date,
            "stopDate": execution.stop_date,
            "redriveCount": len(redrives),
            "redriveDate": redrives[-1] if redrives else None,
        }
    )


def status_change(execution: Any) -> dict[str, Any]:
    """Return the detail of the event that tells of an execution's status."""
    status, reason = redrive_status(execution)
    redrives = execution.redrives
    return {
        "executionArn": execution.exec_arn,
        "stateMachineArn": execution.state_machine.arn,
        "name": execution.name,
        "status": execution.status,
        "startDate": _milliseconds(execution.start_date),
        "stopDate": _milliseconds(execution.stop_date),
        **_data("input", execution.execution_input),
        **_data("output", _output(execution)),
        "stateMachineVersionArn": None,
        "stateMachineAliasArn": None,
        "redriveCount": len(redrives),
        "redriveDate": _milliseconds(redrives[-1] if redrives else None),
        "redriveStatus": status,
        "redriveStatusReason": reason,
        "error": execution.error,
        "cause": execution.cause,
    }


def redrive_status(execution: Any) -> tuple[str, str | None]:
    """Return whether an execution can be redriven, and why it cannot."""
    reason = None
    if execution.status in ("RUNNING", "SUCCEEDED"):
        reason = f"Execution is {execution.status} and cannot be redriven"
    elif datetime.now(UTC) - execution.stop_date > _REDRIVABLE:
        reason = "Execution redrivable period exceeded"
    elif len(history_of(execution)) >= MAX_EVENTS - 1:
        reason = "Execution history event limit exceeded"
    return ("NOT_REDRIVABLE" if reason else "REDRIVABLE"), reason


def history_of(execution: Any) -> list[dict[str, Any]]:
    """Return the events of an execution so far; none before it has started."""
    started = execution.exec_worker and execution.exec_worker.env
    return list(started.event_manager.get_event_history()) if started else []


class Resumption(NamedTuple):
    """Where a redriven execution goes on: the state, its input and the last event."""

    state: str
    given: Any
    last_event_id: int


def resumption(execution: Any) -> Resumption:
    """Return where an unsuccessful execution is resumed: at the state that it entered last.

    Raises
    ------
    ValueError
        If that is a Parallel or Map state, of which only a part would be done again.
    """
    states = json.loads(execution.state_machine.definition)["States"]
    events = history_of(execution)
    entered = [event["stateEnteredEventDetails"] for event in events if _is_entrance(event)]
    last = next(details for details in reversed(entered) if details["name"] in states)
    kind = states[last["name"]]["Type"]
    if kind in ("Parallel", "Map"):
        raise ValueError(f"The embedded account does not redrive {kind} states ({last['name']}).")
    return Resumption(last["name"], json.loads(last["input"]), events[-1]["id"])


def _is_entrance(event: dict[str, Any]) -> bool:
    return str.endswith(event["type"], "StateEntered")


def cut(details: dict[str, Any]) -> None:
    """Cut error and cause to the length that AWS keeps."""
    for name, longest in _LONGEST.items():
        if isinstance(details.get(name), str):
            details[name] = details[name][:longest]


def history_page(events: list[dict[str, Any]], params: dict[str, Any]) -> dict[str, Any]:
    """Return the page of a history that GetExecutionHistory's parameters ask for.

    Raises
    ------
    ValueError
        If the token is none of a page.
    """
    if params.get("reverseOrder"):
        events = events[::-1]
    start = int(params.get("nextToken") or 0)
    end = start + (params.get("maxResults") or _HISTORY_PAGE)
    page = events[start:end]
    if params.get("includeExecutionData") is False:
        page = [_without_data(event) for event in page]
    return {"events": page, **({"nextToken": str(end)} if end < len(events) else {})}


def _without_data(event: dict[str, Any]) -> dict[str, Any]:
    return {
        name: {key: member for key, member in value.items() if key not in _DATA}
        if isinstance(value, dict)
        else value
        for name, value in event.items()
    }


def _output(execution: Any) -> str | None:
    succeeded = execution.status == "SUCCEEDED"
    return json.dumps(execution.output, separators=(",", ":")) if succeeded else None


def _data(name: str, text: str | None) -> dict[str, Any]:
    """Return an input or output as an event has it: left out where it is too long."""
    if text is None:
        return {name: None, f"{name}Details": None}
    included = len(text.encode()) <= _MAX_EVENT_DATA_BYTES
    return {name: text if included else None, f"{name}Details": {"included": included}}


def _milliseconds(moment: datetime | None) -> int | None:
    return int(moment.timestamp() * 1000) if moment else None


def _only_given(members: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}
