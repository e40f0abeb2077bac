"""The CDK CLI that package.json pins: `python -m mlops.cdk synth` runs it on this project."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlops.errors import MlopsError, ToolError
from mlops.node import become, tool_environment
from mlops.project import load_project

if TYPE_CHECKING:
    from pathlib import Path

    from mlops.processes import Processes
    from mlops.target import Target

TOOLKIT_STACK = "CDKToolkit"


@dataclass(frozen=True)
class Cdk:
    """The CDK CLI for one environment of the project."""

    root: Path
    env: str

    @property
    def assembly(self) -> Path:
        """Return the folder that `synth` writes and the other commands read."""
        return self.root / "build" / "cdk.out"

    def command(self, *arguments: str) -> list[str]:
        """Return the command line for the CLI.

        Raises
        ------
        ToolError
            If it is not installed.
        """
        program = self.root / "node_modules" / ".bin" / "cdk"
        if not program.exists():
            raise ToolError(f"{program} is absent; expected the CDK CLI. Run `make setup`.")
        return [str(program), *arguments]

    def synth(self) -> list[str]:
        """Return the command that synthesizes the app once for all commands after it."""
        return self.command("synth", "-q", "-c", f"env={self.env}", "-o", str(self.assembly))

    def bootstrap(self, account_id: str, region: str) -> list[str]:
        """Return the command that creates the CDK's own stack in an account."""
        return self.command("bootstrap", f"aws://{account_id}/{region}")

    def diff(self) -> list[str]:
        """Return the command that shows what a deployment would change."""
        return self.command("diff", "--app", str(self.assembly), "--method", "template")

    def deploy(self) -> list[str]:
        """Return the command that deploys every stack."""
        # who deploys was shown the difference and asked before
        approved = ("--require-approval", "never")
        return self.command("deploy", "--all", "--app", str(self.assembly), *approved)

    def destroy(self) -> list[str]:
        """Return the command that deletes every stack."""
        return self.command("destroy", "--all", "--force", "--app", str(self.assembly))

    def run(self, processes: Processes, command: list[str]) -> None:
        """Run a command quietly; raises `ToolError` with its last lines if it fails."""
        processes.run(command, cwd=self.root, env=tool_environment())

    def show(self, command: list[str]) -> None:
        """Run a command with its output on the terminal.

        Raises
        ------
        ToolError
            If it fails.
        """
        ended = subprocess.run(command, cwd=self.root, env=tool_environment(), check=False)
        if ended.returncode != 0:
            raise ToolError(
                f"`cdk {command[1]}` ended with {ended.returncode}; its output above says why."
            )


def bootstrapped(target: Target) -> bool:
    """Tell whether the target has the CDK's own stack."""
    return target.stack_outputs(TOOLKIT_STACK) is not None


def main() -> None:
    """Run the CLI with the given arguments in the project's folder."""
    try:
        root = load_project().root
        os.chdir(root)
        become(Cdk(root, env="").command(*sys.argv[1:]))
    except (MlopsError, OSError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
