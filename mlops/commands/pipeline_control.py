"""`mlops pipelines start`, `retry`, `stop`, `approve` and `reject`: what acts on executions."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from mlops.commands.common import EnvOption, JsonOption, YesOption, connect
from mlops.commands.pipelines import WHICH, ExecutionArgument, follow_to_the_end
from mlops.project import command
from mlops.render import Output

if TYPE_CHECKING:
    from mlops.pipeline_control import Answer

NamedExecution = Annotated[str, typer.Argument(metavar="EXECUTION", help=WHICH)]
WaitingExecution = Annotated[
    str | None,
    typer.Argument(metavar="EXECUTION", help=f"{WHICH} Default: the one that waits."),
]
FollowOption = Annotated[bool, typer.Option("--follow", help="Follow it until it ends.")]
SummaryOption = Annotated[str, typer.Option(help="Is kept with the answer.")]


def start(
    commit: Annotated[
        str, typer.Option(help="Its full id. Default: the newest of the pipeline's branch.")
    ] = "",
    follow: FollowOption = False,
    env: EnvOption = "dev",
    as_json: JsonOption = False,
) -> None:
    """Start an execution without a push; images that the commit has already are not built again."""
    from mlops.pipeline_control import start_execution

    output = Output(as_json)
    deployment = connect(env, output)
    started = start_execution(deployment, commit)
    output.note(f"started execution {started.short_id}")
    if follow:
        follow_to_the_end(output, deployment, started)
        return
    if as_json:
        output.document(asdict(started))
    output.note(f"see it: `{command(env, f'pipelines follow {started.short_id}')}`")


def retry(
    execution: NamedExecution,
    stage: Annotated[str, typer.Option(help="Default: the stage that failed.")] = "",
    all_actions: Annotated[
        bool, typer.Option("--all-actions", help="Also those of the stage that succeeded.")
    ] = False,
    follow: FollowOption = False,
    env: EnvOption = "dev",
    as_json: JsonOption = False,
) -> None:
    """Try a failed stage of an execution again, with the same commit."""
    from mlops.pipeline_control import retry_stage
    from mlops.pipelines import find_execution

    output = Output(as_json)
    deployment = connect(env, output)
    found = find_execution(deployment, execution)
    tried = retry_stage(deployment, found, stage, all_actions)
    output.note(f"execution {found.short_id} tries stage {tried} again")
    if follow:
        follow_to_the_end(output, deployment, find_execution(deployment, found.id))
        return
    if as_json:
        output.document({**asdict(find_execution(deployment, found.id)), "stage": tried})
    output.note(f"see it: `{command(env, f'pipelines follow {found.short_id}')}`")


def stop(
    execution: ExecutionArgument = None,
    abandon: Annotated[
        bool, typer.Option("--abandon", help="Do not wait for actions that go on; stop its builds.")
    ] = False,
    reason: Annotated[
        str, typer.Option(help="Is kept with the execution.")
    ] = "stopped with `mlops pipelines stop`",
    yes: YesOption = False,
    env: EnvOption = "dev",
    as_json: JsonOption = False,
) -> None:
    """Stop an execution that goes on; returns when it has ended."""
    from mlops.pipeline_control import stop_execution
    from mlops.pipelines import find_execution

    output = Output(as_json)
    deployment = connect(env, output)
    found = find_execution(deployment, execution)
    if not yes and found.goes_on:
        typer.confirm(
            f"Stop execution {found.short_id} of commit {found.short_commit}?",
            abort=True,
            err=as_json,
        )
    ended = stop_execution(deployment, found, abandon, reason)
    if as_json:
        output.document({**asdict(ended), "seconds": ended.seconds})
    output.note(f"execution {ended.short_id} ended {ended.status}")


def approve(
    execution: WaitingExecution = None,
    summary: SummaryOption = "approved with `mlops pipelines approve`",
    env: EnvOption = "dev",
    as_json: JsonOption = False,
) -> None:
    """Let an execution go on that waits for a manual approval."""
    _answer(execution, "Approved", summary, env, as_json)


def reject(
    execution: WaitingExecution = None,
    summary: SummaryOption = "rejected with `mlops pipelines reject`",
    env: EnvOption = "dev",
    as_json: JsonOption = False,
) -> None:
    """End an execution that waits for a manual approval."""
    _answer(execution, "Rejected", summary, env, as_json)


def _answer(reference: str | None, answer: Answer, summary: str, env: str, as_json: bool) -> None:
    from mlops.pipeline_control import answer_approval, find_approval
    from mlops.pipelines import find_execution

    output = Output(as_json)
    deployment = connect(env, output)
    named = find_execution(deployment, reference) if reference is not None else None
    approval = find_approval(deployment, named)
    answer_approval(deployment, approval, answer, summary)
    if as_json:
        known = {name: value for name, value in asdict(approval).items() if name != "token"}
        output.document({**known, "answer": answer})
    output.note(
        f"{answer.lower()} {approval.stage}/{approval.action} of execution "
        f"{approval.execution_id[:8]}"
    )
