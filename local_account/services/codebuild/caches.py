"""What is `$HOME/.cache` of a build: its project's, or nobody's, and environments to read.

Nobody but the project writes to it, so that a build which runs anybody's code cannot put
anything into what the account, other projects or people run.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from local_account import environments
from local_account.contained import Isolation
from local_account.services.codebuild.plane import Record

INSIDE = "/root/.cache"
_ENVIRONMENTS = "environments"


@dataclass(frozen=True)
class Cache:
    """The cache of one build.

    Attributes
    ----------
    folder : Path
        What it may write to, as on AWS: kept for the project's next build, or not.
    environments : sequence of Path
        What it finds in its folder `environments`: those of the store, read-only.
    """

    folder: Path
    environments: Sequence[Path]

    @classmethod
    def of(cls, asked: Record, build: Path, home: Path, store: Path) -> "Cache":
        """Return the cache that a project asks for; `build` is beside its project's others."""
        kept = asked["type"] == "LOCAL" and "LOCAL_CUSTOM_CACHE" in asked.get("modes", [])
        folder = build.parent / "cache" if kept else home / ".cache"
        return cls(folder, tuple(environments.found_in(store)))

    def make(self, isolation: Isolation) -> None:
        """Make the folder, whatever a build has left there."""
        place = self.folder / _ENVIRONMENTS
        _require_folder(self.folder)
        _require_folder(place)
        for environment in self.environments:
            if isolation == "bwrap":  # something to mount it upon
                _require_folder(place / environment.name)
            else:
                _link(place / environment.name, environment)

    def mounts(self) -> list[str]:
        """Return bubblewrap's arguments."""
        argv = ["--bind", str(self.folder), INSIDE]
        for each in self.environments:
            argv += ["--ro-bind", str(each), f"{INSIDE}/{_ENVIRONMENTS}/{each.name}"]
        return argv


def _require_folder(path: Path) -> None:
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
    path.mkdir(parents=True, exist_ok=True)


def _link(path: Path, environment: Path) -> None:
    if path.is_symlink() and path.readlink() != environment:
        path.unlink(missing_ok=True)
    with suppress(FileExistsError):  # a build's own, or that of one at the same time
        path.symlink_to(environment)
