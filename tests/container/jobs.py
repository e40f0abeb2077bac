"""One base directory for a job, and the ways in which its commands are run."""

import io
import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tests.container.engine import Engine, Image

ROOT = Path(__file__).resolve().parents[2]
CLIENT = Path(__file__).with_name("serve_once.py")
ENTRYPOINT = ("python", "-m", "model_code")
LIMIT_SECONDS = 120


class Runner(Protocol):
    """Runs a command line for a job; `target` is the image whose libraries it needs."""

    def __call__(self, base: Path, target: str, *command: str) -> str: ...


def completed(command: list[str], variables: Mapping[str, str] | None = None) -> str:
    """Return what a command printed."""
    done = subprocess.run(
        command, env=variables, capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False
    )
    if done.returncode:
        raise AssertionError(f"{command[-1]} ended with {done.returncode}:\n{done.stderr}")
    return done.stdout


def prepare(base: Path, version: Path, rows: str) -> None:
    """Put a data set version where each command of the container contract looks for it."""
    for split in ("train", "validation"):
        shutil.copytree(version / split, base / "input/data" / split)
        shutil.copytree(version / split, base / "processing/input" / split)
    shutil.copytree(version, base / "processing/input/dataset")
    (base / "rows.csv").write_text(rows)


def outputs(base: Path, run: Runner) -> dict[str, bytes]:
    """Run every command; return each file that they wrote, and what `serve` answered."""
    run(base, "model", *ENTRYPOINT, "train")
    run(base, "model", *ENTRYPOINT, "validate")
    _archive(base)
    run(base, "processing", *ENTRYPOINT, "evaluate")
    served = run(base, "model", "python", "/opt/ml/serve_once.py", *ENTRYPOINT)
    folders = (base / "model", base / "processing/output")
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    written = {path.relative_to(base).as_posix(): path.read_bytes() for path in files}
    return {**written, "served": json.dumps(json.loads(served)).encode()}


def _archive(base: Path) -> None:
    """Pack the model as SageMaker does, with no trace of when or whose."""
    shutil.copy(CLIENT, base / "serve_once.py")
    folder = base / "processing/input/model"
    folder.mkdir()
    with tarfile.open(folder / "model.tar.gz", "w:gz") as archive:
        for path in sorted((base / "model").iterdir()):
            member = tarfile.TarInfo(path.name)
            member.size = path.stat().st_size
            archive.addfile(member, io.BytesIO(path.read_bytes()))


def in_process(base: Path, target: str, *command: str) -> str:
    """Run in the environment that `make container` made, without any image."""
    environment = ROOT / (".venv-container" if target == "model" else ".venv-processing")
    variables = {
        **{name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ},
        "SAGEMAKER_BASE_DIR": str(base),
        "PYTHONPATH": str(ROOT),
    }
    variables["PATH"] = f"{environment / 'bin'}{os.pathsep}{variables['PATH']}"
    places = [word.replace("/opt/ml/", f"{base}/") for word in command[1:]]
    return completed([str(environment / "bin/python"), *places], variables)


@dataclass(frozen=True)
class AsRoot:
    """Runs in a container of an image as root, with the network of this machine."""

    engine: Engine
    containers: dict[str, str]

    def __call__(self, base: Path, target: str, *command: str) -> str:
        options = ("--isolation", "chroot", "--user", "root", "--volume", f"{base}:/opt/ml")
        return self.engine.run("run", *options, self.containers[target], "--", *command)


@dataclass(frozen=True)
class Hardened:
    """Runs in an image that it cannot write to, as nobody, without capabilities or network."""

    folders: dict[str, Path]
    images: dict[str, Image]

    def __call__(self, base: Path, target: str, *command: str) -> str:
        folder, config = self.folders[target], self.images[target].config["config"]
        (folder / "opt/ml").mkdir(exist_ok=True)
        variables = [
            part for each in config["Env"] for part in ("--setenv", *each.split("=", maxsplit=1))
        ]
        return completed(
            [
                *("bwrap", "--unshare-all", "--unshare-user", "--die-with-parent", "--clearenv"),
                *("--uid", "65534", "--gid", "65534", "--cap-drop", "ALL", *variables),
                *("--ro-bind", str(folder), "/", "--proc", "/proc", "--dev", "/dev"),
                *("--tmpfs", "/tmp", "--bind", str(base), "/opt/ml"),
                *("--chdir", config["WorkingDir"], *command),
            ]
        )
