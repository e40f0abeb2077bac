"""An app that holds templates as they are, for cdk-nag to judge: prints what it reports."""

import json
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aws_cdk import App, BootstraplessSynthesizer, Stack, Validations
from aws_cdk.cloudformation_include import CfnInclude
from cdk_nag import AwsSolutionsChecks, NIST80053R5Checks, ServerlessChecks

REPORT = "validation-report.json"


@dataclass
class Judged:
    """What the packs report, and why a template could not be loaded, by its path."""

    packs: list[Any] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)


def judge(templates: list[Path], judged: Judged) -> None:
    """Synthesize an app of the templates with every pack; what cannot be loaded stays out."""
    with tempfile.TemporaryDirectory() as scratch:
        app = App(outdir=scratch, analytics_reporting=False)
        loaded = [path for path in templates if _is_loaded(app, path, judged)]
        for pack in (AwsSolutionsChecks, ServerlessChecks, NIST80053R5Checks):
            Validations.of(app).add_plugins(pack(app))
        report = Path(scratch) / REPORT
        try:
            app.synth()
        except RuntimeError as error:  # how a synthesis with findings ends, too
            if not report.is_file():
                _judge_apart(loaded, judged, error)
                return
        judged.packs += json.loads(report.read_text())["pluginReports"] if loaded else []


def _is_loaded(app: App, path: Path, judged: Judged) -> bool:
    name = path.name.split(".")[0]
    stack = Stack(app, name, synthesizer=BootstraplessSynthesizer())
    try:
        CfnInclude(stack, "Template", template_file=str(path), allow_cyclical_references=True)
    except RuntimeError as error:
        app.node.try_remove_child(name)
        judged.refused[str(path)] = _reason(error)
        return False
    return True


def _judge_apart(loaded: list[Path], judged: Judged, error: RuntimeError) -> None:
    """Judge templates one by one: what does not synthesize takes no other's findings away."""
    if not loaded:
        raise error
    if len(loaded) == 1:
        judged.refused[str(loaded[0])] = _reason(error)
        return
    for path in loaded:
        judge([path], judged)


def _reason(error: RuntimeError) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[-1].strip()


if __name__ == "__main__":
    found = Judged()
    judge([Path(argument) for argument in sys.argv[1:]], found)
    said = json.dumps({"packs": found.packs, "refused": found.refused})
    sys.__stdout__.write(said)  # type: ignore[union-attr]
