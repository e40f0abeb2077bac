"""CloudFormation: functions, who may invoke them, and their asynchronous settings."""

import io
import zipfile
from typing import Any

from local_account.service import Account
from local_account.services.cloudformation.resource_type import (
    Created,
    Properties,
    ResourceType,
    delete_if_there,
    deletes,
    request,
    retag,
    tags_of,
)

_APART = ("Code", "Tags", "ReservedConcurrentExecutions")
_NOT_CONFIGURATION = (
    "Architectures",
    "Code",
    "PackageType",
    "ReservedConcurrentExecutions",
    "Tags",
)
_DEFAULTS: Properties = {
    "DeadLetterConfig": {"TargetArn": ""},
    "Description": "",
    "Environment": {"Variables": {}},
    "EphemeralStorage": {"Size": 512},
    "KMSKeyArn": "",
    "Layers": [],
    "LoggingConfig": {"LogFormat": "Text"},
    "MemorySize": 128,
    "Timeout": 3,
    "TracingConfig": {"Mode": "PassThrough"},
    "VpcConfig": {"SubnetIds": [], "SecurityGroupIds": []},
}


def _code(properties: Properties) -> Properties:
    code = dict(properties["Code"])
    if "ZipFile" in code:  # a template has the source itself there
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as file:
            suffix = "js" if properties.get("Runtime", "").startswith("nodejs") else "py"
            file.writestr(zipfile.ZipInfo(f"index.{suffix}"), code["ZipFile"])
        code["ZipFile"] = archive.getvalue()
    return code


def _settings(account: Account, operation: str, properties: Properties) -> dict[str, Any]:
    given = dict(properties)
    if "KmsKeyArn" in given:
        given["KMSKeyArn"] = given.pop("KmsKeyArn")
    without = _APART if operation == "CreateFunction" else _NOT_CONFIGURATION
    return request(account, "lambda", operation, given, without=without)


def _create(account: Account, name: str, properties: Properties) -> Created:
    created = account.client("lambda").create_function(
        **_settings(account, "CreateFunction", properties),
        Code=_code(properties),
        Tags=tags_of(properties),
    )
    return Created(name, {"Arn": created["FunctionArn"]})


def _update(account: Account, name: str, properties: Properties, former: Properties) -> None:
    client = account.client("lambda")
    wanted = _settings(account, "UpdateFunctionConfiguration", properties)
    had = _settings(account, "UpdateFunctionConfiguration", former)
    gone = {key: _DEFAULTS[key] for key in had.keys() - wanted.keys()}
    if gone or wanted != had:
        client.update_function_configuration(**{**gone, **wanted})
    architectures = [each.get("Architectures", ["x86_64"]) for each in (properties, former)]
    if properties["Code"] != former.get("Code") or architectures[0] != architectures[1]:
        code = _code(properties)
        client.update_function_code(FunctionName=name, Architectures=architectures[0], **code)


def _configure(account: Account, name: str, properties: Properties, former: Properties) -> None:
    client = account.client("lambda")
    reserved = properties.get("ReservedConcurrentExecutions")
    if reserved is not None:
        client.put_function_concurrency(
            FunctionName=name, ReservedConcurrentExecutions=int(reserved)
        )
    elif "ReservedConcurrentExecutions" in former:
        client.delete_function_concurrency(FunctionName=name)
    if former:
        arn = account.arn("lambda", f"function:{name}")
        retag(client, properties, former, Resource=arn)


def _permit(account: Account, name: str, properties: Properties) -> Created:
    parameters = request(account, "lambda", "AddPermission", {**properties, "StatementId": name})
    account.client("lambda").add_permission(**parameters)
    return Created(name, {"Id": name})


def _create_event_invoke_config(account: Account, name: str, properties: Properties) -> Created:
    _put_event_invoke_config(account, name, properties, {})
    return Created(f"{properties['FunctionName']}|{properties['Qualifier']}")


def _put_event_invoke_config(
    account: Account, name: str, properties: Properties, former: Properties
) -> None:
    _delete_event_invoke_config(account, name, properties)  # moto would keep the first one
    parameters = request(account, "lambda", "PutFunctionEventInvokeConfig", properties)
    account.client("lambda").put_function_event_invoke_config(**parameters)


def _delete_event_invoke_config(account: Account, name: str, properties: Properties) -> None:
    delete_if_there(
        lambda: account.client("lambda").delete_function_event_invoke_config(
            FunctionName=properties["FunctionName"], Qualifier=properties["Qualifier"]
        )
    )


RESOURCE_TYPES = {
    "AWS::Lambda::Function": ResourceType(
        _create,
        deletes("lambda", "delete_function", "FunctionName"),
        _update,
        _configure,
        name_property="FunctionName",
        attributes=frozenset({"Arn"}),
        replaced_by=frozenset({"FunctionName", "PackageType"}),
    ),
    "AWS::Lambda::Permission": ResourceType(
        _permit,
        lambda account, name, properties: delete_if_there(
            lambda: account.client("lambda").remove_permission(
                FunctionName=properties["FunctionName"], StatementId=name
            )
        ),
        attributes=frozenset({"Id"}),
        replaced_by=frozenset(
            {
                *("Action", "EventSourceToken", "FunctionName", "FunctionUrlAuthType"),
                *("InvokedViaFunctionUrl", "Principal", "PrincipalOrgID", "SourceAccount"),
                "SourceArn",
            }
        ),
    ),
    "AWS::Lambda::EventInvokeConfig": ResourceType(
        _create_event_invoke_config,
        _delete_event_invoke_config,
        _put_event_invoke_config,
        replaced_by=frozenset({"FunctionName", "Qualifier"}),
    ),
}
