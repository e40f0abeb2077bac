"""What a buildspec says, version 0.2: read with its line numbers, and refused by line.

Source: https://docs.aws.amazon.com/codebuild/latest/userguide/build-spec-ref.html
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import yaml

PHASES = ("install", "pre_build", "build", "post_build")
MAX_BYTES = 1024**2
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_UNMODELLED = ("run-as", "proxy", "batch", "secrets-manager", "git-credential-helper")
# how CodeBuild's own parser words what ours finds
_WORDS = (
    (r"(mapping values are not allowed) here", r"\1 in this context"),
    (r"(found character) .* (that cannot start any token)", r"\1 \2"),
    (r"expected (',' or '[]}]').*", r"did not find expected \1"),
    (r"expected <block end>, but found '-'", "did not find expected '-' indicator"),
    (r"expected <block end>.*", "did not find expected key"),
)

_Value = TypeVar("_Value")


class BuildspecError(Exception):
    """A buildspec cannot be carried out; the message is one line."""


@dataclass(frozen=True)
class Phase:
    """The commands of a phase, and what becomes of the build when one of them fails."""

    commands: tuple[str, ...] = ()
    cleanup: tuple[str, ...] = ()
    """Those of `finally`."""
    on_failure: str = ""
    """ABORT, CONTINUE, or nothing: as the phase's place in the build has it."""


@dataclass(frozen=True)
class Artifact:
    """Which files of the build are kept, and how they are called."""

    files: tuple[str, ...]
    base_directory: str = "."
    discard_paths: bool = False
    name: str = ""


@dataclass(frozen=True)
class Buildspec:
    """A buildspec; what it does not say has its default."""

    shell: str = "sh"
    variables: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)
    exported: tuple[str, ...] = ()
    phases: Mapping[str, Phase] = field(default_factory=dict)
    runtimes: Mapping[str, str] = field(default_factory=dict)
    artifact: Artifact | None = None
    secondary_artifacts: Mapping[str, Artifact] = field(default_factory=dict)
    cache_paths: tuple[str, ...] = ()
    reports: tuple[str, ...] = ()


