"""CloudFormation: build projects."""

from typing import Any

from local_account.service import Account
from local_account.services.cloudformation.resource_type import (
    Created,
    Properties,
    ResourceType,
    deletes,
    lower_names,
    request,
    tags_of,
)

# what a project is without the property
_DEFAULTS: dict[str, Any] = {
    "description": "",
    "cache": {"type": "NO_CACHE"},
    "timeoutInMinutes": 60,
    "queuedTimeoutInMinutes": 480,
    "logsConfig": {},
    "secondarySources": [],
    "secondaryArtifacts": [],
    "tags": [],
}


def _parameters(account: Account, name: str, properties: Properties) -> dict[str, Any]:
    given = lower_names({k: v for k, v in properties.items() if k not in ("Tags", "Visibility")})
    for source in (given["source"], *given.get("secondarySources", [])):
        if "buildSpec" in source:  # the one word that the API writes otherwise
            source["buildspec"] = source.pop("buildSpec")
    tags = [{"key": key, "value": value} for key, value in tags_of(properties).items()]
    whole = {**given, "name": name, "tags": tags}
    return request(account, "codebuild", "CreateProject", whole)


def _create(account: Account, name: str, properties: Properties) -> Created:
    client = account.client("codebuild")
    project = client.create_project(**_parameters(account, name, properties))["project"]
    return Created(project["name"], {"Arn": project["arn"]})


def _update(account: Account, name: str, properties: Properties, former: Properties) -> None:
    key = account.arn("kms", "alias/aws/s3")
    wanted = {**_DEFAULTS, "encryptionKey": key, **_parameters(account, name, properties)}
    account.client("codebuild").update_project(**wanted)


RESOURCE_TYPES = {
    "AWS::CodeBuild::Project": ResourceType(
        _create,
        deletes("codebuild", "delete_project", "name"),
        _update,
        name_property="Name",
        attributes=frozenset({"Arn"}),
        replaced_by=frozenset({"Name"}),
    ),
}
