"""`mlops deploy` and `mlops destroy`: the project's stacks in the account."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from mlops.cdk import Cdk, bootstrapped, cdk_of
from mlops.commands.common import EnvOption, JsonOption, YesOption, connect
from mlops.processes import Processes
from mlops.project import PARTS, command
from mlops.render import Output
from mlops.target import Deployment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlops.kept import Kept
    from mlops.teardown_steps import Leftover

SHOWN_LINES = 200
LONGEST_LINE = 300
"""Longer ones are cut: the CDK prints a state machine's definition as one line."""


def deploy(env: EnvOption = "dev", yes: YesOption = False) -> None:
    """Show what would change in the account, ask, and deploy every stack."""
    from mlops.changes import changed_parts, unsettled_parts

    output = Output()
    deployment = connect(env, output)
    target, cdk = deployment.target, _synthesized(deployment, output)
    ready = bootstrapped(deployment)
    if not ready:
        where = f"{target.account_id} {target.region}"
        output.note(f"{where} is not bootstrapped: {cdk.toolkit_stack} will be created first")
    for part, status in unsettled_parts(deployment).items():
        output.note(f"stack {deployment.stack(part)} is {status}: it is deployed again")
    if changed_parts(deployment, cdk):
        _show_changes(output, deployment, cdk)
        if not yes:
            typer.confirm(f"Deploy to {target}?", abort=True)
    else:
        output.note("the templates are those that are deployed: nothing to ask")
    if not ready:
        cdk.show(cdk.bootstrap(target.account_id, target.region))
    is_first = not deployment.deployed("model-code")
    cdk.show(cdk.deploy())
    if is_first:
        _say_what_comes_next(output, deployment)


def _say_what_comes_next(output: Output, deployment: Deployment) -> None:
    if deployment.connection_arn:
        finish = command(deployment.env, "doctor")
        output.note(f"the connection to the repository has to be finished: `{finish}` says how")
        return
    follow = command(deployment.env, "pipelines follow")
    output.note(f"the pipeline begins with the first image: `{follow}`")


def destroy(
    env: EnvOption = "dev",
    plan: Annotated[
        bool, typer.Option("--plan", help="Only list what would go, and what would stay.")
    ] = False,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Stop what runs, delete what runs have created, then the stacks; what is retained stays."""
    from mlops.kept import deleted_repositories, kept
    from mlops.teardown import clear, leftovers

    if as_json and not plan:
        raise typer.BadParameter("--json lists what would go: give --plan with it")
    output = Output(as_json)
    deployment = connect(env, output)
    stacks = [deployment.stack(p) for p in reversed(PARTS) if deployment.deployed(p)]
    if not stacks:
        output.note(f"nothing of {deployment.project.name} {env} is deployed")
        if as_json:
            output.document({"goes": [], "stays": []})
        return
    left, stays = [*leftovers(deployment), *deleted_repositories(deployment)], kept(deployment)
    _show_plan(output, left, stacks, stays)
    if plan:
        return
    if not yes:
        typer.confirm(f"Destroy all this in {deployment.target}?", abort=True)
    cdk = _synthesized(deployment, output)
    clear(deployment, output.note)
    cdk.show(cdk.destroy())
    for each in stays:
        output.note(f"kept: {each.kind} {each.name}: {each.reason}")


def _show_plan(
    output: Output, left: Sequence[Leftover], stacks: Sequence[str], stays: Sequence[Kept]
) -> None:
    goes = [(each.action, each.kind, each.name) for each in left]
    goes += [("delete", "stack", stack) for stack in stacks]
    if output.as_json:
        listed = [dict(zip(("action", "kind", "name"), each, strict=True)) for each in goes]
        output.document({"goes": listed, "stays": [asdict(each) for each in stays]})
        return
    numbered = [(str(number), *each) for number, each in enumerate(goes, start=1)]
    output.rows(("goes", "action", "kind", "name"), numbered, "nothing goes")
    rows = [(each.kind, each.name, each.reason) for each in stays]
    output.rows(("stays", "name", "because"), rows, "nothing stays")


def _show_changes(output: Output, deployment: Deployment, cdk: Cdk) -> None:
    """List what is created, and show how what is there changes."""
    from mlops.changes import created_resources, definition_changes

    created = created_resources(deployment, cdk)
    for stack, types in created.items():
        output.note(f"stack {stack} is created with {types.total()} resources:")
        for kind, count in sorted(types.items()):
            output.note(f"  {count:3} {kind}")
    changed = [stack for part in PARTS if (stack := deployment.stack(part)) not in created]
    if changed:
        cdk.show(cdk.diff(*changed), longest_line=LONGEST_LINE)
        _show_definition(output, definition_changes(deployment, cdk))


def _show_definition(output: Output, lines: Sequence[str]) -> None:
    for line in lines[:SHOWN_LINES]:
        output.note(line)
    if len(lines) > SHOWN_LINES:
        output.note(f"… and {len(lines) - SHOWN_LINES} more lines")


def _synthesized(deployment: Deployment, output: Output) -> Cdk:
    cdk = cdk_of(deployment.project, deployment.env)
    with Processes() as processes, output.console.status("synthesizing"):
        cdk.run(processes, cdk.synth())
    return cdk
