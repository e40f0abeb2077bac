"""As much of an account as RunEnded and the reconciler ask, with crashes and refusals on order."""

import io
import json
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from botocore.response import StreamingBody

from shared import records
from shared.environment import RunEndedEnvironment
from tests.unit.lambdas.sagemaker_in_memory import (
    ARN,
    ENDPOINT,
    STARTED,
    Document,
    Pages,
    SageMaker,
    refusal,
)

STOPPED = STARTED + timedelta(minutes=10)
NOW = int(STOPPED.timestamp()) + 5
PREFIX = "arn:aws:states:eu-west-1:111122223333"
MACHINE = f"{PREFIX}:stateMachine:m"
OTHER = f"{PREFIX}:execution:m:other"
RUN = "demo-v1-0-0123456789-1"
FORMER = "demo-v0-9-aaaaaaaaaa-1"
TABLE = "runs"
KEY = "0123456789abcdef" * 4

ENVIRONMENT = RunEndedEnvironment(
    environment_name="staging",
    powertools_service_name="t",
    powertools_metrics_namespace="t",
    powertools_log_level="INFO",
    project_name="demo",
    bucket_name="b",
    run_table_name=TABLE,
    endpoint_name=ENDPOINT,
    model_package_group_name="demo-model-group",
    topic_arn="topic",
    kept_configs=2,
    notify_on_success=True,
)
RUN_FIELDS: Document = {
    "status": "New",
    "run_key": KEY,
    "name": RUN,
    "dataset": {"version": "v1.0"},
    "validation_job_name": f"{RUN}-validate",
    "evaluation_job_name": f"{RUN}-evaluate",
}
INPUT: Document = {"trigger": "upload", "dataset": "v1.0"}


class Crash(BaseException):
    """The Lambda dies here."""


class StepFunctions:
    """Executions and what they did."""

    def __init__(self) -> None:
        self.created = STARTED
        self.executions: dict[str, Document] = {}
        self.histories: dict[str, list[Document]] = {}

    def describe_execution(self, executionArn: str) -> Document:
        if executionArn not in self.executions:
            raise refusal("ExecutionDoesNotExist", "no")
        return self.executions[executionArn]

    def describe_state_machine(self, stateMachineArn: str) -> Document:
        return {"creationDate": self.created}

    def get_paginator(self, operation: str) -> Pages:
        return {
            "get_execution_history": Pages("events", self._newest_events),
            "list_executions": Pages("executions", self._listed),
        }[operation]

    def _newest_events(self, executionArn: str, **parameters: Any) -> Iterator[Document]:
        assert parameters == {"reverseOrder": True, "includeExecutionData": True}
        yield from reversed(self.histories[executionArn])

    def _listed(self, stateMachineArn: str, statusFilter: str, **_: Any) -> Iterator[Document]:
        for execution in self.executions.values():
            if execution["status"] == statusFilter:
                yield execution


class Parameters:
    """One parameter: when each of its values was written; not at all before the first."""

    def __init__(self) -> None:
        self.written = [STARTED]

    def get_parameter(self, Name: str) -> Document:
        self._require()
        return {"Parameter": {"Name": Name, "Value": f"{{}} {len(self.written)}"}}

    def get_paginator(self, operation: str) -> Pages:
        assert operation == "get_parameter_history"
        return Pages("Parameters", self._history)

    def _history(self, Name: str) -> Iterator[Document]:
        self._require()
        for number, moment in enumerate(self.written, start=1):
            yield {"Name": Name, "Version": number, "LastModifiedDate": moment}

    def _require(self) -> None:
        if not self.written:
            raise refusal("ParameterNotFound", "no")


class Buckets:
    """Objects of one bucket by key."""

    def __init__(self) -> None:
        self.objects: dict[str, tuple[bytes, datetime]] = {}

    def put(self, key: str, content: Any = b"x", *, at: datetime = STARTED) -> None:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.objects[key] = (body, at)

    def get_object(self, Bucket: str, Key: str) -> Document:
        if Key not in self.objects:
            raise refusal("NoSuchKey", "no")
        body = self.objects[Key][0]
        return {"Body": StreamingBody(io.BytesIO(body), len(body)), "ContentLength": len(body)}

    def head_object(self, Bucket: str, Key: str) -> Document:
        if Key not in self.objects:
            raise refusal("404", "Not Found")
        return {"VersionId": f"version-of-{Key}", "ETag": '"etag"'}

    def get_paginator(self, operation: str) -> "Buckets":
        assert operation == "list_objects_v2"
        return self

    def paginate(self, Bucket: str, Prefix: str = "", Delimiter: str = "") -> Iterator[Document]:
        if Delimiter:
            prefixes = sorted({key.partition("/")[0] + "/" for key in self.objects if "/" in key})
            yield {"CommonPrefixes": [{"Prefix": prefix} for prefix in prefixes]}
            return
        for key, (_, at) in self.objects.items():
            if key.startswith(Prefix):
                yield {"Contents": [{"Key": key, "LastModified": at}]}


class Topic:
    """What was published."""

    def __init__(self) -> None:
        self.published: list[Document] = []

    def publish(self, **message: Any) -> None:
        assert message["MessageStructure"] == "json"
        assert len(message["Subject"]) <= 100
        assert len(message["Message"].encode()) <= 256 * 1024
        self.published.append(message)


