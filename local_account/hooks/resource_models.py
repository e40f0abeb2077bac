"""CloudFormation: the classes under which moto finds the account's own resource types."""

from typing import Any

from local_account.service import Account
from local_account.services.cloudformation import ResourceType

_LONGEST_NAME = 63  # of a generated name; what AWS allows differs by type


def resource_model(type_name: str, kind: ResourceType, account: Account) -> type:
    """Make the class under which moto finds a resource type of the account's own."""
    from moto.core.common_models import CloudFormationModel

    class Resource(CloudFormationModel):
        def __init__(self, name: str, properties: dict[str, Any]) -> None:
            self.name, self.properties = name, properties
            created = kind.create(account, name, properties)
            self.physical_resource_id, self.attributes = created.physical_id, created.attributes

        @staticmethod
        def cloudformation_name_type() -> str:
            return kind.name_property

        @staticmethod
        def cloudformation_type() -> str:
            return type_name

        @classmethod
        def has_cfn_attr(cls, attr: str) -> bool:
            return attr in kind.attributes

        def get_cfn_attribute(self, attribute: str) -> str:
            return self.attributes[attribute]

        @classmethod
        def create_from_cloudformation_json(
            cls, name: str, template: dict[str, Any], *_: Any, **__: Any
        ) -> "Resource":
            return cls(*_named(kind, name, template["Properties"]))

        @classmethod
        def update_from_cloudformation_json(
            cls,
            original_resource: Any,
            new_resource_name: str,
            cloudformation_json: dict[str, Any],
            **_: Any,
        ) -> "Resource":
            former: Resource = original_resource
            wanted = cloudformation_json["Properties"]
            named = {kind.name_property: former.name} if kind.name_property else {}
            properties = {**named, **wanted}
            if any(former.properties.get(key) != properties.get(key) for key in kind.replaced_by):
                replacement = cls(*_named(kind, new_resource_name, wanted))
                former.delete()
                return replacement
            if kind.update is None:
                return cls(former.name, properties)
            kind.update(account, former.physical_resource_id, properties)
            former.properties = properties
            return former

        def delete(self, *_: Any) -> None:
            kind.delete(account, self.physical_resource_id, self.properties)

    return Resource


def _named(
    kind: ResourceType, generated: str, properties: dict[str, Any]
) -> tuple[str, dict[str, Any]]:
    """Return a resource's name, a generated one if it has none, and its properties with it."""
    if len(generated) > _LONGEST_NAME:  # the random end tells resources apart
        generated = f"{generated[: _LONGEST_NAME - 13]}{generated[-13:]}"
    if not kind.name_property:
        return generated, properties
    name = properties.get(kind.name_property, generated)
    return name, {**properties, kind.name_property: name}
