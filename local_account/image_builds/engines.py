"""Builders that are container engines of this machine, and the choice among all builders."""

import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from local_account.contained import Isolation
from local_account.image_builds.building import Asked, Builder, planned
from local_account.image_builds.console import BuildError, Console
from local_account.image_builds.dockerfile import DockerfileError
from local_account.image_builds.documents import BuiltImage
from local_account.image_builds.kept_layers import KeptLayers
from local_account.image_builds.rootless import Rootless
from local_account.image_builds.saved_images import read_saved
from local_account.images import BASE_LABEL, BUILDER_LABEL, ROOTLESS

CHOICE_VARIABLE = "MLOPS_IMAGE_BUILDER"
_PROBE_SECONDS, _TRY_SECONDS = 20, 60
_TAG = "localhost/embedded-account"


@dataclass(frozen=True)
class Engine:
    """One container engine, as commands."""

    name: str
    probe: tuple[str, ...]
    """What succeeds if the engine works."""
    inspect: tuple[str, ...]
    """What succeeds if it has the image that is named next."""
    build: tuple[str, ...]
    save: tuple[str, ...]
    """What writes the image `{tag}` to `{file}` as `docker save` does."""
    dated: bool
    """Whether it takes the time of all files as an option."""


_OF_PODMAN = ("--isolation", "chroot", "--format", "docker", "--layers", "--pull=never")
ENGINES = (
    Engine(
        "buildah",
        ("images", "--quiet"),
        ("inspect", "--type", "image", "--format", "{{.FromImageID}}"),
        ("build", *_OF_PODMAN),
        ("push", "--quiet", "{tag}", "docker-archive:{file}"),
        dated=True,
    ),
    Engine(
        "podman",
        ("images", "--quiet"),
        ("image", "exists"),
        ("build", *_OF_PODMAN),
        ("save", "--quiet", "--format", "docker-archive", "--output", "{file}", "{tag}"),
        dated=True,
    ),
    Engine(
        "docker",
        ("images", "--quiet"),
        ("image", "inspect", "--format", "{{.Id}}"),
        ("build", "--pull=false"),
        ("save", "--output", "{file}", "{tag}"),
        dated=False,
    ),
)


class EngineBuilder:
    """Builds with an engine, and takes the image out of its store."""

    def __init__(self, engine: Engine, cache: Path) -> None:
        self.name, self._engine, self._cache = engine.name, engine, cache

    def build(self, asked: Asked, console: Console) -> BuiltImage:
        """Build the target of a Dockerfile.

        Raises
        ------
        BuildError
            If the engine does not; its output says why.
        """
        tag = f"{_TAG}:{secrets.token_hex(8)}"  # no other build's
        with tempfile.TemporaryDirectory(prefix="image-build-", dir=asked.scratch) as folder:
            file, saved = Path(folder, "Dockerfile"), Path(folder, "image.tar")
            file.write_text(asked.dockerfile)
            try:
                self._run(self._command(asked, file, tag), console)
                save = [word.format(tag=tag, file=saved) for word in self._engine.save]
                self._run(save, console)
                self._keep_steps(tag, asked.target.lower() or "image")
            finally:
                self._try("rmi", tag)
            return read_saved(saved, Path(folder, "image"), KeptLayers(self._cache))

    def _keep_steps(self, tag: str, target: str) -> None:
        """Keep the image as what the next build of the target takes steps from, no other one."""
        kept = f"{_TAG}:kept-{target}"
        self._try("rmi", kept)
        self._try("tag", tag, kept)

    def _try(self, *arguments: str) -> None:
        """Ask for what may fail: nothing but the engine's store depends on it."""
        command = [self._engine.name, *arguments]
        with suppress(subprocess.TimeoutExpired):
            subprocess.run(command, env=environment(), capture_output=True, timeout=_TRY_SECONDS)

    def _command(self, asked: Asked, file: Path, tag: str) -> list[str]:
        command = [*self._engine.build, "--file", str(file), "--tag", tag]
        command += ["--timestamp", str(asked.epoch)] if self._engine.dated else []
        for option, value in (("--target", asked.target), ("--platform", asked.platform)):
            command += [option, value] if value else []
        labels = {**asked.labels, BUILDER_LABEL: self.name, BASE_LABEL: ", ".join(_bases(asked))}
        for option, pairs in (("--build-arg", asked.arguments), ("--label", labels)):
            for name, value in pairs.items():
                command += [option, f"{name}={value}"]
        command += ["--no-cache"] if asked.no_cache else []
        return [*command, str(asked.context)]

    def _run(self, arguments: Sequence[str], console: Console) -> None:
        command = [self._engine.name, *arguments]
        if status := console.follow(command, environment()):
            doing = f"{self._engine.name} {arguments[0]}"
            raise BuildError(f"{doing} did not complete successfully: exit code: {status}")


def environment() -> dict[str, str]:
    """Return the variables of this process without those of an AWS client."""
    return {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}


def works(engine: Engine) -> bool:
    """Tell whether an engine is here and does what it is told; docker needs its daemon."""
    return bool(shutil.which(engine.name)) and _succeeds([engine.name, *engine.probe])


def has(engine: Engine, image: str) -> bool:
    """Tell whether an engine has an image in its own store."""
    return _succeeds([engine.name, *engine.inspect, image])


def _succeeds(command: list[str]) -> bool:
    try:
        done = subprocess.run(
            command, env=environment(), capture_output=True, timeout=_PROBE_SECONDS
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def chosen(asked: Asked, cache: Path, isolation: Isolation) -> tuple[Builder, str]:
    """Return the builder of an image, and why it is that one.

    Raises
    ------
    BuildError
        If the builder that the environment names is none, or does not work.
    DockerfileError
        If the builder is to be found, and the Dockerfile does not say from which images.
    """
    wanted, known = os.environ.get(CHOICE_VARIABLE, "auto"), {e.name: e for e in ENGINES}
    if wanted == ROOTLESS:
        return Rootless(cache, isolation), f"{CHOICE_VARIABLE} says so"
    if wanted in known:
        if not works(known[wanted]):
            raise BuildError(f"{CHOICE_VARIABLE}={wanted}: {wanted} is not here or does not work")
        return EngineBuilder(known[wanted], cache), f"{CHOICE_VARIABLE} says so"
    if wanted != "auto":
        names = ", ".join(("auto", ROOTLESS, *known))
        raise BuildError(f"{CHOICE_VARIABLE}={wanted} is no builder, expected one of {names}")
    reasons, bases = [], planned(asked).base_images()
    for engine in (engine for engine in ENGINES if shutil.which(engine.name)):
        missing = _missing(engine, bases)
        if not missing:
            return EngineBuilder(engine, cache), "it has the base image"
        reasons.append(missing)
    here = "; ".join(reasons) or "neither buildah, podman nor docker is here"
    return Rootless(cache, isolation), here


def _missing(engine: Engine, bases: Sequence[str]) -> str:
    """Return what an engine that is here lacks to build an image, or nothing."""
    name = engine.name
    if not works(engine):
        return f"{name} is here but does not work"
    for image in bases:
        if image != "scratch" and not has(engine, image):
            return f"{name} is here but does not have {image}; pull it to build with {name}"
    return ""


def _bases(asked: Asked) -> list[str]:
    try:
        return planned(asked).base_images()
    except DockerfileError:  # an engine that was chosen by name may read more than this module
        return []
