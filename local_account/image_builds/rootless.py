"""Builds an image without a container engine: the instructions it knows, none halfway.

This machine's Python stands for the base image, so that the base has to be a Python by digest,
and what RUN changes is what lies below `/opt/program` and `/tmp`, and the environment.
"""

import hashlib
import platform
import posixpath
import shutil
import tempfile
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from local_account import environments
from local_account.archives import Allowance
from local_account.contained import Isolation
from local_account.image_builds import locked_environments as locked
from local_account.image_builds.building import Asked, Plan, by_digest, declared, planned
from local_account.image_builds.configuration import Configuration
from local_account.image_builds.console import BuildError, Console
from local_account.image_builds.copying import copied, digest_of_entries, placed
from local_account.image_builds.dockerfile import Instruction
from local_account.image_builds.documents import BuiltImage, Layer
from local_account.image_builds.kept_layers import Entry, KeptLayers
from local_account.image_builds.running import Run, changes, run, snapshot
from local_account.image_builds.substitution import pairs_of, words_of
from local_account.images import ROOTLESS, ROOTLESS_FOLDERS
from local_account.layers import apply_layer, within
from local_account.limits import GIB

_BASE = "python"
_FIXED = ("PATH", "PYTHONHOME", "VIRTUAL_ENV")
_MAX_BYTES = 2 * GIB
_FORMAT = "1"  # of the kept steps: another one forgets them


@dataclass
class _Stage:
    """Where a build is: what the next instruction goes on from."""

    base: str
    chain: str
    configuration: Configuration
    environment: str = locked.EMPTY
    arguments: dict[str, str] = field(default_factory=dict)
    folders: set[str] = field(default_factory=lambda: set(ROOTLESS_FOLDERS))
    layers: list[Layer] = field(default_factory=list)

    @property
    def values(self) -> dict[str, str]:
        """Return the variables that an instruction sees: ENV before ARG."""
        return {**self.arguments, **self.configuration.environment}

    def grow(self, *what: object) -> str:
        """Return the key of a step: what came before it, and what it is."""
        return hashlib.sha256(repr((_FORMAT, self.chain, *what)).encode()).hexdigest()


class Rootless:
    """The builder that needs nothing but Python, and bubblewrap to isolate what RUN runs."""

    name = ROOTLESS

    def __init__(self, cache: Path, isolation: Isolation) -> None:
        self._cache, self._isolation = cache, isolation

    def build(self, asked: Asked, console: Console) -> BuiltImage:
        """Build the target of a Dockerfile.

        Raises
        ------
        DockerfileError
            If an instruction is not known here, or cannot be carried out.
        """
        plan = planned(asked)
        with tempfile.TemporaryDirectory(prefix="image-build-", dir=asked.scratch) as folder:
            execution = _Execution(asked, plan, self._cache, self._isolation, console)
            return execution.carry_out(Path(folder))


