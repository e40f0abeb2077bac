"""Policy documents: statements, and whether one of them is about an access."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from local_account.authorization.conditions import Condition, PolicyError, condition
from local_account.authorization.patterns import Context, like, like_resource, resolved
from local_account.authorization.principals import Named, Principal, listed

_WITH_VARIABLES = "2012-10-17"  # before this version they were ordinary text
_EFFECTS = ("Allow", "Deny")
_ELEMENTS = {
    *("Sid", "Effect", "Condition"),
    *("Action", "NotAction", "Resource", "NotResource", "Principal", "NotPrincipal"),
}


@dataclass(frozen=True)
class Access:
    """One action on one resource, with the condition keys that only this access has."""

    action: str
    resource: str
    context: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Statement:
    """One statement of a policy; `index` counts from 0 within its document."""

    index: int
    allows: bool
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    conditions: tuple[Condition, ...]
    not_actions: bool = False
    not_resources: bool = False
    principal: Any = None
    not_principal: bool = False

    def is_about(self, access: Access, context: Context) -> bool:
        """Tell whether action, resource and conditions of the statement are an access's."""
        return (
            self._names_action(access.action.lower()) != self.not_actions
            and self._names_resource(access.resource, context) != self.not_resources
            and all(each.holds(context) for each in self.conditions)
        )

    def names(self, principal: Principal, account_id: str) -> Named:
        """Tell how the statement of a resource's policy names a principal."""
        named = principal.named(self.principal, account_id)
        if not self.not_principal:
            return named
        return Named.NOT if named else Named.ITSELF

    def _names_action(self, action: str) -> bool:
        return any(like(each).fullmatch(action) for each in self.actions)

    def _names_resource(self, resource: str, context: Context) -> bool:
        resources = (resolved(each, context) for each in self.resources)
        return any(each and like_resource(each).fullmatch(resource) for each in resources)


@lru_cache(maxsize=4096)
def statements(document: str) -> tuple[Statement, ...]:
    """Read a policy.

    Raises
    ------
    PolicyError
        If it is none, or has an element or an operator that is not known.
    """
    try:
        if json.loads(document).get("Version") != _WITH_VARIABLES:
            document = document.replace("${", "${$}{")
        found = json.loads(document)["Statement"]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise PolicyError(f"it is no policy document: {error!r}") from error
    entries = found if isinstance(found, list) else [found]
    return tuple(_statement(index, entry) for index, entry in enumerate(entries))


def _statement(index: int, entry: dict[str, Any]) -> Statement:
    if unknown := set(entry) - _ELEMENTS:
        raise PolicyError(f"statement {index} has the unknown element {min(unknown)}")
    if entry.get("Effect") not in _EFFECTS:
        raise PolicyError(f"statement {index} has the effect {entry.get('Effect')!r}")
    return Statement(
        index,
        entry["Effect"] == "Allow",
        tuple(each.lower() for each in _either(entry, "Action")),
        _either(entry, "Resource") or ("*",),  # the policy's own resource
        tuple(_conditions(entry.get("Condition", {}))),
        "NotAction" in entry,
        "NotResource" in entry,
        entry.get("Principal", entry.get("NotPrincipal")),
        "NotPrincipal" in entry,
    )


def _either(entry: dict[str, Any], name: str) -> tuple[str, ...]:
    value = entry.get(name, entry.get(f"Not{name}"))
    return () if value is None else listed(value)


def _conditions(element: dict[str, dict[str, Any]]) -> list[Condition]:
    return [
        condition(name, key, listed(values))
        for name, keys in element.items()
        for key, values in keys.items()
    ]
