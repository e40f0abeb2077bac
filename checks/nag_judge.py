"""An app that holds templates as they are, for cdk-nag to judge: prints its report."""

import sys
import tempfile
from pathlib import Path

from aws_cdk import App, BootstraplessSynthesizer, Stack, Validations
from aws_cdk.cloudformation_include import CfnInclude
from cdk_nag import AwsSolutionsChecks, NIST80053R5Checks, ServerlessChecks

REPORT = "validation-report.json"


def judge(templates: list[Path], folder: Path) -> str:
    """Synthesize an app of the templates with every pack, and return the report."""
    app = App(outdir=str(folder), analytics_reporting=False)
    for path in templates:
        stack = Stack(app, path.name.split(".")[0], synthesizer=BootstraplessSynthesizer())
        CfnInclude(stack, "Template", template_file=str(path), allow_cyclical_references=True)
    for pack in (AwsSolutionsChecks, ServerlessChecks, NIST80053R5Checks):
        Validations.of(app).add_plugins(pack(app))
    try:
        app.synth()
    except RuntimeError:  # how a synthesis with findings ends
        if not (folder / REPORT).is_file():
            raise
    return (folder / REPORT).read_text()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        report = judge([Path(argument) for argument in sys.argv[1:]], Path(scratch))
    sys.__stdout__.write(report)  # type: ignore[union-attr]
