"""What a CloudFormation resource type is here: calls to the account's own APIs."""

import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from botocore import xform_name
from botocore.exceptions import ClientError

from local_account import parity
from local_account.service import Account

Properties = dict[str, Any]
Update = Callable[[Account, str, Properties, Properties], object]

_GONE = (
    *("NotFound", "ResourceNotFound", "ResourceNotFoundException", "NotFoundException"),
    *("NoSuchBucket", "NoSuchEntity", "AWS.SimpleQueueService.NonExistentQueue"),
)


@dataclass(frozen=True)
class Created:
    """A resource: what `Ref` gives, and what `Fn::GetAtt` gives by name."""

    physical_id: str
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ResourceType:
    """How a resource type is created, updated, replaced and deleted.

    Attributes
    ----------
    create
        Called with the account, the name (the template's or a generated one) and the
        properties.
    delete
        Called with the account, the physical id and the properties. What is gone
        already counts as deleted.
    update
        Called like `delete` and with the former properties, to change what `create` sets;
        with none of them where nobody knows which are in force.
    configure
        Called after `create` (the former properties are none then) and after `update`, to
        set the rest; what the former properties have and the new ones lack gets its default.
    name_property
        The property that holds the resource's name, if it has one.
    attributes
        The names that `Fn::GetAtt` can ask for.
    replaced_by
        The properties (nested ones with dots) whose change makes CloudFormation replace
        the resource.
    """

    create: Callable[[Account, str, Properties], Created]
    delete: Callable[[Account, str, Properties], object] = lambda account, physical_id, props: None
    update: Update | None = None
    configure: Update | None = None
    name_property: str = ""
    attributes: frozenset[str] = frozenset()
    replaced_by: frozenset[str] = frozenset()

    def replaces(self, before: Properties, after: Properties) -> bool:
        """Tell whether a change of properties makes CloudFormation replace the resource."""
        return any(_at(path, before) != _at(path, after) for path in self.replaced_by)


def _at(path: str, properties: Any) -> Any:
    for name in path.split("."):
        properties = properties.get(name) if isinstance(properties, dict) else None
    return properties


def delete_if_there(delete: Callable[[], object]) -> None:
    """Delete something; what is gone already is fine."""
    try:
        delete()
    except ClientError as error:
        if error.response["Error"]["Code"] not in _GONE:
            raise


def deletes(
    service: str, operation: str, parameter: str
) -> Callable[[Account, str, Properties], object]:
    """Return how a type is deleted by one call with its physical id."""

    def delete(account: Account, physical_id: str, _: Properties) -> None:
        call = getattr(account.client(service), operation)
        delete_if_there(lambda: call(**{parameter: physical_id}))

    return delete


def put_all(
    places: Iterable[Any],
    put: Callable[[Any], object],
    take_back: Callable[[Any], object],
) -> None:
    """Put something in all of several places, or in none of them."""
    with ExitStack() as undo:
        for place in places:
            put(place)
            undo.callback(take_back, place)
        undo.pop_all()


def truth(value: Any) -> bool:
    """Read a boolean, which templates write as a string too."""
    return str(value).lower() == "true"


def text(value: Any) -> str:
    """Write a value as the string that an API takes: documents and numbers as JSON."""
    return value if isinstance(value, str) else json.dumps(value)


def tags_of(properties: Properties) -> dict[str, str]:
    """Return the tags of a resource by key; templates list them, or have them as a mapping."""
    tags = properties.get("Tags", {})
    return tags if isinstance(tags, dict) else {tag["Key"]: tag["Value"] for tag in tags}


def retag(
    client: Any,
    properties: Properties,
    former: Properties,
    tag: str = "TagResource",
    untag: str = "UntagResource",
    **resource: str,
) -> None:
    """Make the tags of a resource those of its properties, with a service's two operations."""
    wanted, had = tags_of(properties), tags_of(former)
    if gone := sorted(had.keys() - wanted.keys()):
        name, _ = _member(client, untag, "tagkeys")
        getattr(client, xform_name(untag))(**resource, **{name: gone})
    if wanted:
        name, shape = _member(client, tag, "tags")
        tags: Any = wanted
        if shape.type_name == "list":
            key, value = sorted(shape.member.members)  # Key and Value, key and value, TagKey and …
            tags = [{key: each, value: wanted[each]} for each in wanted]
        getattr(client, xform_name(tag))(**resource, **{name: tags})


def _member(client: Any, operation: str, lower_name: str) -> tuple[str, Any]:
    shape = client.meta.service_model.operation_model(operation).input_shape
    ((name, member),) = (
        (name, member) for name, member in shape.members.items() if name.lower() == lower_name
    )
    return name, member


def lower_names(value: Any) -> Any:
    """Write the names of properties as APIs do that begin them in lower case."""
    if isinstance(value, dict):
        return {name[0].lower() + name[1:]: lower_names(member) for name, member in value.items()}
    return [lower_names(member) for member in value] if isinstance(value, list) else value


def with_stack_tags(type_name: str, properties: Properties, tags: Mapping[str, str]) -> Properties:
    """Return a resource's properties with its stack's tags, where the type has tags.

    The resource's own tag of a name goes before the stack's.
    """
    row = parity.resource_types().get(type_name, {}).get("Tags")
    if row is None or row.level == parity.NO_EFFECT or not tags:
        return properties
    own = properties.get("Tags", [])
    if isinstance(own, dict):
        return {**properties, "Tags": {**tags, **own}}
    named = {tag["Key"] for tag in own}
    more = [{"Key": key, "Value": value} for key, value in tags.items() if key not in named]
    return {**properties, "Tags": [*own, *more]}


class Unchangeable(Exception):
    """A property cannot be changed; nothing of the resource has been."""


def refuse_changes(properties: Properties, former: Properties, *names: str) -> None:
    """Refuse to change properties that are set once, before anything else is changed.

    Raises
    ------
    Unchangeable
        If one of them differs.
    """
    for name in names if former else ():
        if properties.get(name) != former.get(name):
            what = f"The property {name} cannot be changed once the resource is there."
            raise Unchangeable(what)


def request(
    account: Account,
    service: str,
    operation: str,
    properties: Properties,
    *,
    without: tuple[str, ...] = (),
) -> dict[str, Any]:
    """Turn properties into an operation's parameters: the names are the same, types may differ.

    Raises
    ------
    ValueError
        If the operation has no such parameter.
    """
    model = account.client(service).meta.service_model.operation_model(operation)
    given = {name: value for name, value in properties.items() if name not in without}
    parameters: dict[str, Any] = _converted(given, model.input_shape, f"{service} {operation}")
    return parameters


def _converted(value: Any, shape: Any, path: str) -> Any:
    kind = shape.type_name
    if kind == "structure":
        if unknown := sorted(set(value) - set(shape.members)):
            found = ", ".join(unknown)
            raise ValueError(f"The embedded account does not model the property {found} ({path}).")
        return {
            name: _converted(member, shape.members[name], f"{path}.{name}")
            for name, member in value.items()
        }
    if kind == "list":
        return [_converted(member, shape.member, path) for member in value]
    if kind == "map":
        return {key: _converted(member, shape.value, path) for key, member in value.items()}
    converters: dict[str, Callable[[Any], Any]] = {
        "string": text,
        "boolean": truth,
        "integer": int,
        "long": int,
        "float": float,
        "double": float,
    }
    return converters.get(kind, lambda same: same)(value)
