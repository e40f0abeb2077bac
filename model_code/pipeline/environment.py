"""The virtual environment of a lock file: made once, kept in a cache, found by the lock's digest.

``python3 pipeline/environment.py requirements-build.lock`` prints its folder. It is plain Python
without libraries, because it runs before there is an environment.
"""

import argparse
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

DEFAULT_CACHE = Path.home() / ".cache"
COMPLETE = ".complete"
LOCK = "environments.lock"
"""Whoever puts a folder among the environments, or takes one away, holds it."""


def environment(lock: Path, cache: Path) -> Path:
    """Return the folder of an environment with exactly what the lock file names.

    Two that make the same one at once do not disturb each other: the first to end keeps its own,
    and the other takes it.
    """
    key = hashlib.sha256(lock.read_bytes()).hexdigest()[:16]
    folder = cache / "environments" / key
    if not is_complete(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f"{key}-", dir=folder.parent) as made:
            _install(lock, Path(made))
            with (cache / LOCK).open("w") as file:
                fcntl.flock(file, fcntl.LOCK_EX)  # ends with the file
                _keep(Path(made), folder)
            Path(made).mkdir(exist_ok=True)  # for its removal
    return folder


def is_complete(folder: Path) -> bool:
    """Whether an installation ended here and its interpreter is still on this machine."""
    return (folder / COMPLETE).is_file() and (folder / "bin" / "python").exists()


def _install(lock: Path, folder: Path) -> None:
    python = str(folder / "bin" / "python")
    options = ("--quiet", "--disable-pip-version-check", "--require-hashes", "--only-binary=:all:")
    for command in (
        [sys.executable, "-m", "venv", str(folder)],
        [python, "-m", "pip", "install", *options, "-r", str(lock)],
    ):
        # what these say goes to the log, not into the printed folder
        subprocess.run(command, check=True, stdout=sys.stderr)
    folder.chmod(0o755)  # a temporary folder is its owner's alone
    (folder / COMPLETE).touch()


def _keep(made: Path, folder: Path) -> None:
    if is_complete(folder):
        return
    shutil.rmtree(folder, ignore_errors=True)  # of one that did not end, or whose Python is gone
    os.rename(made, folder)  # noqa: PTH104  # scripts in bin/ name the old folder: use bin/python -m


def main() -> None:
    """Print the environment's folder; end in one line if it cannot be made."""
    parser = argparse.ArgumentParser(prog="environment", description=__doc__)
    parser.add_argument("lock", type=Path)
    parser.add_argument("cache", type=Path, nargs="?", default=DEFAULT_CACHE)
    options = parser.parse_args()
    try:
        print(environment(options.lock, options.cache.absolute()))
    except FileNotFoundError as error:
        sys.exit(f"{error.filename} is absent; expected a lock file.")
    except subprocess.CalledProcessError as error:
        sys.exit(
            f"{options.lock}: `{' '.join(error.cmd[1:4])}` ended with {error.returncode}; pip's "
            "output above says why. Correct the requirements and lock them anew."
        )


if __name__ == "__main__":
    main()