class _Execution:
    """One build: the stages of its plan, one instruction after the other."""

    def __init__(
        self, asked: Asked, plan: Plan, cache: Path, isolation: Isolation, console: Console
    ) -> None:
        self._asked, self._plan, self._cache = asked, plan, cache
        self._isolation, self._console = isolation, console
        self._kept = KeptLayers(cache)
        self._known: dict[str, Callable[[_Stage, Instruction], None]] = {
            "ARG": self._arg,
            "ENV": self._env,
            "WORKDIR": self._workdir,
            "LABEL": self._label,
            "COPY": self._copy,
            "RUN": self._run,
            "STOPSIGNAL": self._stop_signal,
            "EXPOSE": self._expose,
            "ENTRYPOINT": self._entrypoint,
            "CMD": self._command,
        }

    def carry_out(self, folder: Path) -> BuiltImage:
        """Do all of it; `folder` is for the image's files, where a command needs them."""
        self._root, self._applied = folder / "root", list[Layer]()
        instructions = [i for stage in self._plan.stages.values() for i in stage]
        self._require_known(instructions)
        stages: dict[str, _Stage] = {}
        stage, number = None, 0
        for name, listed in self._plan.stages.items():
            stage = stages[name] = self._from(stages, name, listed[0])
            for instruction in listed:
                number += 1
                self._console.say(f"Step {number}/{len(instructions)} : {instruction}")
                if instruction.name != "FROM":
                    self._known[instruction.name](stage, instruction)
                    stage.configuration.note(str(instruction))
        assert stage is not None  # noqa: S101 - a plan has a stage
        self._environment(stage)  # the image needs it, even if no command did
        config = stage.configuration.written(
            self._asked, stage.base, stage.environment, stage.layers
        )
        return BuiltImage(config, tuple(stage.layers))

    def _require_known(self, instructions: list[Instruction]) -> None:
        """Refuse before anything is done."""
        for instruction in instructions:
            if instruction.name not in {"FROM", *self._known}:
                raise instruction.refused(
                    f"a rootless build does not model {instruction.name}, it knows FROM, "
                    f"{', '.join(self._known)}"
                )
            if instruction.flags and instruction.name not in ("COPY", "FROM"):
                raise instruction.refused("a rootless build does not model its options")

    def _from(self, stages: dict[str, _Stage], name: str, instruction: Instruction) -> _Stage:
        base = self._plan.bases[name]
        if base in stages:
            stage = deepcopy(stages[base])
            stage.arguments = {}
            return stage
        repository = by_digest(instruction, base)
        if repository.rpartition("/")[2] != _BASE:
            raise instruction.refused(
                f"this machine's Python stands for the base image, so that it has to be a {_BASE} "
                "image; others are built by buildah, podman or docker"
            )
        python = platform.python_version()
        self._console.say(f" ---> this machine's Python {python} stands for {base}")
        stage = _Stage(base, "", Configuration())
        stage.chain = stage.grow(base, python)
        return stage

    def _arg(self, stage: _Stage, instruction: Instruction) -> None:
        known = {**self._plan.arguments, **stage.values}
        stage.arguments |= declared(instruction, known, self._asked.arguments)

    def _env(self, stage: _Stage, instruction: Instruction) -> None:
        found = pairs_of(instruction, stage.values)
        for name in _FIXED:
            if name in found:
                raise instruction.refused(f"a rootless build sets {name} to its environment's")
        stage.configuration.environment |= found

    def _label(self, stage: _Stage, instruction: Instruction) -> None:
        stage.configuration.labels |= pairs_of(instruction, stage.values)

    def _workdir(self, stage: _Stage, instruction: Instruction) -> None:
        words = words_of(instruction, stage.values)
        if len(words) != 1:
            raise instruction.refused("expected one folder")
        inside = placed(instruction, posixpath.join(stage.configuration.directory, words[0]))
        stage.configuration.directory = f"/{inside}"
        if inside not in stage.folders:
            entry = Entry(inside, 0o755, is_folder=True)
            self._add(stage, stage.grow("WORKDIR", inside), lambda: [entry])
            stage.folders.add(inside)

    def _stop_signal(self, stage: _Stage, instruction: Instruction) -> None:
        stage.configuration.stop_signal = " ".join(words_of(instruction, stage.values))

    def _expose(self, stage: _Stage, instruction: Instruction) -> None:
        for word in words_of(instruction, stage.values):
            stage.configuration.ports.add(word if "/" in word else f"{word}/tcp")

    def _entrypoint(self, stage: _Stage, instruction: Instruction) -> None:
        stage.configuration.entrypoint = _command_line(instruction)
        stage.configuration.command = ()

    def _command(self, stage: _Stage, instruction: Instruction) -> None:
        stage.configuration.command = _command_line(instruction)

    def _copy(self, stage: _Stage, instruction: Instruction) -> None:
        if "from" in instruction.flags:
            raise instruction.refused("a rootless build copies from the context only")
        words = words_of(instruction, stage.values)
        directory, context = stage.configuration.directory, self._asked.context
        entries = copied(instruction, words, context, directory, stage.folders.__contains__)
        stage.folders |= {entry.path for entry in entries if entry.is_folder}
        self._add(stage, stage.grow("COPY", digest_of_entries(entries)), lambda: entries)

    def _run(self, stage: _Stage, instruction: Instruction) -> None:
        text = instruction.text
        if instruction.words is None and self._locked(stage, instruction):
            return
        installs = instruction.words is None and locked.installs(text)
        words = instruction.words or ("/bin/sh", "-c", locked.by_module(text) if installs else text)
        key = stage.grow("RUN", words, stage.values, stage.configuration.directory)
        into = key[:16] if installs else ""
        is_there = not into or environments.find(self._cache, into) is not None
        self._add(stage, key, lambda: self._changed(stage, instruction, words, into), is_there)
        stage.environment = into or stage.environment

    def _locked(self, stage: _Stage, instruction: Instruction) -> bool:
        """Take the store's environment for a lock file that is the first to be installed."""
        name = locked.lock_file_of(instruction.text)
        if not name or stage.environment != locked.EMPTY:
            return False
        inside = PurePosixPath(stage.configuration.directory, name)
        # as the command sees it: a link of the image leads no further than the image
        file = within(self._materialized(stage), inside.parent) / inside.name
        if not file.is_file() or file.is_symlink():
            return False
        key = environments.key_of(file.read_bytes())
        if environments.find(self._cache, key) is None:
            self._install(stage, instruction, locked.installation(str(inside)), key, {})
        self._console.say(f" ---> Using the environment {key}, which is the lock file's")
        stage.environment, stage.chain = key, stage.grow("environment", key)
        return True

    def _changed(
        self, stage: _Stage, instruction: Instruction, words: tuple[str, ...], into: str
    ) -> list[Entry]:
        """Run a command; return what it changed among the image's files."""
        root = self._materialized(stage)
        before = snapshot(root)
        if into:
            self._install(stage, instruction, words, into, stage.values)
        else:
            asked = self._asked_of(stage, words, self._environment(stage))
            self._require_success(instruction, asked)
        return list(changes(root, before))

    def _install(
        self,
        stage: _Stage,
        instruction: Instruction,
        words: tuple[str, ...],
        key: str,
        variables: dict[str, str],
    ) -> None:
        """Run a command of pip's in a copy of the environment, which becomes one of the store."""
        before = self._environment(stage)

        def install(folder: Path) -> int:
            locked.copy_of(before, folder)
            asked = self._asked_of(stage, words, folder)
            self._require_success(instruction, replace(asked, variables=variables, writable=folder))
            locked.require_same_python(before, folder)
            return 0

        locked.made(self._cache, key, install)

    def _asked_of(self, stage: _Stage, words: tuple[str, ...], environment: Path) -> Run:
        directory = stage.configuration.directory
        if directory == "/" and self._isolation == "process":
            directory = "/opt/program"
        return Run(words, stage.values, directory, self._root, environment)

    def _require_success(self, instruction: Instruction, asked: Run) -> None:
        if status := run(asked, self._isolation, self._console):
            said = f'process "{" ".join(asked.words)}" did not complete successfully'
            raise BuildError(f"{instruction.place}: {said}: exit code: {status}")

    def _environment(self, stage: _Stage) -> Path:
        if stage.environment == locked.EMPTY:
            return locked.empty(self._cache, self._console)
        found = environments.find(self._cache, stage.environment)
        if found is None:
            raise BuildError(f"the environment {stage.environment} is gone; build again")
        return found

    def _materialized(self, stage: _Stage) -> Path:
        """Return the folder with the stage's files."""
        if self._applied != stage.layers[: len(self._applied)]:
            shutil.rmtree(self._root)
            self._applied = []
        self._root.mkdir(exist_ok=True)
        for layer in stage.layers[len(self._applied) :]:
            allowance = Allowance(layer.digest, _MAX_BYTES)
            apply_layer(layer.path, self._root, allowance, ROOTLESS_FOLDERS)
            self._applied.append(layer)
        return self._root

    def _add(
        self,
        stage: _Stage,
        key: str,
        make: Callable[[], list[Entry]],
        is_usable: bool = True,
    ) -> None:
        """Add what a step changes, from what is kept or by doing it now."""
        step = None if self._asked.no_cache or not is_usable else self._kept.find(key)
        if step is None:
            step = self._kept.keep(key, make())
        else:
            self._console.say(" ---> Using cache")
        stage.chain = key
        stage.layers += [step.layer] if step.layer else []


def _command_line(instruction: Instruction) -> tuple[str, ...]:
    if instruction.words is not None:
        return instruction.words
    return ("/bin/sh", "-c", instruction.text)
