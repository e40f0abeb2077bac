"""How a state machine meets errors: catchers, retriers, time limits."""

from collections.abc import Iterator, Mapping
from typing import Any

from checks.findings import Finding
from checks.machines import Machine, State

ALL = "States.ALL"
TOO_WIDE = {ALL, "States.TaskFailed"}
MOST_ATTEMPTS = 30


def find(machine: Machine) -> Iterator[Finding]:
    """Yield what a state's errors would meet unprepared."""
    for state in machine.states:
        if state.body.get("Type") == "Task":
            yield from _task(state)
        for field in ("Catch", "Retry"):
            yield from _order(state, field)
        yield from _catchers(state)
        for index, retrier in enumerate(state.body.get("Retry", [])):
            yield from _retrier(state, f"Retry[{index}]", retrier)


def _task(state: State) -> Iterator[Finding]:
    body = state.body
    caught = [error for each in body.get("Catch", []) for error in each.get("ErrorEquals", [])]
    if ALL not in caught and not state.is_caught:
        found = f"catches {', '.join(caught)} only" if caught else "a Task without Catch"
        yield state.finding("asl-catch", found, f"a catcher of {ALL}")
    if not body.get("Retry"):
        yield state.finding("asl-retry", "a Task without Retry", "retriers of transient errors")
    limit, heartbeat = body.get("TimeoutSeconds"), body.get("HeartbeatSeconds")
    if limit is None and "TimeoutSecondsPath" not in body:
        yield state.finding(
            "asl-timeout", "a Task without TimeoutSeconds", "TimeoutSeconds or TimeoutSecondsPath"
        )
    if isinstance(limit, int) and isinstance(heartbeat, int) and heartbeat >= limit:
        found = f"HeartbeatSeconds {heartbeat}, TimeoutSeconds {limit}"
        yield state.finding("asl-heartbeat", found, "HeartbeatSeconds below TimeoutSeconds")


def _order(state: State, field: str) -> Iterator[Finding]:
    entries = state.body.get(field, [])
    for index, entry in enumerate(entries):
        errors = entry.get("ErrorEquals", [])
        if ALL in errors and (len(errors) > 1 or index + 1 < len(entries)):
            yield state.finding(
                "asl-all-last", f"{field}[{index}] {', '.join(errors)}", f"{ALL} alone and last"
            )


def _catchers(state: State) -> Iterator[Finding]:
    for index, catcher in enumerate(state.body.get("Catch", [])):
        if not state.jsonata and catcher.get("ResultPath", "$") == "$":
            yield state.finding(
                "asl-catch-result",
                f"Catch[{index}] without ResultPath",
                "a ResultPath: the error otherwise replaces the state's input",
            )


def _retrier(state: State, place: str, retrier: Mapping[str, Any]) -> Iterator[Finding]:
    attempts = retrier.get("MaxAttempts", 3)
    if attempts == 0:
        return
    wide = TOO_WIDE.intersection(retrier.get("ErrorEquals", []))
    if wide:
        yield state.finding(
            "asl-retry-all", f"{place} of {', '.join(sorted(wide))}", "transient errors by name"
        )
    if not isinstance(attempts, int) or attempts > MOST_ATTEMPTS:
        yield state.finding(
            "asl-retry-bound", f"{place} MaxAttempts {attempts}", f"at most {MOST_ATTEMPTS}"
        )
    if retrier.get("JitterStrategy") != "FULL":
        found = f"{place} JitterStrategy {retrier.get('JitterStrategy')}"
        yield state.finding("asl-retry-jitter", found, "FULL: who fails together retries apart")
    yield from _delays(state, place, retrier)


def _delays(state: State, place: str, retrier: Mapping[str, Any]) -> Iterator[Finding]:
    interval, longest = retrier.get("IntervalSeconds", 1), retrier.get("MaxDelaySeconds")
    if longest is None:
        yield state.finding(
            "asl-retry-delay", f"{place} without MaxDelaySeconds", "a longest delay"
        )
    elif longest <= interval:
        found = f"{place} MaxDelaySeconds {longest}, IntervalSeconds {interval}"
        yield state.finding("asl-retry-delay", found, "a longest delay above the first one")
    if retrier.get("BackoffRate", 2.0) < 1:
        found = f"{place} BackoffRate {retrier['BackoffRate']}"
        yield state.finding("asl-retry-delay", found, "a BackoffRate of 1 or more")
