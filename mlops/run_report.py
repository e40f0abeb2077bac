"""All that is known of one run: its states, what it waited for, what it left, where to look."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from mlops.follow import log_of_failure
from mlops.history import read_document
from mlops.links import endpoint_link, execution_link, job_link, log_link
from mlops.logs import log_group
from mlops.runs import execution_history

if TYPE_CHECKING:
    from mlops.history import History
    from mlops.runs import Run
    from mlops.target import Deployment

PAUSE = "PauseForStaging"


@dataclass(frozen=True)
class StagingWait:
    """How long a run has waited for another one that held staging."""

    seconds: float
    holder: str


@dataclass(frozen=True)
class Registered:
    """The version that a run registered, as it is now."""

    arn: str
    approval_status: str
    remark: str

    @property
    def number(self) -> str:
        """The version's number."""
        return self.arn.rpartition("/")[2]


@dataclass(frozen=True)
class Ending:
    """How far an ended execution has been cleaned up after."""

    notified: datetime | None
    completed: datetime | None


@dataclass(frozen=True)
class RunReport:
    """A run with everything around it."""

    run: Run
    history: History
    log: list[str]
    staging: StagingWait | None
    registered: Registered | None
    ending: Ending | None
    """None while the run goes on, and where the deployment has no table of endings."""
    links: dict[str, str]


def report(deployment: Deployment, run: Run) -> RunReport:
    """Collect what is known of a run."""
    history = execution_history(deployment.target, run.execution_arn)
    ended = history.status != "RUNNING"
    return RunReport(
        run=run,
        history=history,
        log=log_of_failure(deployment.target, history),
        staging=staging_wait(history, datetime.now(UTC)),
        registered=registered(deployment, run, history),
        ending=ending(deployment, run) if ended else None,
        links=links(deployment, run, history),
    )


def staging_wait(history: History, now: datetime) -> StagingWait | None:
    """Sum up the pauses before staging was free; the holder is the last one waited for."""
    pauses = [visit for visit in history.visits if visit.name == PAUSE]
    if not pauses:
        return None
    held = read_document(pauses[-1].context).get("staging", {})
    first, last = pauses[0], pauses[-1]
    seconds = ((last.exited or now) - first.entered).total_seconds()
    return StagingWait(seconds, str(held.get("holder") or "unknown"))


def registered(deployment: Deployment, run: Run, history: History) -> Registered | None:
    """Ask the registry about the version that the run registered, if it did."""
    from botocore.exceptions import ClientError

    arn = history.context.get("registered", {}).get("model_package_arn")
    arn = arn or _recorded_version(deployment, run, history)
    if not arn:
        return None
    try:
        package = deployment.target.sagemaker.describe_model_package(ModelPackageName=arn)
    except ClientError:
        return Registered(arn, "deleted", "")
    remark = package.get("ApprovalDescription", "")
    return Registered(arn, package["ModelApprovalStatus"], remark)


def _recorded_version(deployment: Deployment, run: Run, history: History) -> str | None:
    """Look for a version whose registration did not get as far as the execution's context."""
    from botocore.exceptions import ClientError

    run_key = history.context.get("run", {}).get("run_key")
    if not run_key:
        return None
    key = f"runs/{run_key}/version.json"
    try:
        answer = deployment.target.s3.get_object(Bucket=deployment.bucket, Key=key)
    except ClientError:
        return None
    record = read_document(answer["Body"].read().decode())
    own = record.get("execution_arn") == run.execution_arn
    return str(record["model_package_arn"]) if own else None


def ending(deployment: Deployment, run: Run) -> Ending | None:
    """Read how far the end of an execution has been dealt with."""
    table = deployment.run_table
    if table is None:
        return None
    answer = deployment.target.dynamodb.get_item(
        TableName=table, Key={"id": {"S": f"ended#{run.execution_arn}"}}, ConsistentRead=True
    )
    item: Any = answer.get("Item", {})
    return Ending(_moment(item, "published_at"), _moment(item, "completed_at"))


def _moment(item: Any, name: str) -> datetime | None:
    return datetime.fromtimestamp(int(item[name]["N"]), UTC) if name in item else None


def links(deployment: Deployment, run: Run, history: History) -> dict[str, str]:
    """Say where execution, jobs, logs and endpoint are shown, by what is to be seen there."""
    target = deployment.target
    found = {"execution": execution_link(target, run.execution_arn)}
    for visit in history.visits:
        if visit.job:
            found[f"{visit.name} job"] = job_link(target, visit.job)
            found[f"{visit.name} log"] = log_link(target, visit.job.log_group, f"{visit.job.name}/")
    failed = history.failed_visit
    if failed and failed.function:
        found[f"{failed.name} log"] = log_link(target, log_group(target, failed.function))
    if history.context.get("endpoint"):
        found["endpoint"] = endpoint_link(target, deployment.endpoint_name)
    return found


def describe_ending(found: RunReport) -> str:
    """Say in one line how far the end of a run has been dealt with."""
    ending = found.ending
    if ending is None:
        return ""
    if ending.completed:
        return "cleaned up and reported" if ending.notified else "cleaned up"
    told = "reported, " if ending.notified else ""
    return f"{told}not cleaned up yet: RunEnded is at it, or comes again with the reconciler"
