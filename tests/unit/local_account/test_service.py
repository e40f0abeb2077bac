"""Requests are checked against the service's model, and answers are cut to it."""

from pathlib import Path
from typing import Any

import pytest

from local_account.service import Account, JsonService, ServiceError

ACCOUNT = Account(
    "123456789012", "us-east-1", "http://127.0.0.1:1", "key", "secret", Path(), Path()
)


class Models(JsonService):
    """Two operations of SageMaker, which echo."""

    service_name = "sagemaker"

    def create_model(self, params: dict[str, Any]) -> dict[str, Any]:
        return {"ModelArn": ACCOUNT.arn("sagemaker", f"model/{params['ModelName']}"), "More": 1}

    def create_model_package(self, params: dict[str, Any]) -> dict[str, Any]:
        return {"ModelPackageArn": params["ModelPackageGroupName"]}

    def create_training_job(self, params: dict[str, Any]) -> None:
        return None


def _refusal(operation: str, params: dict[str, Any]) -> ServiceError:
    with pytest.raises(ServiceError) as refused:
        Models(ACCOUNT).call(operation, params)
    return refused.value


def test_answer_has_only_what_the_shape_declares() -> None:
    answer = Models(ACCOUNT).call("CreateModel", {"ModelName": "m"})
    assert answer == {"ModelArn": "arn:aws:sagemaker:us-east-1:123456789012:model/m"}


def test_an_operation_that_is_not_modelled_is_refused_by_name() -> None:
    error = _refusal("CreateTransformJob", {})
    assert (error.code, error.status) == ("UnsupportedOperation", 501)
    assert error.message == "The embedded account does not model sagemaker:CreateTransformJob."


@pytest.mark.parametrize("operation", ["handles", "call", "arn", "", "_operation"])
def test_nothing_but_operations_can_be_called(operation: str) -> None:
    assert _refusal(operation, {}).code == "UnsupportedOperation"


MODEL: dict[str, Any] = {"ModelName": "m"}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"ModelName": None},
            "Value null at 'modelName' failed to satisfy constraint: Member must not be null",
        ),
        (
            {"ModelName": "-m"},
            "Value '-m' at 'modelName' failed to satisfy constraint: Member must satisfy regular "
            "expression pattern: [a-zA-Z0-9]([\\-a-zA-Z0-9]*[a-zA-Z0-9])?",
        ),
        ({"ModelName": "m" * 64}, "Member must have length less than or equal to 63"),
        ({"ModelName": 3}, "Value '3' at 'modelName' failed to satisfy constraint: Member must be"),
        ({"ModelName": "m\n"}, "Member must satisfy regular expression pattern"),
        ({"EnableNetworkIsolation": 1}, "at 'enableNetworkIsolation'"),
        ({"Modelname": "m"}, "Unknown member 'Modelname'"),
        (
            {"PrimaryContainer": {"Mode": "Both"}},
            "Value 'Both' at 'primaryContainer.mode' failed to satisfy constraint: Member must "
            "satisfy enum value set: [SingleModel, MultiModel]",
        ),
        (
            {"Containers": [{"Environment": {"A": "x" * 1025}}]},
            "at 'containers.1.member.environment.A.member'",
        ),
        (
            {"Tags": [{"Key": "k", "Value": "v"}] * 51},
            "at 'tags' failed to satisfy constraint: Member must have length less than or equal to",
        ),
    ],
)
def test_a_request_that_breaks_the_model_is_refused(changes: dict[str, Any], expected: str) -> None:
    error = _refusal("CreateModel", MODEL | changes)
    assert error.code == "ValidationException"
    assert error.message.startswith("1 validation error detected: ")
    assert expected in error.message


def test_ranges_and_every_problem_at_once() -> None:
    error = _refusal("CreateTrainingJob", {"ResourceConfig": {"InstanceCount": -1}})
    assert error.message.startswith("4 validation errors detected: ")
    assert "Member must have value greater than or equal to 0" in error.message


@pytest.mark.parametrize("description", ["Größe: 1,5 – geprüft", "line\nline"])
def test_patterns_with_java_classes_accept_text(description: str) -> None:
    params = {"ModelPackageGroupName": "g", "ModelPackageDescription": description}
    assert Models(ACCOUNT).call("CreateModelPackage", params) == {"ModelPackageArn": "g"}


def test_map_sizes_and_repaired_patterns() -> None:
    properties = {"bad!": "x"} | {f"k{number}": "v" for number in range(50)}
    params = {"ModelPackageGroupName": "g", "CustomerMetadataProperties": properties}
    message = _refusal("CreateModelPackage", params).message
    assert "less than or equal to 50" in message
    assert "Value 'bad!'" in message