def parse(text: str) -> Buildspec:
    """Read a buildspec.

    Raises
    ------
    BuildspecError
        If it is no YAML, lacks something, or has what is not known or not modelled.
    """
    if len(text) > MAX_BYTES:
        raise BuildspecError(f"the buildspec has {len(text)} characters, at most {MAX_BYTES}")
    try:
        root = yaml.compose(text, yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        raise BuildspecError(_worded(error)) from error
    except yaml.YAMLError as error:  # a character that no YAML has
        raise BuildspecError(" ".join(str(error).split())) from error
    except RecursionError as error:
        raise BuildspecError("the buildspec is nested too deeply") from error
    if root is None:
        raise BuildspecError("the buildspec is empty")
    known = ("version", "env", "phases", "artifacts", "cache", "reports")
    top = _mapping(root, "the buildspec", known)
    _require_version(top, root)
    if "phases" not in top:
        raise BuildspecError(f"phases is missing, expected at least one of {', '.join(PHASES)}")
    phases = _mapping(top["phases"], "phases", PHASES)
    return Buildspec(
        **_env(top.get("env")),
        phases={name: _phase(name, node) for name, node in phases.items()},
        runtimes=_runtimes(phases.get("install")),
        **_artifacts(top.get("artifacts")),
        cache_paths=_cache(top.get("cache")),
        reports=tuple(_mapping(top["reports"], "reports")) if "reports" in top else (),
    )


def _worded(error: yaml.MarkedYAMLError) -> str:
    found = " ".join(str(error.problem or error.context).split())
    for ours, theirs in _WORDS:
        if re.fullmatch(ours, found):
            found = re.sub(ours, theirs, found)
            break
    mark = error.problem_mark or error.context_mark
    return f"{found} at line {mark.line + 1}" if mark else found


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _kind(node: yaml.Node) -> str:
    if isinstance(node, yaml.MappingNode):
        return "subkeys"
    if isinstance(node, yaml.SequenceNode):
        return "a sequence"
    return "a string" if node.value else "nothing"


def _mismatch(what: str, kind: str, node: yaml.Node) -> BuildspecError:
    line = _line(node)
    message = f"Expected {what} to be of {kind} type: found {_kind(node)} instead at line {line}"
    if isinstance(node, yaml.MappingNode) and kind == "string":
        message += f", value of the key tag on line {max(line - 1, 1)} might be empty"
    return BuildspecError(message)


def _mapping(
    node: yaml.Node, what: str, known: tuple[str, ...] | None = None
) -> dict[str, yaml.Node]:
    """Return the members of a mapping, each of which is there once and known."""
    if not isinstance(node, yaml.MappingNode):
        raise _mismatch(what, "mapping", node)
    found: dict[str, yaml.Node] = {}
    lines: dict[str, int] = {}
    for key, value in node.value:
        name, line = _text(key, f"a key of {what}"), _line(key)
        if name in found:
            first = lines[name]
            raise BuildspecError(
                f'mapping key "{name}" at line {line} already defined at line {first}'
            )
        if known is not None and name not in known:
            raise BuildspecError(_unknown(name, line, what, known))
        found[name], lines[name] = value, line
    return found


def _unknown(name: str, line: int, what: str, known: tuple[str, ...]) -> str:
    if name in _UNMODELLED:
        return f"The embedded account does not model {name} at line {line}; leave it out"
    return f"unknown key {name} of {what} at line {line}, expected one of {', '.join(known)}"


def _text(node: yaml.Node, what: str) -> str:
    if not isinstance(node, yaml.ScalarNode):
        raise _mismatch(what, "string", node)
    return str(node.value)


def _texts(node: yaml.Node, what: str) -> tuple[str, ...]:
    if not isinstance(node, yaml.SequenceNode):
        raise _mismatch(what, "sequence", node)
    return tuple(_text(each, f"{what}[{number}]") for number, each in enumerate(node.value))


def _named(node: yaml.Node, what: str) -> dict[str, str]:
    """Return variables by name, as they are written: `1.10` stays that."""
    members = _mapping(node, what)
    for name, value in members.items():
        _require_name(name, value, what)
    return {name: _text(value, f"{what}/{name}") for name, value in members.items()}


def _require_name(name: str, node: yaml.Node, what: str) -> None:
    if not _NAME.fullmatch(name):
        expected = "expected letters, digits and underscores"
        raise BuildspecError(f"{what} has the name {name!r} at line {_line(node)}, {expected}")


def _one_of(node: yaml.Node, what: str, choices: Mapping[str, _Value]) -> _Value:
    value = _text(node, what)
    if value not in choices:
        expected = f"expected one of {', '.join(choices)}"
        raise BuildspecError(f"{what} is {value!r} at line {_line(node)}, {expected}")
    return choices[value]


def _require_version(top: Mapping[str, yaml.Node], root: yaml.Node) -> None:
    if "version" not in top:
        raise BuildspecError(f"version is missing at line {_line(root)}, expected 0.2")
    _one_of(top["version"], "version", {"0.2": None})


def _env(node: yaml.Node | None) -> dict[str, Any]:
    if node is None:
        return {}
    known = ("shell", "variables", "parameter-store", "exported-variables")
    members = _mapping(node, "env", known)
    shells = {"bash": "bash", "/bin/sh": "sh", "sh": "sh"}
    read: dict[str, tuple[str, Callable[[yaml.Node], Any]]] = {
        "shell": ("shell", lambda node: _one_of(node, "env/shell", shells)),
        "variables": ("variables", lambda node: _named(node, "env/variables")),
        "parameter-store": ("parameters", lambda node: _named(node, "env/parameter-store")),
        "exported-variables": ("exported", _exported),
    }
    return {read[name][0]: read[name][1](member) for name, member in members.items()}


def _exported(node: yaml.Node) -> tuple[str, ...]:
    names = _texts(node, "env/exported-variables")
    for name, each in zip(names, node.value, strict=True):
        _require_name(name, each, "env/exported-variables")
    return names


def _phase(name: str, node: yaml.Node) -> Phase:
    known = ("commands", "finally", "on-failure")
    members = _mapping(node, name, (*known, "runtime-versions") if name == "install" else known)
    if not {"commands", "runtime-versions"} & members.keys():
        raise BuildspecError(f"phases/{name} at line {_line(node)} has no commands")
    choices = {"ABORT": "ABORT", "CONTINUE": "CONTINUE"}
    failing = members.get("on-failure")
    return Phase(
        _texts(members["commands"], "Commands") if "commands" in members else (),
        _texts(members["finally"], "Finally") if "finally" in members else (),
        _one_of(failing, "on-failure", choices) if failing else "",
    )


def _runtimes(install: yaml.Node | None) -> dict[str, str]:
    node = _mapping(install, "install").get("runtime-versions") if install else None
    return _named(node, "runtime-versions") if node else {}


def _artifacts(node: yaml.Node | None) -> dict[str, Any]:
    if node is None:
        return {}
    members = _mapping(node, "artifacts", (*_ARTIFACT, "secondary-artifacts"))
    several = members.pop("secondary-artifacts", None)
    secondary = _mapping(several, "secondary-artifacts") if several else {}
    return {
        "artifact": _artifact("artifacts", node, members) if members or not secondary else None,
        "secondary_artifacts": {
            name: _artifact(name, each, _mapping(each, name, _ARTIFACT))
            for name, each in secondary.items()
        },
    }


_ARTIFACT = ("files", "base-directory", "discard-paths", "name")
_TRUTH = {
    **dict.fromkeys(("yes", "Yes", "true", "True", "on"), True),
    **dict.fromkeys(("no", "No", "false", "False", "off"), False),
}


def _artifact(what: str, node: yaml.Node, members: Mapping[str, yaml.Node]) -> Artifact:
    if "files" not in members:
        raise BuildspecError(f"{what} at line {_line(node)} has no files")
    discard, base, name = (
        members.get(each) for each in ("discard-paths", "base-directory", "name")
    )
    return Artifact(
        _texts(members["files"], "files"),
        _text(base, "base-directory") if base else ".",
        _one_of(discard, "discard-paths", _TRUTH) if discard else False,
        _text(name, "name") if name else "",
    )


def _cache(node: yaml.Node | None) -> tuple[str, ...]:
    if node is None:
        return ()
    members = _mapping(node, "cache", ("paths",))
    return _texts(members["paths"], "cache/paths") if "paths" in members else ()
