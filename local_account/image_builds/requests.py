"""What a client may ask of a daemon: anybody in a privileged build can write to its socket."""

from typing import Any

from local_account.image_builds.console import BuildError

Request = dict[str, Any]

_TEXTS, _PAIRS = list[str], dict[str, str]
_MEMBERS: dict[str, dict[str, Any]] = {
    "build": {
        **dict.fromkeys(("dockerfile", "name", "target", "platform"), str),
        **dict.fromkeys(("arguments", "labels"), _PAIRS),
        **dict.fromkeys(("no_cache", "quiet"), bool),
        "tags": _TEXTS,
    },
    "login": {"registry": str, "auth": str},
    "push": {"reference": str, "auth": str, "quiet": bool},
    "tag": {"source": str, "target": str},
    "images": {"quiet": bool},
    "inspect": {"references": _TEXTS, "format": str},
    "info": {},
    "version": {},
}


def checked(request: Any) -> Request:
    """Return a request that has what its command needs.

    Raises
    ------
    BuildError
        If it is of no known command, or a member of it is of another type.
    """
    if not isinstance(request, dict) or not isinstance(request.get("command"), str):
        raise BuildError("the request is no command, expected an object with a command")
    command = request["command"]
    if command not in _MEMBERS:
        raise BuildError(f"the daemon does not know {command!r}")
    for name, kind in _MEMBERS[command].items():
        if not _is(request.get(name), kind):
            raise BuildError(f"{command}: {name} is {request.get(name)!r:.80}, expected {kind}")
    return request


def _is(value: Any, kind: Any) -> bool:
    if kind == _TEXTS:
        return isinstance(value, list) and all(isinstance(each, str) for each in value)
    if kind == _PAIRS:
        return isinstance(value, dict) and all(isinstance(each, str) for each in value.values())
    return isinstance(value, kind)
