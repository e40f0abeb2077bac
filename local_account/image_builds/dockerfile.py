"""Reads a Dockerfile: its instructions, each with the line where it begins."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_DIRECTIVE = re.compile(r"#\s*(\w+)\s*=\s*(\S+)")
_FLAG = re.compile(r"--([a-z]+)(?:=(\S*))?\s*")
_HEREDOC = re.compile(r"<<-?\s*['\"]?[A-Za-z_]")


class DockerfileError(Exception):
    """A Dockerfile cannot be built here; the message is one line that begins with its place."""


@dataclass(frozen=True)
class Instruction:
    """One instruction: `RUN --mount=... text` for example.

    Attributes
    ----------
    place : str
        The file's name and the line, as messages begin.
    words : tuple of str, or None
        What the text says in JSON form; None where it is for a shell.
    """

    place: str
    name: str
    text: str
    flags: dict[str, str] = field(default_factory=dict)
    words: tuple[str, ...] | None = None

    def __str__(self) -> str:
        flags = "".join(f"--{name}={value} " for name, value in self.flags.items())
        return f"{self.name} {flags}{self.text}"

    def refused(self, why: str) -> DockerfileError:
        """Return the error that names this instruction and says what is wrong with it."""
        return DockerfileError(f"{self.place}: {str(self)[:120]}: {why}")


def parse(text: str, file_name: str = "Dockerfile") -> list[Instruction]:
    """Return the instructions of a Dockerfile.

    Raises
    ------
    DockerfileError
        If it has none, or something that is not read here: a here-document, another escape.
    """
    found = [_instruction(f"{file_name}:{line}", text) for line, text in _lines(text, file_name)]
    if not found:
        raise DockerfileError(f"{file_name}:1: the file has no instructions; expected FROM")
    return found


def _lines(text: str, file_name: str) -> Iterator[tuple[int, str]]:
    """Yield logical lines and where they begin: continuations joined, comments left out."""
    joined, first, may_direct = "", 0, True
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip() if not joined else raw.rstrip()
        if line.lstrip().startswith("#"):
            directive = _DIRECTIVE.match(line) if may_direct else None
            if directive and directive[1].lower() == "escape" and directive[2] != "\\":
                found = f"the escape character {directive[2]}, expected a backslash"
                raise DockerfileError(f"{file_name}:{number}: {found}")
            continue
        may_direct = False
        if not line.strip():
            continue  # also within a continuation, as docker still does
        first = first or number
        if line.endswith("\\"):
            joined += line[:-1]
            continue
        yield first, joined + line
        joined, first = "", 0
    if joined:
        yield first, joined


def _instruction(place: str, line: str) -> Instruction:
    name, _, rest = line.strip().partition(" ")
    name, rest, flags = name.upper(), rest.strip(), {}
    if _HEREDOC.search(rest) and name in ("RUN", "COPY", "ADD"):
        raise DockerfileError(f"{place}: {name} has a here-document, which is not read here")
    while match := _FLAG.match(rest):
        flags[match[1]], rest = match[2] or "", rest[match.end() :]
    return Instruction(place, name, rest, flags, _words(rest))


def _words(text: str) -> tuple[str, ...] | None:
    try:
        words = json.loads(text) if text.startswith("[") else None
    except ValueError:  # a shell's test, `[ -f x ]`
        return None
    is_list = isinstance(words, list) and all(isinstance(word, str) for word in words)
    return tuple(words) if is_list and words is not None else None
