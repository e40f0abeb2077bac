"""buildah with a store of its own: no daemon, no image of others, nothing left behind."""

import ast
import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.container.base_image import write_context

BASE = "localhost/python-of-this-machine"
EPOCH = "315532800"
LIMIT_SECONDS = 600
# Built as OCI and pushed as Docker v2: buildah writes random ids into the Docker format.
BUILT = ("--isolation", "chroot", "--format", "oci", "--timestamp", EPOCH)


@dataclass(frozen=True)
class Image:
    """An image that was pushed to a folder: what a registry would get."""

    name: str
    digest: str
    manifest: dict[str, Any]
    config: dict[str, Any]


@dataclass(frozen=True)
class Engine:
    """Builds and runs, as root."""

    folder: Path
    storage_driver: str

    def run(self, *arguments: str) -> str:
        """Run a command of buildah; what it printed is in the error if it fails."""
        store = ("--root", str(self.folder / "root"), "--runroot", str(self.folder / "run"))
        command = ["buildah", *store, "--storage-driver", self.storage_driver, *arguments]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False
        )
        if done.returncode:
            raise AssertionError(f"buildah {arguments[0]} failed:\n{done.stdout}{done.stderr}")
        return done.stdout

    @cached_property
    def base(self) -> str:
        """The base image, built once."""
        context = self.folder / "base"
        context.mkdir()
        write_context(context)
        self.run("bud", *BUILT, "--tag", BASE, str(context))
        shutil.rmtree(context)
        return BASE

    def build(self, context: Path, target: str, name: str) -> Image:
        """Build a target of the Dockerfile, every instruction of it, and push it to a folder."""
        arguments = {"BASE_IMAGE": self.base, "SOURCE_DATE_EPOCH": EPOCH}
        given = [part for each in arguments.items() for part in ("--build-arg", "=".join(each))]
        volumes = [part for mount in self._pip for part in ("--volume", mount)]
        options = ("--no-cache", "--platform", "linux/amd64", "--target", target, "--tag", name)
        self.run("bud", *BUILT, *options, *given, *volumes, str(context))
        pushed = self.folder / f"pushed-{name}"
        digest = self.folder / f"{name}.digest"
        # uncompressed: nobody pulls it
        stored = ("--disable-compression", "--format", "v2s2", "--digestfile", str(digest))
        self.run("push", *stored, name, f"dir:{pushed}")
        manifest = json.loads((pushed / "manifest.json").read_bytes())
        config_file = pushed / manifest["config"]["digest"].removeprefix("sha256:")
        config = json.loads(config_file.read_bytes())
        shutil.rmtree(pushed)
        return Image(name, digest.read_text().strip(), manifest, config)

    @cached_property
    def _pip(self) -> list[str]:
        """Mounts that let pip in a build find packages as pip on this machine does."""
        (self.folder / "pip.conf").write_text(pip_configuration())
        files = [f"{path}:{path}:ro" for path in named_paths(pip_configuration())]
        return [f"{self.folder}/pip.conf:/etc/pip.conf:ro", *files]

    def close(self) -> None:
        """Remove all images and containers."""
        self.run("rm", "--all")
        self.run("rmi", "--all", "--force")
        mounted = self.folder / "root/overlay"
        if mounted.is_mount():  # the store's own
            subprocess.run(["umount", str(mounted)], check=True)


def usable_driver(folder: Path) -> str:
    """Return overlay, or vfs where this file system does not take it."""
    for driver in ("overlay", "vfs"):
        engine = Engine(folder / driver, driver)
        try:
            name = engine.run("from", "scratch").strip()
            engine.run("mount", name)
            engine.run("rm", name)
        except AssertionError:
            continue
        return driver
    raise AssertionError("buildah can store images neither with overlay nor with vfs")


def pip_configuration() -> str:
    """Return what pip is told on this machine, by files and variables, as one file."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    values: dict[str, str] = {}
    for line in sorted(told.splitlines(), key=lambda line: line.startswith(":env:")):
        name, _, value = line.partition("=")
        values[name.rpartition(".")[2]] = str(ast.literal_eval(value))
    lines = [f"{name} = {' '.join(value.split())}" for name, value in values.items()]
    return "\n".join(["[global]", *lines, ""])


def named_paths(configuration: str) -> Sequence[str]:
    """Return the files and folders of this machine that a configuration of pip names."""
    found = set()
    for token in configuration.split():
        url = urlsplit(token)
        path = Path(url.path)
        if url.scheme in ("", "file") and path.is_absolute() and path.exists():
            # an index links to files beside it
            found.add(str(path.parent if url.scheme else path))
    return sorted(found)
