"""What may be stopped, rejected, put back and deleted after a run: pure decisions.

Whatever is deleted bears exactly the run's name, or a run's name of this project.
"""

import re
from collections.abc import Collection, Iterable, Sequence
from typing import Literal, NamedTuple

from run_ended.models import Config, Context, Endpoint, Execution, Model

CHANGING = frozenset({"Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting"})
# What an endpoint is to be changed in: it serves, and a failed rollback still serves somehow.
SERVING = frozenset({"InService", "UpdateRollbackFailed"})
DEPLOYING = frozenset({"CreateEndpoint", "UpdateEndpoint"})
CUT_SHORT = frozenset({"ABORTED", "TIMED_OUT"})
# As long as a request of a state that was cut short may go on, and as a description may lag.
SETTLING_SECONDS = 60
REPAIRS = 5
DESCRIPTION_LENGTH = 1024
REJECTED, APPROVED = "Rejected", "Approved"


class Repair(NamedTuple):
    """What to do with the staging endpoint; `config` is what it is to serve again."""

    action: Literal["nothing", "wait", "restore", "delete"]
    config: str = ""


NOTHING = Repair("nothing")


def was_cut_short(execution: Execution, *, now: int) -> bool:
    """Whether what the execution's last state asked for may still come to be."""
    return execution.status in CUT_SHORT and execution.seconds_since(now) < SETTLING_SECONDS


def awaits_deployment(execution: Execution, context: Context, *, now: int) -> bool:
    """Whether the run may have asked for a deployment of which no description tells yet."""
    if execution.seconds_since(now) >= SETTLING_SECONDS:
        return False
    if context.state in DEPLOYING:
        return execution.status in CUT_SHORT
    return context.deployed and execution.error != "EndpointRolledBack"


def repair(
    context: Context, endpoint: Endpoint | None, *, holds_lock: bool, awaits_deployment: bool
) -> Repair:
    """Decide how staging gets back to what it was before a run that did not succeed.

    Only what FindEndpoint had looked at can have been changed, and only the execution that
    holds staging may change it again.
    """
    run, before = context.run, context.endpoint
    if not holds_lock or run is None or before is None:
        return NOTHING
    if endpoint and endpoint.status in CHANGING:
        return Repair("wait")
    if endpoint is None or endpoint.config not in (run.name, ""):
        return Repair("wait") if awaits_deployment else NOTHING
    former = before.former_config if before.former_config != run.name else None
    if endpoint.status == "Failed" and former is None:
        return Repair("delete")
    if endpoint.status in SERVING:
        return Repair("restore", former) if former else Repair("delete")
    return NOTHING


def must_be_rejected(status: str) -> bool:
    """Whether a run that did not succeed rejects its version: what a person decided stays."""
    return status not in (REJECTED, APPROVED)


def rejection(error: str, cause: str) -> str:
    """Why a version is rejected, on one line as the registry keeps it."""
    return " ".join(f"{error}: {cause}".split())[:DESCRIPTION_LENGTH]


def model_may_go(name: str, configs: Sequence[Config], going: Collection[str] = ()) -> bool:
    """Whether no endpoint config but its own, and others that go as well, has a model."""
    return not any(name in config.models for config in configs if config.name not in (name, *going))


def of_runs(configs: Iterable[Config], project: str) -> list[Config]:
    """Return the configs that are named, and made, as a run of the project does it."""
    pattern = re.compile(rf"{re.escape(project)}-.+-[0-9a-f]{{10}}-\d+")
    return [each for each in configs if pattern.fullmatch(each.name) and each.models == {each.name}]


def is_ours(model: Model | None, bucket: str) -> bool:
    """Whether a run of this deployment made a model: names of projects may begin alike.

    No model is what is left of a run whose model was deleted already, and serves nothing.
    """
    return model is None or model.data_url.startswith(f"s3://{bucket}/runs/")


def surplus(configs: Iterable[Config], *, run_name: str, kept: int) -> list[Config]:
    """Choose what is older than the newest `kept` configs of runs, the run's own excepted.

    Staging is free meanwhile, so that the newest may be on trial: the one before it stays.
    """
    newest_first = sorted(configs, key=lambda config: config.created, reverse=True)
    return [each for each in newest_first[max(kept, 2) :] if each.name != run_name]
