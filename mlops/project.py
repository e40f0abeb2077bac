"""Where the project is and what it is called."""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlops.errors import ProjectError

SETTINGS_FILE = "mlops.toml"
PROGRAM = ".venv/bin/mlops"
DEFAULT_ENVIRONMENT = "dev"
"""What every command that takes `--env` means without it."""
PARTS = ("storage", "training", "model-code")
"""The stacks of an environment, in the order in which they are deployed."""


@dataclass(frozen=True)
class Project:
    """The folder that holds the settings file, and the project's name in it."""

    root: Path
    name: str

    @property
    def home(self) -> Path:
        """Folder for what the command line keeps between commands."""
        named = os.environ.get("MLOPS_HOME")
        return Path(named).expanduser().resolve() if named else self.root / ".mlops"

    def stack(self, env: str, part: str) -> str:
        """Return a stack's name: the only thing the command line knows about `stacks`."""
        return f"{self.name}-{env}-{part}"

    def setting(self, env: str, *path: str) -> Any:
        """Return a setting of an environment, None where the file has none.

        What a setting may be is checked when the stacks are synthesized.
        """
        tables = _read(self.root / SETTINGS_FILE)
        own = _at(tables, ("environments", env, *path))
        return _at(tables, path) if own is None else own


def command(env: str, words: str) -> str:
    """Return a command that a message tells to run, so that it acts on that environment."""
    option = "" if env == DEFAULT_ENVIRONMENT else f" --env {env}"
    return f"{PROGRAM} {words}{option}"


def load_project(start: Path | None = None) -> Project:
    """Find the project around the working directory, else the one this package lies in.

    Raises
    ------
    ProjectError
        If there is no settings file, or it has no ``[project] name``.
    """
    file = _settings_file(start or Path.cwd())
    try:
        name = _read(file)["project"]["name"]
    except (KeyError, TypeError) as error:
        raise ProjectError(f"{file} has no [project] name; expected a short name.") from error
    if not isinstance(name, str) or not name:
        raise ProjectError(f"{file} [project] name is {name!r}; expected a short name.")
    return Project(file.parent, name)


def _at(tables: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        tables = tables.get(name) if isinstance(tables, dict) else None
    return tables


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ProjectError(f"{file} is not TOML: {error}. Mend that line.") from error


def _settings_file(start: Path) -> Path:
    candidates = [start, *start.parents, Path(__file__).resolve().parents[1]]
    for folder in candidates:
        if (folder / SETTINGS_FILE).is_file():
            return folder / SETTINGS_FILE
    raise ProjectError(
        f"no {SETTINGS_FILE} in {start} or a folder above it. Run the command in the project."
    )
