"""Which accesses a request needs: the table `accesses.toml`, filled in from the request."""

import itertools
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from local_account.authorization.documents import Access
from local_account.operations import Call

_TABLE = Path(__file__).with_name("accesses.toml")
_PLACEHOLDER = re.compile(r"\{([\w.\[\]]+)(?::(\w+))?(?:\|([^}]*))?\}")
_ALSO = re.compile(r"(?P<action>\S+) (?P<resource>\S+)(?: to (?P<to>\S+))?(?: if (?P<given>\S+))?")
_RULE_BUS = "default"
_PREFIXES = {"monitoring": "cloudwatch"}  # of actions, where requests are signed otherwise

Params = Mapping[str, Any]
Resolve = Callable[[str, str], str]
"""Called with a kind ("key", "role") and a name, returns what the table needs of it."""


@dataclass(frozen=True)
class _Service:
    """The table's entries of one service."""

    arn: str
    lowercase: bool
    free: frozenset[str]
    resources: Mapping[str, str]
    actions: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    also: Mapping[str, list[str]] = field(default_factory=dict)
    each: Mapping[str, str] = field(default_factory=dict)
    context: Mapping[str, str] = field(default_factory=dict)


class Accesses:
    """The accesses that requests of one account need."""

    def __init__(self, account_id: str, region: str, resolve: Resolve) -> None:
        self._account_id, self._region, self._resolve = account_id, region, resolve

    def of(self, call: Call) -> list[Access] | None:
        """Return the accesses of a request, or None where the table does not have it."""
        name = _PREFIXES.get(call.service, call.service)
        service = _table().get(name)
        if service is None:
            return None
        if call.operation in service.free:
            return []
        if several := service.each.get(call.operation):
            operation, path = several.split()
            calls = (
                Call(call.service, operation, {**call.params, **each})
                for each in _values(call.params, path)
            )
            return [access for each in calls for access in self.of(each) or ()]
        template = service.resources.get(call.operation)
        if template is None:
            return None
        context = _context(service, call.params)
        action = f"{name}:{_action(service, call)}"
        resources = list(self._resources(name, template, call.params)) or ["*"]
        accesses = [Access(action, each, context) for each in resources]
        for entry in service.also.get(call.operation, ()):
            accesses += self._also(name, entry, call.params, context)
        return accesses

    def _also(self, name: str, entry: str, params: Params, context: Any) -> Iterator[Access]:
        parts = _ALSO.fullmatch(entry)
        if parts is None:
            raise ValueError(f"{_TABLE.name}: {entry!r} is no access")
        if parts["given"] and not any(_values(params, parts["given"])):
            return
        if parts["to"]:
            context = {"iam:passedtoservice": (f"{parts['to']}.amazonaws.com",)}
        for resource in self._resources(name, parts["resource"], params):
            yield Access(parts["action"], resource, context)

    def _resources(self, name: str, template: str, params: Params) -> Iterator[str]:
        """Fill in a template, once for each value of a list in it."""
        if template == "*":
            yield template
            return
        service = _table()[name]
        account = {"account": self._account_id, **params}
        placeholders = list(_PLACEHOLDER.finditer(template))
        choices = [self._choices(account, *each.groups()) for each in placeholders]
        prefix = service.arn.format(account=self._account_id, region=self._region)
        for values in itertools.product(*choices):
            arn = next((value for value in values if value.startswith("arn:")), "")
            if arn and not template.startswith("arn:"):
                yield arn
                continue
            given = iter(values)
            filled = _PLACEHOLDER.sub(lambda _, given=given: next(given), template)  # type: ignore[misc]
            filled = filled.lower() if service.lowercase else filled
            yield filled if filled.startswith("arn:") else prefix + filled

    def _choices(
        self, params: Params, path: str, form: str | None, default: str | None
    ) -> list[str]:
        values = [str(each) for each in _values(params, path)]
        if form in ("key", "role"):
            return [self._resolve(form, value) for value in values]
        if form is not None:
            values = [_FORMS[form](value) for value in values or [""]]
        return values or ([] if default is None else [default])


def _parameter(value: str) -> str:
    """Return the name of a parameter, without the version or the label that is asked for."""
    if value.startswith("arn:"):
        return ":".join(value.split(":")[:6])
    name = value.partition(":")[0]
    return name if name.startswith("/") else f"/{name}"


_FORMS: dict[str, Callable[[str], str]] = {
    "bus": lambda value: f"{value}/" if value not in ("", _RULE_BUS) else "",
    "leaf": lambda value: value.rpartition("/")[2],
    "qualifier": lambda value: f":{value}" if value else "",
    "parameter": _parameter,
    # of a project's or a build's name or ARN
    "project": lambda value: value.rpartition("/")[2].partition(":")[0],
}


def _action(service: _Service, call: Call) -> str:
    if call.params.get("VersionId") and call.operation in service.versions:
        return service.versions[call.operation]
    return service.actions.get(call.operation, call.operation)


def _values(params: Any, path: str) -> Iterator[Any]:
    """Yield the values at a path such as `Entries[].EventBusName`, those that are there."""
    name, _, rest = path.partition(".")
    value = params.get(name.removesuffix("[]")) if isinstance(params, Mapping) else None
    several = value if isinstance(value, list) else ()
    for each in several if name.endswith("[]") else (value,):
        if rest:
            yield from _values(each, rest)
        elif each is not None and each != "":
            yield each


def _context(service: _Service, params: Params) -> dict[str, tuple[str, ...]]:
    context = {}
    for key, member in service.context.items():
        prefix, slash, path = member.rpartition("/")
        context[key.lower()] = tuple(f"{prefix}{slash}{each}" for each in _values(params, path))
    tags = _tags(params.get("Tags") or params.get("tags") or {})
    context |= {f"aws:requesttag/{key.lower()}": (value,) for key, value in tags.items()}
    context["aws:tagkeys"] = tuple(tags)
    encrypted = params.get("EncryptionContext")
    if isinstance(encrypted, Mapping):
        context |= {f"kms:encryptioncontext:{k.lower()}": (str(v),) for k, v in encrypted.items()}
        context["kms:encryptioncontextkeys"] = tuple(encrypted)
    return {key: values for key, values in context.items() if values}


def _tags(tags: Any) -> dict[str, str]:
    """Return tags as a map, whether a service has a map or pairs of them."""
    if isinstance(tags, Mapping):
        return {str(key): str(value) for key, value in tags.items()}
    tags = [tag for tag in tags if isinstance(tag, Mapping)]
    pairs = [{name.lower(): str(text) for name, text in tag.items()} for tag in tags]
    return {pair["key"]: pair.get("value", "") for pair in pairs if "key" in pair}


@lru_cache
def _table() -> Mapping[str, _Service]:
    entries = tomllib.loads(_TABLE.read_text())
    return {name: _service(name, entry) for name, entry in entries.items()}


def _service(name: str, entry: dict[str, Any]) -> _Service:
    return _Service(
        entry.get("arn", f"arn:aws:{name}:{{region}}:{{account}}:"),
        entry.get("lowercase", False),
        frozenset(entry.get("free", "").split()),
        {op: template for template, ops in entry["resources"].items() for op in ops.split()},
        **{
            name: entry.get(name, {}) for name in ("actions", "versions", "also", "each", "context")
        },
    )
