"""`mlops doctor`: what must be in place, and how to put it there."""

from __future__ import annotations

from dataclasses import asdict

import typer

from mlops.commands.common import EnvOption, JsonOption
from mlops.project import load_project
from mlops.render import Output


def doctor(env: EnvOption = "dev", as_json: JsonOption = False) -> None:
    """Look at everything the project needs; exit code 1 if something fails."""
    from mlops.doctor import FAIL, Finding, examine

    output, findings = Output(as_json), list[Finding]()
    styles = {"ok": "green", "warn": "yellow", "fail": "red"}
    for finding in examine(load_project(), env):
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