class Logs:
    """Lines by log stream."""

    def __init__(self) -> None:
        self.streams: dict[str, list[str]] = {}

    def describe_log_streams(self, logGroupName: str, logStreamNamePrefix: str) -> Document:
        names = [name for name in self.streams if name.startswith(logStreamNamePrefix)]
        if not names:
            raise refusal("ResourceNotFoundException", "The specified log group does not exist.")
        return {"logStreams": [{"logStreamName": name} for name in names]}

    def get_log_events(self, logStreamName: str, limit: int, **_: Any) -> Document:
        if logStreamName not in self.streams:
            raise refusal("ResourceNotFoundException", "The specified log stream does not exist.")
        lines = self.streams[logStreamName][-limit:]
        return {"events": [{"message": f"{line}\n"} for line in lines]}


class CodeBuild:
    """Builds by id."""

    def __init__(self) -> None:
        self.builds: dict[str, Document] = {}

    def batch_get_builds(self, ids: list[str]) -> Document:
        return {"builds": [self.builds[each] for each in ids if each in self.builds]}


class CodePipeline:
    """One execution of one pipeline, and the tries of its actions."""

    def __init__(self) -> None:
        self.revisions: list[Document] = []
        self.actions: list[Document] = []

    def get_pipeline_execution(self, pipelineName: str, pipelineExecutionId: str) -> Document:
        return {"pipelineExecution": {"artifactRevisions": self.revisions}}

    def list_action_executions(self, pipelineName: str, filter: Document) -> Document:
        return {"actionExecutionDetails": self.actions}


class Functions:
    """What was handed to other Lambdas."""

    def __init__(self) -> None:
        self.invoked: list[tuple[str, Document]] = []

    def invoke(self, FunctionName: str, InvocationType: str, Payload: bytes) -> None:
        assert InvocationType == "Event"
        self.invoked.append((FunctionName, json.loads(Payload)))


READING = ("batch_get_", "describe_", "get_", "head_", "list_")


class Witness:
    """A client whose changing requests are counted, refused, and died at."""

    def __init__(self, client: Any, account: "Account") -> None:
        self._client, self._account = client, account

    def __getattr__(self, operation: str) -> Any:
        method = getattr(self._client, operation)

        def request(*arguments: Any, **parameters: Any) -> Any:
            if operation in self._account.refused:
                raise refusal(self._account.refused[operation], "not allowed", operation)
            if operation.startswith(READING):
                return method(*arguments, **parameters)
            self._account.count("before")
            answer = method(*arguments, **parameters)
            self._account.changes.append(operation)
            self._account.count("after")
            return answer

        return request


class Account:
    """All of it, behind `shared.aws`."""

    def __init__(self, dynamodb: Any) -> None:
        self.sagemaker, self.step_functions, self.s3 = SageMaker(), StepFunctions(), Buckets()
        self.sns, self.logs, self.lambda_ = Topic(), Logs(), Functions()
        self.codebuild, self.codepipeline, self.ssm = CodeBuild(), CodePipeline(), Parameters()
        self.dynamodb = dynamodb
        self.changes: list[str] = []
        self.refused: dict[str, str] = {}
        self.crash_at: tuple[str, int] | None = None
        self._counts = {"before": 0, "after": 0}

    def count(self, moment: str) -> None:
        self._counts[moment] += 1
        if self.crash_at == (moment, self._counts[moment]):
            raise Crash

    def clients(self) -> Iterator[tuple[str, Witness]]:
        for name in (
            *("sagemaker", "step_functions", "s3", "sns", "logs", "lambda_", "dynamodb"),
            *("codebuild", "codepipeline", "ssm"),
        ):
            yield name, Witness(getattr(self, name), self)

    def ended(
        self,
        status: str,
        visits: list[tuple[str, Mapping[str, Any]]],
        *,
        arn: str = ARN,
        error: str | None = None,
        cause: str | None = None,
    ) -> None:
        """Let an execution have ended after entering these states with these inputs."""
        described = {
            "executionArn": arn,
            "name": arn.rpartition(":")[2],
            "status": status,
            "startDate": STARTED,
            "stopDate": STOPPED,
        }
        given = {"error": error, "cause": cause}
        self.step_functions.executions[arn] = described | {k: v for k, v in given.items() if v}
        events: list[Document] = [{"type": "ExecutionStarted", "timestamp": STARTED}]
        for number, (name, document) in enumerate(visits):
            details = {"name": name, "input": json.dumps(document)}
            events.append(
                {
                    "type": "TaskStateEntered",
                    "timestamp": STARTED + timedelta(minutes=number),
                    "stateEnteredEventDetails": details,
                }
            )
        events.append({"type": "ExecutionFailed", "timestamp": STOPPED})
        self.step_functions.histories[arn] = events

    def hold_lock(self, holder: str = ARN) -> None:
        assert records.take_lock(TABLE, holder, now=NOW - 100)


def known(**results: Any) -> Document:
    """`$` after PrepareRun and whatever else is given."""
    return {**INPUT, "run": RUN_FIELDS, **results}


def failed(state: str, **results: Any) -> list[tuple[str, Mapping[str, Any]]]:
    """Return the visits of a run whose state failed, was caught and explained."""
    before = known(**results)
    caught = before | {"failed": {state: {"Error": "E", "Cause": "c"}}}
    explained = caught | {"failure": {"error": "E", "cause": "c"}}
    return [
        ("PrepareRun", INPUT),
        (state, before),
        ("ExplainFailure", caught),
        ("RunFailed", explained),
    ]
