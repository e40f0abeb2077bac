"""Step Functions: executions write their events to the log group that their machine names.

Source: AWS documentation "Using CloudWatch Logs to log execution history in Step Functions".
"""

import importlib
import json
import uuid
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from local_account.service import Account

_LEVELS = "moto.stepfunctions.parser.asl.eval.event.logging"


def log_of(account: Account, execution: Any) -> "ExecutionLog | None":
    """Return where an execution writes its events; None where its machine logs nothing."""
    logging = execution.state_machine.loggingConfiguration
    if logging.get("level", "OFF") == "OFF" or not logging.get("destinations"):
        return None
    return ExecutionLog(account, execution, logging)


class ExecutionLog:
    """What moto's interpreter takes for a logging session."""

    def __init__(self, account: Account, execution: Any, logging: dict[str, Any]) -> None:
        self._account, self._execution, self._level = account, execution, logging["level"]
        group = logging["destinations"][0]["cloudWatchLogsLogGroup"]["logGroupArn"]
        self._group = group.split(":log-group:")[1].removesuffix(":*")
        minute = datetime.now(UTC).strftime("%Y-%m-%d-%H-%M")
        self._stream = f"states/{execution.state_machine.name}/{minute}/{uuid.uuid4().hex[:8]}"
        self.execution_arn = execution.exec_arn
        self.configuration = SimpleNamespace(
            include_execution_data=logging.get("includeExecutionData", False)
        )

    def log_level_filter(self, history_event_type: Any) -> bool:
        """Tell whether events of a type are logged at the machine's level."""
        levels = importlib.import_module(_LEVELS)
        level = importlib.import_module("moto.stepfunctions.parser.api").LogLevel(self._level)
        logged: bool = levels.is_logging_enabled_for(level, history_event_type)
        return logged

    def publish_history_log(self, history_log: dict[str, Any]) -> None:
        """Write one event, as AWS's log delivery does; where its group is gone, nowhere."""
        from moto.logs.models import logs_backends

        moment = datetime.fromisoformat(history_log["event_timestamp"])
        milliseconds = int(moment.timestamp() * 1000)
        entry = {
            **history_log,
            "event_timestamp": str(milliseconds),
            "redrive_count": str(len(self._execution.redrives)),
        }
        backend = logs_backends[self._account.account_id][self._account.region]
        if self._group not in backend.groups:
            return
        if self._stream not in backend.groups[self._group].streams:
            backend.create_log_stream(self._group, self._stream)
        message = json.dumps(entry, separators=(",", ":"))
        events = [{"timestamp": milliseconds, "message": message}]
        backend.put_log_events(self._group, self._stream, events)
