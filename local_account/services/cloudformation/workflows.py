"""CloudFormation: state machines."""

from typing import Any

from local_account.service import Account
from local_account.services.cloudformation.resource_type import (
    Created,
    Properties,
    ResourceType,
    deletes,
    lower_names,
    request,
    retag,
    text,
)

_DEFINITION = (
    *("Definition", "DefinitionString", "DefinitionS3Location", "DefinitionSubstitutions"),
    *("StateMachineName", "StateMachineType", "Tags"),
)
_CHANGED = ("definition", "roleArn", "loggingConfiguration", "tracingConfiguration")


def _definition(account: Account, properties: Properties) -> str:
    """Return the ASL of a state machine resource, wherever the template keeps it."""
    if location := properties.get("DefinitionS3Location"):
        answer = account.client("s3").get_object(Bucket=location["Bucket"], Key=location["Key"])
        definition = answer["Body"].read().decode()
    else:
        definition = text(properties.get("Definition") or properties["DefinitionString"])
    for name, value in properties.get("DefinitionSubstitutions", {}).items():
        definition = definition.replace(f"${{{name}}}", str(value))
    return str(definition)


def _parameters(account: Account, properties: Properties) -> dict[str, Any]:
    given = {
        "definition": _definition(account, properties),
        "type": properties.get("StateMachineType", "STANDARD"),
        **lower_names({k: v for k, v in properties.items() if k not in _DEFINITION}),
    }
    return request(account, "stepfunctions", "CreateStateMachine", given)


def _create(account: Account, name: str, properties: Properties) -> Created:
    client, wanted = account.client("stepfunctions"), _parameters(account, properties)
    arn = client.create_state_machine(name=name, **wanted)["stateMachineArn"]
    return Created(arn, {"Arn": arn, "Name": name})


def _update(account: Account, arn: str, properties: Properties, former: Properties) -> None:
    wanted = _parameters(account, properties)
    off: dict[str, Any] = {
        "loggingConfiguration": {"level": "OFF"},
        "tracingConfiguration": {"enabled": False},
    }
    changes = {name: value for name, value in {**off, **wanted}.items() if name in _CHANGED}
    account.client("stepfunctions").update_state_machine(stateMachineArn=arn, **changes)


def _tag(account: Account, arn: str, properties: Properties, former: Properties) -> None:
    client = account.client("stepfunctions")
    retag(client, properties, former, resourceArn=arn)


RESOURCE_TYPES = {
    "AWS::StepFunctions::StateMachine": ResourceType(
        _create,
        deletes("stepfunctions", "delete_state_machine", "stateMachineArn"),
        _update,
        _tag,
        name_property="StateMachineName",
        attributes=frozenset({"Arn", "Name"}),
        replaced_by=frozenset({"StateMachineName", "StateMachineType"}),
    ),
}
