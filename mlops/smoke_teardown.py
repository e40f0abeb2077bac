"""Taking a smoke test away, in whatever state it was stopped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from mlops.cdk import cdk_of
from mlops.errors import ToolError, explain
from mlops.kept import kept
from mlops.ownership import Owner
from mlops.polling import looks
from mlops.processes import Processes
from mlops.project import PARTS, command
from mlops.target import Deployment
from mlops.teardown import clear, leftovers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlops.project import Project
    from mlops.render import Output
    from mlops.target import Target

_SETTLING_SECONDS = 1800.0
_BEGUN = {"StatusEquals": "InProgress"}
_COSTING: tuple[tuple[str, str, str, dict[str, str]], ...] = (
    ("endpoint", "Endpoint", "Endpoints", {}),
    ("training job", "TrainingJob", "TrainingJobSummaries", _BEGUN),
    ("processing job", "ProcessingJob", "ProcessingJobSummaries", _BEGUN),
)
"""What costs by the hour: its kind, how SageMaker names and lists it, and which of them do."""
_NEVER_BEGUN = "REVIEW_IN_PROGRESS"
"""A stack of which there is only a change set: it stays like that until it is deleted."""


def tear_down(project: Project, env: str, target: Target, output: Output) -> None:
    """Stop what runs, delete what runs made, then the stacks.

    Raises
    ------
    ToolError
        If something is left; it is listed, with what takes it away.
    """
    deployment = Deployment(project, env, target)
    try:
        _wait_until_settled(deployment, output)
        _delete(deployment, output)
    except Exception as error:  # noqa: BLE001 - whatever it was, it must be said what is left
        output.note(f"teardown failed: {explain(error)}")
    if left := remains(deployment):
        for each in left:
            output.note(f"REMAINS: {each}")
        has_stack = any(each.startswith("stack ") for each in left)
        how = f"`{command(env, 'destroy')}`" if has_stack else "by name, for no stack knows them"
        raise ToolError(
            f"{len(left)} things remain in {target} and may cost money. Take them away: {how}."
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
    """List what costs by the hour, the stacks that are left, and what is outside of them."""
    deployment = Deployment(deployment.project, deployment.env, deployment.target)  # looks anew
    stacks = [deployment.stack(part) for part in reversed(PARTS) if deployment.deployed(part)]
    found = [str(each) for each in leftovers(deployment)] if stacks else []
    named = [*found, *_at_work(deployment), *(f"stack {name}" for name in stacks)]
    return list(dict.fromkeys(named))


def _at_work(deployment: Deployment) -> Iterator[str]:
    """Find endpoints and jobs by name and tag, whether or not a stack is left to tell of them."""
    prefix, sagemaker = f"{deployment.project.name}-", cast("Any", deployment.target.sagemaker)
    owner = Owner(deployment)
    for kind, member, summaries, criteria in _COSTING:
        paginator = sagemaker.get_paginator(f"list_{kind.replace(' ', '_')}s")
        for page in paginator.paginate(NameContains=prefix, **criteria):
            for each in page[summaries]:
                name = each[f"{member}Name"]
                if name.startswith(prefix) and owner.is_tagged(each[f"{member}Arn"]):
                    yield f"{kind} {name}"


def _wait_until_settled(deployment: Deployment, output: Output) -> None:
    """Wait until CloudFormation is through with a deployment that was interrupted."""
    for _ in looks(_SETTLING_SECONDS, every=deployment.target.poll_seconds):
        statuses = [deployment.target.stack_status(deployment.stack(part)) or "" for part in PARTS]
        changing = [each for each in statuses if each.endswith("_IN_PROGRESS")]
        if not set(changing) - {_NEVER_BEGUN}:
            return
    output.note(f"stacks are not settled after {_SETTLING_SECONDS:.0f} s; deleting all the same")
