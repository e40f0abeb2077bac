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


def _nothing(*_: Any) -> None:
    """Leave a resource as it is."""


def extend_resource(
    model: str,
    *,
    before: Callable[[dict[str, Any]], object] = _nothing,
    after: Callable[[Any, dict[str, Any]], object] = _nothing,
) -> None:
    """Do more when CloudFormation creates or updates a resource.

    Parameters
    ----------
    model
        The resource's class in moto ("module:Class").
    before
        Called with the resource's properties, which it may change.
    after
        Called with the resource and its properties.
    """

    def extended(original: Any) -> Any:
        def apply(cls: Any, *args: Any, **kw: Any) -> Any:
            template = kw.get("cloudformation_json") or args[1]
            properties = template.get("Properties", {})
            before(properties)
            resource = original.__func__(cls, *args, **kw)
            after(resource, properties)
            return resource

        return classmethod(apply)

    for verb in ("create", "update"):
        replace(f"{model}.{verb}_from_cloudformation_json", extended)


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
