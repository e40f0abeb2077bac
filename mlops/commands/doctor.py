"""`mlops doctor`: what must be in place, and how to put it there."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from mlops.commands.common import EnvOption, JsonOption
from mlops.project import load_project
from mlops.render import Output


def doctor(
    aws: Annotated[
        bool, typer.Option("--aws", help="Look at the account instead of this machine.")
    ] = False,
    env: EnvOption = "dev",
    as_json: JsonOption = False,
) -> None:
    """Look at everything the project needs; exit code 1 if something fails."""
    from mlops.doctor import FAIL, Finding, examine
    from mlops.doctor_aws import examine_aws

    output, findings = Output(as_json), list[Finding]()
    styles = {"ok": "green", "warn": "yellow", "fail": "red"}
    look = examine_aws if aws else examine
    for finding in look(load_project(), env):
        findings.append(finding)
        remedy = f" → {finding.remedy}" if finding.remedy else ""
        status = f"[{styles[finding.status]}]{finding.status:<4}[/]"
        line = f"{finding.check:<20} {finding.found}{remedy}"
        output.console.print(status, _plain(line), soft_wrap=True)
    if as_json:
        output.document([asdict(finding) for finding in findings])
    if any(finding.status == FAIL for finding in findings):
        raise typer.Exit(1)


def _plain(text: str) -> str:
    from rich.markup import escape

    return escape(text)
