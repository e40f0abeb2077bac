"""Splits an instruction's text into words and puts variables in, as docker does, not as a shell."""

import re
from collections.abc import Mapping

from local_account.image_builds.dockerfile import Instruction

_TOKEN = re.compile(
    r"\\(?P<escaped>.)|(?P<quote>['\"])|\$\{(?P<braced>[^}]*)\}|\$(?P<plain>\w+)|(?P<other>.)",
    re.DOTALL,
)
_BRACED = re.compile(r"(?P<name>\w+)(?::(?P<kind>[-+])(?P<word>[^{}]*))?")


def words_of(instruction: Instruction, values: Mapping[str, str]) -> list[str]:
    """Return the words of an instruction, variables replaced and quotes removed.

    Raises
    ------
    DockerfileError
        If a quote is not closed, or a variable has another form than `$x`, `${x}`, `${x:-y}` and
        `${x:+y}`.
    """
    if instruction.words is not None:
        return [_value(instruction, word, values) for word in instruction.words]
    return _split(instruction, instruction.text, values)


def _split(instruction: Instruction, text: str, values: Mapping[str, str]) -> list[str]:
    words: list[str] = []
    word, quote = None, ""
    for match in _TOKEN.finditer(text):
        kind, found = str(match.lastgroup), match[match.lastgroup or 0]
        if quote == "'" and found != "'":
            piece = match[0]
        elif kind == "quote" and quote in ("", found):
            quote, piece = "" if quote else found, ""
        elif kind == "other" and found.isspace() and not quote:
            words += [] if word is None else [word]
            word = None
            continue
        else:
            piece = _piece(instruction, kind, found, values)
        word = (word or "") + piece
    if quote:
        raise instruction.refused(f"a {quote} is not closed")
    return words if word is None else [*words, word]


def _piece(instruction: Instruction, kind: str, found: str, values: Mapping[str, str]) -> str:
    if kind == "plain":
        return values.get(found, "")
    if kind != "braced":
        return found
    parsed = _BRACED.fullmatch(found)
    if parsed is None:
        raise instruction.refused(f"${{{found}}} is a form of variable that is not read here")
    value, word = values.get(parsed["name"], ""), parsed["word"] or ""
    if parsed["kind"] == "-":
        return value or _value(instruction, word, values)
    if parsed["kind"] == "+":
        return _value(instruction, word, values) if value else ""
    return value


def _value(instruction: Instruction, text: str, values: Mapping[str, str]) -> str:
    """Return a text with its variables replaced, in one piece."""
    return "".join(
        _piece(instruction, str(match.lastgroup), match[match.lastgroup or 0], values)
        for match in _TOKEN.finditer(text)
    )


def pairs_of(instruction: Instruction, values: Mapping[str, str]) -> dict[str, str]:
    """Return the names and values of ENV or LABEL, also in the old form `ENV name value`."""
    words = words_of(instruction, values)
    if words and "=" not in words[0]:
        words = [f"{words[0]}={' '.join(words[1:])}"] if len(words) > 1 else []
    if not words or not all("=" in word for word in words):
        raise instruction.refused("expected name=value")
    return {name: value for name, _, value in (word.partition("=") for word in words)}
