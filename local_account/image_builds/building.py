"""What a build is asked for, and what both kinds of builders agree on."""

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from local_account.image_builds.console import Console
from local_account.image_builds.dockerfile import DockerfileError, Instruction, parse
from local_account.image_builds.documents import BuiltImage
from local_account.image_builds.substitution import words_of

EPOCH_ARGUMENT = "SOURCE_DATE_EPOCH"
_PLATFORM = re.compile(r"linux/(amd64|arm64)")
_BY_DIGEST = re.compile(r"(?P<name>[^@\s]+?)(?::(?P<tag>[\w.-]+))?@sha256:[0-9a-f]{64}")


@dataclass(frozen=True)
class Asked:
    """One `docker build`."""

    context: Path
    dockerfile: str
    name: str = "Dockerfile"
    target: str = ""
    arguments: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    platform: str = ""
    no_cache: bool = False

    @property
    def scratch(self) -> Path:
        """Return where a build keeps what it needs meanwhile: beside its context."""
        return self.context.parent

    @property
    def architecture(self) -> str:
        """Return the processor that the image is for.

        Raises
        ------
        DockerfileError
            If it is none that SageMaker has.
        """
        if not self.platform:
            return {"aarch64": "arm64", "arm64": "arm64"}.get(os.uname().machine, "amd64")
        match = _PLATFORM.fullmatch(self.platform)
        if match is None:
            found = f"--platform {self.platform}"
            raise DockerfileError(f"{found}: expected linux/amd64 or linux/arm64")
        return match[1]

    @property
    def epoch(self) -> int:
        """Return the time that the image is said to be made at: not the clock's."""
        text = self.arguments.get(EPOCH_ARGUMENT, "0")
        if not text.isdecimal():
            raise DockerfileError(f"--build-arg {EPOCH_ARGUMENT}={text}: expected seconds")
        return int(text)


class Builder(Protocol):
    """What makes an image of a Dockerfile and its context."""

    name: str

    def build(self, asked: Asked, console: Console) -> BuiltImage:
        """Build, showing what is done."""


@dataclass(frozen=True)
class Plan:
    """The instructions of the stages that a target needs, in their order.

    Attributes
    ----------
    arguments : dict of str
        The values of the ARGs before the first FROM.
    bases : dict of str
        What each stage is built from, by the stage's name: a reference, or another stage.
    """

    arguments: dict[str, str]
    stages: dict[str, list[Instruction]]
    bases: dict[str, str]

    @property
    def target(self) -> str:
        """Return the name of the last stage, which is the image."""
        return list(self.stages)[-1]

    def base_images(self) -> list[str]:
        """Return the images that have to be there."""
        return [base for base in self.bases.values() if base not in self.stages]


def planned(asked: Asked) -> Plan:
    """Return what has to be done for the target.

    Raises
    ------
    DockerfileError
        If the Dockerfile cannot be read, or has no such target.
    """
    instructions, arguments = parse(asked.dockerfile, asked.name), dict[str, str]()
    stages: dict[str, list[Instruction]] = {}
    bases: dict[str, str] = {}
    for instruction in instructions:
        if instruction.name == "FROM":
            base, name = _from(instruction, arguments, len(stages))
            stages[name], bases[name] = [instruction], base
        elif stages:
            list(stages.values())[-1].append(instruction)
        elif instruction.name == "ARG":
            arguments |= declared(instruction, arguments, asked.arguments)
        else:
            raise instruction.refused("expected ARG or FROM as the first instruction")
    return Plan(arguments, *_needed(asked, stages, bases))


def _needed(
    asked: Asked, stages: dict[str, list[Instruction]], bases: dict[str, str]
) -> tuple[dict[str, list[Instruction]], dict[str, str]]:
    names = list(stages)
    if not names or (asked.target and asked.target.lower() not in names):
        found = f"the target stage {asked.target!r} could not be found, expected one of {names}"
        raise DockerfileError(f"{asked.name}:1: {found}")
    name = asked.target.lower() or names[-1]
    wanted = [name]
    while bases[name] in names[: names.index(name)]:
        name = bases[name]
        wanted.insert(0, name)
    return {name: stages[name] for name in wanted}, {name: bases[name] for name in wanted}


def _from(instruction: Instruction, arguments: dict[str, str], number: int) -> tuple[str, str]:
    words = words_of(instruction, arguments)
    is_named = len(words) == 3 and words[1].lower() == "as"
    if instruction.flags:
        raise instruction.refused("options of FROM are not modelled")
    if not words or not words[0] or words[0].lower() == "as":
        raise instruction.refused("base name should not be blank: give its --build-arg")
    if len(words) != 1 and not is_named:
        raise instruction.refused("expected FROM image or FROM image AS stage")
    return words[0], words[2].lower() if is_named else str(number)


def declared(
    instruction: Instruction, known: dict[str, str], given: dict[str, str]
) -> dict[str, str]:
    """Return what ARG declares: the value of the build, its default, or nothing."""
    found: dict[str, str] = {}
    for word in words_of(instruction, known):
        name, equals, default = word.partition("=")
        if name in given:
            found[name] = given[name]
        elif equals:
            found[name] = default
        elif name in known:
            found[name] = known[name]
    return found


def by_digest(instruction: Instruction, reference: str) -> str:
    """Return the repository of a base image that is named by its digest.

    Raises
    ------
    DockerfileError
        If it is not: tomorrow a tag may be another image.
    """
    match = _BY_DIGEST.fullmatch(reference)
    if match is None:
        raise instruction.refused(
            f"{reference} names no digest, so that it may be another image tomorrow; expected "
            "name:tag@sha256:<64 hex>"
        )
    return match["name"]
