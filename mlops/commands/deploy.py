"""`mlops deploy` and `mlops destroy`: the project's stacks in the account."""

from __future__ import annotations

from typing import Annotated

import typer

from mlops.cdk import Cdk, bootstrapped
from mlops.commands.common import EnvOption, connect
from mlops.processes import Processes
from mlops.render import Output
from mlops.target import Deployment

YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def deploy(env: EnvOption = "dev", yes: YesOption = False) -> None:
    """Show what would change in the account, ask, and deploy every stack."""
    output = Output()
    deployment = connect(env, output)
    target, cdk = deployment.target, _synthesized(deployment, output)
    ready = bootstrapped(target)
    if not ready:
        where = f"{target.account_id} {target.region}"
        output.note(f"{where} is not bootstrapped: the CDK's own stack will be created first")
    cdk.show(cdk.diff())
    if not yes:
        typer.confirm(f"Deploy to {target}?", abort=True)
    if not ready:
        cdk.show(cdk.bootstrap(target.account_id, target.region))
    cdk.show(cdk.deploy())


def destroy(env: EnvOption = "dev", yes: YesOption = False) -> None:
    """Delete what runs have created, then the stacks; retained resources stay."""
    from mlops.teardown import leftovers, remove

    output = Output()
    deployment = connect(env, output)
    stacks = [part for part in ("training", "storage") if deployment.deployed(part)]
    if not stacks:
        output.note(f"nothing of {deployment.project.name} {env} is deployed")
        return
    left = leftovers(deployment)
    for doomed in [*left, *(f"stack {deployment.project.stack(env, part)}" for part in stacks)]:
        output.note(f"will be deleted: {doomed}")
    if not yes:
        typer.confirm(f"Destroy all this in {deployment.target}?", abort=True)
    cdk = _synthesized(deployment, output)
    for each in left:
        remove(deployment.target, each)
    cdk.show(cdk.destroy())


def _synthesized(deployment: Deployment, output: Output) -> Cdk:
    cdk = Cdk(deployment.project.root, deployment.env)
    with Processes() as processes, output.console.status("synthesizing"):
        cdk.run(processes, cdk.synth())
    return cdk
