"""What may be stopped, rejected, put back and deleted after a run: pure decisions.

Whatever is deleted bears exactly the run's name, or a run's name of this project.
"""

import re
from collections.abc import Collection, Sequence
from typing import Literal, NamedTuple

from run_ended.models import Config, Context, Endpoint, RunFields

CHANGING = frozenset({"Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting"})
# What an endpoint is to be changed in: it serves, and a failed rollback still serves somehow.
SERVING = frozenset({"InService", "UpdateRollbackFailed"})
REPAIRS = 5
DESCRIPTION_LENGTH = 1024
REJECTED, APPROVED = "Rejected", "Approved"


class Repair(NamedTuple):
    """What to do with the staging endpoint; `config` is what it is to serve again."""

    action: Literal["nothing", "wait", "restore", "delete"]
    config: str = ""


NOTHING = Repair("nothing")


def repair(context: Context, endpoint: Endpoint | None, *, holds_lock: bool) -> Repair:
    """Decide how staging gets back to what it was before a run that did not succeed.

    Only what FindEndpoint had looked at can have been changed, and only the execution that
    holds staging may change it again.
    """
    run, before = context.run, context.endpoint
    if run is None or before is None or endpoint is None:
        return NOTHING
    if endpoint.status in CHANGING:
        return Repair("wait")
    former = before.former_config if before.former_config != run.name else None
    if not holds_lock or endpoint.config not in (run.name, ""):
        return NOTHING
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


def config_may_go(run: RunFields, in_use: Collection[str]) -> bool:
    """Whether no endpoint of the account serves, or is about to serve, the run's config."""
    return run.name not in in_use


def model_may_go(run: RunFields, configs: Sequence[Config]) -> bool:
    """Whether no endpoint config but the run's own, which goes as well, has the run's model."""
    return not any(run.name in config.models for config in configs if config.name != run.name)


class Surplus(NamedTuple):
    """Endpoint configs of earlier runs that may go, and their models that may go before them."""

    configs: tuple[str, ...]
    models: tuple[str, ...]


def surplus(
    configs: Sequence[Config],
    in_use: Collection[str],
    *,
    project: str,
    run_name: str,
    kept: int,
) -> Surplus:
    """Choose what is older than the newest `kept` configs of the project's runs.

    What an endpoint uses stays whatever its age, and so does the run's own.
    """
    pattern = re.compile(rf"{re.escape(project)}-.+-[0-9a-f]{{10}}-\d+")
    of_runs = sorted(
        (config for config in configs if pattern.fullmatch(config.name)),
        key=lambda config: config.created,
        reverse=True,
    )
    stay = {config.name for config in of_runs[:kept]} | {run_name, *in_use}
    going = tuple(config.name for config in of_runs if config.name not in stay)
    needed = {model for config in configs if config.name not in going for model in config.models}
    return Surplus(going, tuple(name for name in going if name not in needed))
