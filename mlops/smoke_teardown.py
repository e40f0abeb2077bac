"""Taking a smoke test away, in whatever state it was stopped."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from mlops.cdk import cdk_of
from mlops.errors import ToolError, explain
from mlops.kept import kept
from mlops.processes import Processes
from mlops.project import command
from mlops.target import Deployment
from mlops.teardown import clear, leftovers

if TYPE_CHECKING:
    from mlops.project import Project
    from mlops.render import Output
    from mlops.target import Target

PARTS = ("training", "storage")
_SETTLING_SECONDS = 1800.0


def tear_down(project: Project, env: str, target: Target, output: Output) -> None:
    """Stop what runs, delete what runs made, then the stacks.

    Raises
    ------
    ToolError
        If something is left; it is listed, with what takes it away.
    """
    deployment = Deployment(project, env, target)
    try:
        _wait_until_settled(deployment)
        _delete(deployment, output)
    except Exception as error:  # noqa: BLE001 - whatever it was, it must be said what is left
        output.note(f"teardown failed: {explain(error)}")
    if left := remains(deployment):
        for each in left:
            output.note(f"REMAINS: {each}")
        raise ToolError(
            f"{len(left)} things remain in {target} and may cost money. Take them away: "
            f"`{command(env, 'destroy')}`."
        )
    output.note(f"nothing of {project.name} {env} is left")


def _delete(deployment: Deployment, output: Output) -> None:
    if not any(deployment.deployed(part) for part in PARTS):
        return
    stays = kept(deployment)
    clear(deployment, output.note)
    cdk = cdk_of(deployment.project, deployment.env)
    with Processes() as processes:
        cdk.run(processes, cdk.destroy())
    for each in stays:
        output.note(f"kept: {each.kind} {each.name}: {each.reason}")


def remains(deployment: Deployment) -> list[str]:
    """List the stacks that are left, and what is outside of them."""
    deployment = Deployment(deployment.project, deployment.env, deployment.target)  # looks anew
    stacks = [deployment.stack(part) for part in PARTS if deployment.deployed(part)]
    found = [str(each) for each in leftovers(deployment)] if stacks else []
    return [*found, *(f"stack {name}" for name in stacks)]


def _wait_until_settled(deployment: Deployment) -> None:
    """Wait until CloudFormation is through with a deployment that was interrupted."""
    deadline = time.monotonic() + _SETTLING_SECONDS
    while time.monotonic() < deadline:
        statuses = [deployment.target.stack_status(deployment.stack(part)) or "" for part in PARTS]
        if not any(each.endswith("_IN_PROGRESS") for each in statuses):
            return
        time.sleep(deployment.target.poll_seconds)
