"""CloudFormation: pipelines."""

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
    truth,
)

_NOT_DEFINITION = ("RestartExecutionOnUpdate", "Tags")


def _declaration(account: Account, name: str, properties: Properties) -> dict[str, Any]:
    """Return a pipeline as the API takes it; the names in a configuration stay as they are."""
    given = {key: value for key, value in properties.items() if key not in _NOT_DEFINITION}
    stages = [
        {**stage, "Actions": [_action(each) for each in stage["Actions"]]}
        for stage in given["Stages"]
    ]
    pipeline = {**lower_names({**given, "Stages": stages}), "name": name}
    for stage, declared in zip(pipeline["stages"], given["Stages"], strict=True):
        for action, each in zip(stage["actions"], declared["Actions"], strict=True):
            if "Configuration" in each:
                action["configuration"] = {
                    key: text(value) for key, value in each["Configuration"].items()
                }
    asked = request(account, "codepipeline", "UpdatePipeline", {"pipeline": pipeline})
    declaration: dict[str, Any] = asked["pipeline"]
    return declaration


def _action(action: Properties) -> Properties:
    return {name: value for name, value in action.items() if name != "Configuration"}


def _create(account: Account, name: str, properties: Properties) -> Created:
    client = account.client("codepipeline")
    answer = client.create_pipeline(pipeline=_declaration(account, name, properties))
    arn, version = account.arn("codepipeline", name), str(answer["pipeline"]["version"])
    return Created(name, {"Arn": arn, "Version": version})


def _update(account: Account, name: str, properties: Properties, former: Properties) -> None:
    client = account.client("codepipeline")
    changed = {key for key in {*properties, *former} if properties.get(key) != former.get(key)}
    if changed - set(_NOT_DEFINITION):
        client.update_pipeline(pipeline=_declaration(account, name, properties))
        if truth(properties.get("RestartExecutionOnUpdate", False)):
            client.start_pipeline_execution(name=name)


def _tag(account: Account, name: str, properties: Properties, former: Properties) -> None:
    arn = account.arn("codepipeline", name)
    retag(account.client("codepipeline"), properties, former, resourceArn=arn)


RESOURCE_TYPES = {
    "AWS::CodePipeline::Pipeline": ResourceType(
        _create,
        deletes("codepipeline", "delete_pipeline", "name"),
        _update,
        _tag,
        name_property="Name",
        attributes=frozenset({"Arn", "Version"}),
        replaced_by=frozenset({"Name"}),
    ),
}
