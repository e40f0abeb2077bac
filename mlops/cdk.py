"""The CDK CLI that package.json pins: `python -m mlops.cdk synth` runs it on this project."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from mlops.errors import MlopsError, ToolError
from mlops.node import become, tool_environment
from mlops.project import load_project

if TYPE_CHECKING:
    from pathlib import Path

    from mlops.processes import Processes
    from mlops.project import Project
    from mlops.target import Deployment

TOOLKIT_STACK = "CDKToolkit"
DEFAULT_QUALIFIER = "hnb659fds"
_BEGINNING = 60  # of a line that is cut
"""What the CDK names its own resources by, unless told otherwise."""


@dataclass(frozen=True)
class Cdk:
    """The CDK CLI for one environment of the project."""

    root: Path
    env: str
    qualifier: str = DEFAULT_QUALIFIER

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

    @property
    def toolkit_stack(self) -> str:
        """Return the name of the CDK's own stack: each qualifier has one."""
        if self.qualifier == DEFAULT_QUALIFIER:
            return TOOLKIT_STACK
        return f"{TOOLKIT_STACK}-{self.qualifier}"

    def bootstrap(self, account_id: str, region: str) -> list[str]:
        """Return the command that creates the CDK's own stack in an account."""
        named = ("--qualifier", self.qualifier, *self._toolkit()) if self._toolkit() else ()
        return self.command("bootstrap", f"aws://{account_id}/{region}", *named)

    def diff(self, *stacks: str) -> list[str]:
        """Return the command that shows what a deployment would change in stacks (or in all)."""
        options = ("--app", str(self.assembly), "--method", "template")
        return self.command("diff", *stacks, *options)

    def template(self, stack: str) -> dict[str, Any]:
        """Read the template of a stack that `synth` wrote."""
        template: dict[str, Any] = json.loads(
            (self.assembly / f"{stack}.template.json").read_bytes()
        )
        return template

    def deploy(self) -> list[str]:
        """Return the command that deploys every stack."""
        # who deploys was shown the difference and asked before
        approved = ("--require-approval", "never")
        options = ("--app", str(self.assembly), *approved, *self._toolkit())
        return self.command("deploy", "--all", *options)

    def destroy(self) -> list[str]:
        """Return the command that deletes every stack."""
        return self.command("destroy", "--all", "--force", "--app", str(self.assembly))

    def _toolkit(self) -> tuple[str, ...]:
        default = self.qualifier == DEFAULT_QUALIFIER
        return () if default else ("--toolkit-stack-name", self.toolkit_stack)

    def run(self, processes: Processes, command: list[str]) -> None:
        """Run a command quietly; raises `ToolError` with its last lines if it fails."""
        processes.run(command, cwd=self.root, env=tool_environment())

    def show(self, command: list[str], longest_line: int = 0) -> None:
        """Run a command with its output on the terminal, its lines cut to a length if given.

        Raises
        ------
        ToolError
            If it fails.
        """
        with TemporaryDirectory(prefix="mlops-", ignore_cleanup_errors=True) as scratch:
            environment = {**tool_environment(), "TMPDIR": scratch}
            if longest_line:
                status = _show_cut(command, self.root, environment, longest_line)
            else:
                status = subprocess.run(command, cwd=self.root, env=environment).returncode
        if status != 0:
            raise ToolError(f"`cdk {command[1]}` ended with {status}; its output above says why.")


def _show_cut(command: list[str], root: Path, environment: dict[str, str], longest: int) -> int:
    if sys.stdout.isatty():
        environment = {**environment, "FORCE_COLOR": "1"}
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, cwd=root, env=environment, stdout=pipe, stderr=subprocess.STDOUT, text=True
    ) as process:
        for line in process.stdout or ():
            whole = line.rstrip("\n")
            cut = f"{whole[:_BEGINNING]} … {len(whole)} characters"
            print(cut if len(whole) > longest else whole)
    return process.returncode


def cdk_of(project: Project, env: str) -> Cdk:
    """Return the CDK CLI as the project's settings want it."""
    qualifier = project.setting(env, "account", "qualifier")
    return Cdk(project.root, env, str(qualifier or DEFAULT_QUALIFIER))


def bootstrapped(deployment: Deployment) -> bool:
    """Tell whether the target has the CDK's own stack."""
    stack = cdk_of(deployment.project, deployment.env).toolkit_stack
    return deployment.target.stack_outputs(stack) is not None


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
