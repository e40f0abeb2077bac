"""How a callable of moto is replaced, and the guard on moto's version."""

import importlib
from collections.abc import Callable
from typing import Any

import moto

MOTO_VERSION = "5.2.5"
REPLACED: dict[str, Any] = {}
"""What was replaced, by name ("module:attribute.attribute"), as it was before."""


def replace(path: str, replacement: Callable[[Any], Any]) -> None:
    """Put `replacement(original)` where `path` ("module:attribute.attribute") names it."""
    module, _, attributes = path.partition(":")
    *owners, name = attributes.split(".")
    owner = importlib.import_module(module)
    for part in owners:
        owner = getattr(owner, part)
    original = REPLACED[path] = getattr(owner, name)
    setattr(owner, name, replacement(original))


def add(path: str, function: Callable[..., Any]) -> None:
    """Give a class of moto a method that it lacks.

    Raises
    ------
    AttributeError
        If it has one: the account's own is needless then.
    """
    module, _, attributes = path.partition(":")
    owner, _, name = attributes.partition(".")
    kind = getattr(importlib.import_module(module), owner)
    if hasattr(kind, name):
        raise AttributeError(f"moto has {path} itself: take the account's own away.")
    setattr(kind, name, function)


def require_version() -> None:
    """Refuse to run on a moto other than the one the hooks were written against.

    Raises
    ------
    SystemExit
        If another version is installed.
    """
    if moto.__version__ != MOTO_VERSION:
        raise SystemExit(
            f"moto {moto.__version__} is installed, but the embedded account is written "
            f"against moto {MOTO_VERSION}; run `make` again to install the locked version."
        )
