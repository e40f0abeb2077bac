"""EventBridge Scheduler: requests that AWS refuses, and the schedules that moto keeps as plans."""

import json
import uuid
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore import xform_name

from local_account.hooks.replace import replace
from local_account.service import Account, ServiceError, problems_of
from local_account.services.delivery import Delivery, Parcel, Sender
from local_account.services.schedule_expressions import InvalidExpression, check, one_time
from local_account.services.scheduler import Plan

SERVICE = "scheduler.amazonaws.com"
_PRECISION = timedelta(seconds=60)
"""How exactly Scheduler keeps time: an `at(...)` this old is late, an older one is a mistake."""


def install(account: Account) -> None:
    """Refuse schedules and groups that AWS would refuse."""
    responses = "moto.scheduler.responses:EventBridgeSchedulerResponse"
    for operation in ("CreateSchedule", "UpdateSchedule", "CreateScheduleGroup"):
        replace(f"{responses}.{xform_name(operation)}", _validated(account, operation))
    backend = "moto.scheduler.models:EventBridgeSchedulerBackend"
    replace(f"{backend}.create_schedule_group", _new_group)
    replace(f"{backend}.delete_schedule_group", _existing_group)
    replace("moto.scheduler.models:Schedule.update", _complete_update)


def _validated(account: Account, operation: str) -> Callable[[Any], Any]:
    from moto.scheduler.exceptions import ValidationException

    def wrap(original: Any) -> Any:
        def answer(self: Any) -> Any:
            name = self.uri.split("?")[0].rsplit("/", 1)[-1]
            body = json.loads(self.body)
            if found := problems_of("scheduler", operation, {**body, "Name": name}):
                raise ValidationException(found)
            if "ScheduleExpression" in body:
                self.scheduler_backend.get_schedule_group(body.get("GroupName"))
                _require_occurrence(body)
                _require_role(account, body)
            answered = original(self)
            if operation == "UpdateSchedule":  # moto keeps what the schedule was created with
                schedule = self.scheduler_backend.get_schedule(body.get("GroupName"), name)
                schedule.action_after_completion = body.get("ActionAfterCompletion")
            return answered

        return answer

    return wrap


def _require_occurrence(request: Mapping[str, Any]) -> None:
    from moto.scheduler.exceptions import ValidationException

    expression = request["ScheduleExpression"]
    timezone = request.get("ScheduleExpressionTimezone") or "UTC"
    try:
        check(expression, timezone)
        moment = one_time(expression, timezone)
    except InvalidExpression as error:
        raise ValidationException(str(error)) from error
    if moment is not None and moment < datetime.now(UTC) - _PRECISION:
        raise ValidationException(f"Invalid Schedule Expression {expression}. It is in the past.")


def _require_role(account: Account, request: Mapping[str, Any]) -> None:
    from moto.scheduler.exceptions import ValidationException

    group = account.arn("scheduler", f"schedule-group/{request.get('GroupName') or 'default'}")
    try:
        name = group.rpartition("/")[2]
        account.identities.of_role(request["Target"]["RoleArn"], SERVICE, name, group)
    except ServiceError as error:
        raise ValidationException(
            "The execution role you provide must allow AWS EventBridge Scheduler to assume the "
            "role."
        ) from error


def _new_group(original: Any) -> Any:
    from moto.core.exceptions import JsonRESTError

    def create(self: Any, name: str, tags: list[dict[str, str]]) -> Any:
        if name in self.schedule_groups:
            raise JsonRESTError("ConflictException", f"Schedule group {name} already exists.")
        return original(self, name, tags or [])

    return create


def _existing_group(original: Any) -> Any:
    def delete(self: Any, name: str | None) -> None:
        self.get_schedule_group(name)
        original(self, name)

    return delete


def _complete_update(original: Any) -> Any:
    """Replace the whole schedule: what an update does not name goes back to its default."""

    def update(self: Any, **members: Any) -> None:
        original(self, **{**members, "state": members.get("state") or "ENABLED"})

    return update


def plans(account: Account, delivery: Delivery) -> Iterator[Plan]:
    """Yield the plan of each schedule that is enabled."""
    from moto.scheduler.models import scheduler_backends

    backend = scheduler_backends[account.account_id][account.region]
    for group in list(backend.schedule_groups.values()):
        for schedule in list(group.schedules.values()):
            if schedule.state == "ENABLED":
                yield _plan(account, delivery, group, schedule)


def _plan(account: Account, delivery: Delivery, group: Any, schedule: Any) -> Plan:
    known = _moment(schedule.last_modified_date)
    recurs = not schedule.schedule_expression.startswith("at(")
    start, end = schedule.start_date, schedule.end_date

    def finish() -> None:
        unchanged = _moment(schedule.last_modified_date) == known
        if schedule.action_after_completion == "DELETE" and unchanged:
            group.schedules.pop(schedule.name, None)

    return Plan(
        arn=schedule.arn,
        expression=schedule.schedule_expression,
        timezone=schedule.schedule_expression_timezone,
        since=_moment(start) if start and recurs else known,
        known=known,
        end=_moment(end) if end and recurs else None,
        fire=lambda due: delivery.submit(_parcel(account, schedule.arn, schedule.target, due)),
        finish=finish,
    )


def _moment(seconds: Any) -> datetime:
    return datetime.fromtimestamp(float(seconds), UTC)


def _parcel(account: Account, arn: str, target: dict[str, Any], due: datetime) -> Parcel:
    execution_id, scheduled = uuid.uuid4().hex[:16], due.strftime("%Y-%m-%dT%H:%M:%SZ")
    event = {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": "Scheduled Event",
        "source": "aws.scheduler",
        "account": account.account_id,
        "time": scheduled,
        "region": account.region,
        "resources": [arn],
        "detail": "{}",
    }

    def payload(attempt: int) -> str:
        text = str(target.get("Input") or json.dumps(event))
        attributes = {
            "scheduled-time": scheduled,
            "execution-id": execution_id,
            "schedule-arn": arn,
            "attempt-number": str(attempt),
        }
        for name, value in attributes.items():
            text = text.replace(f"<aws.scheduler.{name}>", value)
        return text

    def dead_letter(code: str, message: str, retries: int) -> tuple[str, Mapping[str, str]]:
        return payload(retries + 1), {
            "SCHEDULE_ARN": arn,
            "TARGET_ARN": target["Arn"],
            "EXECUTION_ID": execution_id,
            "SCHEDULED_TIME": scheduled,
            "ERROR_CODE": code,
            "ERROR_MESSAGE": message,
            "RETRY_ATTEMPTS": str(retries),
            "IS_PAYLOAD_TRUNCATED": "false",
        }

    group = arn.rpartition("/")[0].replace(":schedule/", ":schedule-group/")
    sender = Sender(SERVICE, group, letters_as_role=True)
    return Parcel(sender, target, execution_id, payload, dead_letter)
