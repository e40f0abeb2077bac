"""Requests meet the faults that the file lists, each in the words of its service."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError
from werkzeug.test import create_environ

from local_account.operations import operation_of
from tests.account.workloads import ROLE, create_function, execute, invoke, task
from tests.conftest import RunningAccount


@pytest.fixture(scope="module")
def bucket(account: RunningAccount) -> str:
    account.client("s3").create_bucket(Bucket="faults")
    return "faults"


@pytest.fixture(scope="module")
def function(account: RunningAccount) -> str:
    create_function(account, "bystander")
    return create_function(account, "the-victim")


def _error(call: Any, **params: Any) -> tuple[str, int]:
    with pytest.raises(ClientError) as refused:
        call(**params)
    response = refused.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


CALLS: list[tuple[str, str, dict[str, Any]]] = [
    ("s3", "put_object", {"Bucket": "faults", "Key": "a/b", "Body": b"x"}),
    ("s3", "delete_objects", {"Bucket": "faults", "Delete": {"Objects": [{"Key": "a"}]}}),
    ("s3", "list_objects_v2", {"Bucket": "faults"}),
    ("lambda", "invoke", {"FunctionName": "the-victim"}),
    ("stepfunctions", "start_execution", {"stateMachineArn": ROLE}),
    ("sagemaker", "create_model_package_group", {"ModelPackageGroupName": "g"}),
    ("sagemaker-runtime", "invoke_endpoint", {"EndpointName": "e", "Body": b"x"}),
    ("dynamodb", "put_item", {"TableName": "t", "Item": {"id": {"S": "x"}}}),
    ("sns", "publish", {"TopicArn": "arn:aws:sns:us-east-1:123456789012:t", "Message": "m"}),
    ("ecr", "describe_images", {"repositoryName": "any"}),
    ("logs", "create_log_group", {"logGroupName": "any"}),
    ("scheduler", "get_schedule", {"Name": "any", "GroupName": "any"}),
]


@pytest.mark.parametrize(("service", "method", "params"), CALLS)
def test_an_operation_is_refused_in_the_words_of_its_service(
    account: RunningAccount, bucket: str, service: str, method: str, params: dict[str, Any]
) -> None:
    client = account.client(service)
    operation = client.meta.method_to_api_mapping[method]
    signed = client.meta.service_model.signing_name
    fault: dict[str, Any] = {
        "service": signed,
        "operation": operation,
        "effect": "error",
        "times": None,
    }
    with account.faults({**fault, "code": "OutOfOrderException", "status": 409}):
        assert _error(getattr(client, method), **params) == ("OutOfOrderException", 409)
    with account.faults(fault):
        code, _ = _error(getattr(client, method), **params)
    expected = {"s3": "SlowDown", "lambda": "TooManyRequestsException"}
    assert code == expected.get(signed, "ThrottlingException")


def test_a_head_request_is_refused_without_a_body(account: RunningAccount, bucket: str) -> None:
    s3 = account.client("s3")
    s3.put_object(Bucket=bucket, Key="head", Body=b"x")
    fault = {"service": "s3", "operation": "HeadObject", "effect": "error", "times": None}
    with account.faults(fault):
        assert _error(s3.head_object, Bucket=bucket, Key="head") == ("503", 503)
    assert s3.head_object(Bucket=bucket, Key="head")["ContentLength"] == 1


@pytest.mark.parametrize(
    ("method", "path", "query", "headers", "operation"),
    [
        ("PUT", "/b/k/l", "", {}, "PutObject"),
        ("PUT", "/b/k", "", {"HTTP_X_AMZ_COPY_SOURCE": "a/b"}, "CopyObject"),
        ("PUT", "/b/k", "partNumber=1&uploadId=u", {}, "UploadPart"),
        ("PUT", "/b/k", "tagging", {}, "PutObjectTagging"),
        ("GET", "/b/k", "versionId=v", {}, "GetObject"),
        ("GET", "/b", "list-type=2&prefix=p", {}, "ListObjectsV2"),
        ("GET", "/b/", "versions", {}, "ListObjectVersions"),
        ("DELETE", "/b/k", "", {}, "DeleteObject"),
        ("PUT", "/b", "", {}, "CreateBucket"),
        ("PATCH", "/b", "", {}, ""),
    ],
)
def test_the_operation_of_a_request_to_s3(
    method: str, path: str, query: str, headers: dict[str, str], operation: str
) -> None:
    environ = create_environ(path, query_string=query, method=method, environ_overrides=headers)
    assert operation_of("s3", environ) == operation


def test_a_lost_answer_was_carried_out(account: RunningAccount, bucket: str) -> None:
    s3 = account.client("s3")
    lost: dict[str, Any] = {
        "service": "s3",
        "operation": "PutObject",
        "effect": "lost",
        "times": None,
    }
    with account.faults(lost):
        assert _error(s3.put_object, Bucket=bucket, Key="lost", Body=b"x") == (
            "InternalError",
            500,
        )
    assert s3.get_object(Bucket=bucket, Key="lost")["Body"].read() == b"x"
    group = {"ModelPackageGroupName": "lost"}
    sagemaker = account.client("sagemaker")
    lost = {**lost, "service": "sagemaker", "operation": "CreateModelPackageGroup", "times": 2}
    with account.faults(lost):
        # the client's own retry has its refusal lost as well
        assert _error(sagemaker.create_model_package_group, **group) == ("InternalFailure", 500)
    assert sagemaker.describe_model_package_group(**group)["ModelPackageGroupName"] == "lost"


def test_a_fault_skips_counts_and_selects(account: RunningAccount, bucket: str) -> None:
    s3 = account.client("s3")
    fault = {
        "service": "s3",
        "operation": "GetObject",
        "contains": "/chosen",
        "skip": 1,
        "times": 2,
        "effect": "error",
        "code": "AccessDenied",
        "status": 403,
    }

    def get(key: str) -> str:
        try:
            s3.get_object(Bucket=bucket, Key=key)
        except ClientError as error:
            return str(error.response["Error"]["Code"])
        return "found"

    for key in ("chosen", "other"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    with account.faults(fault):
        assert get("other") == "found"
        answers = [get("chosen") for _ in range(4)]
    assert answers == ["found", "AccessDenied", "AccessDenied", "found"]
    with account.faults(fault):
        assert [get("chosen"), get("chosen")] == ["found", "AccessDenied"], "counted afresh"


@pytest.mark.parametrize(("effect", "stored"), [("kill_before", False), ("kill_after", True)])
def test_a_function_is_killed_around_a_call_that_it_makes(
    account: RunningAccount, bucket: str, function: str, effect: str, stored: bool
) -> None:
    key = f"by-{effect}"
    fault = {
        "service": "s3",
        "operation": "PutObject",
        "contains": key,
        "effect": effect,
        "function": "victim",
    }
    calls = invoke(account, "bystander")[1]["calls"]
    with account.faults(fault):
        kind, error = invoke(account, function, put=f"{bucket}/{key}")
    assert (kind, error["errorType"]) == ("Unhandled", "Runtime.ExitError")
    listed = account.client("s3").list_objects_v2(Bucket=bucket, Prefix=key)
    assert bool(listed["KeyCount"]) == stored
    assert invoke(account, function)[1]["calls"] == 1, "in a new process"
    assert invoke(account, "bystander")[1]["calls"] == calls + 1


PUT = {"service": "s3", "operation": "PutObject", "effect": "error"}


@pytest.mark.parametrize(
    ("faults", "why"),
    [
        ([{"service": "s3", "operation": "PutObject", "effect": "explode"}], "effect 'explode'"),
        ([{"service": "s3", "operation": "PutObject", "effect": "kill_after"}], "needs 'function'"),
        ([{**PUT, "times": 0}], "'times' is 0"),
        ([{**PUT, "times": "2"}], "'times' is '2'"),
        ([{**PUT, "times": True}], "'times' is True"),
        ([{**PUT, "skip": -1}], "'skip' is -1"),
        ([{**PUT, "skip": None}], "'skip' is None"),
        ([{**PUT, "status": "500"}], "'status' is '500'"),
        ([{**PUT, "status": 200}], "'status' is 200"),
        ([{**PUT, "contains": ["/runs/"]}], "'contains' is"),
        ([{**PUT, "effect": "kill_after", "function": 1}], "'function' is 1"),
        ([{**PUT, "service": "stepfunctions"}], "'service' is 'stepfunctions'"),
        ([{**PUT, "service": "s3x"}], "'service' is 's3x'"),
        ([{**PUT, "operation": "put_object"}], "'operation' is 'put_object'"),
        ([{**PUT, "operation": "CreateModel"}], "'operation' is 'CreateModel'.*of s3"),
        ([{"service": "s3", "op": "PutObject", "effect": "error"}], "unexpected keyword"),
    ],
)
def test_a_file_that_lists_no_faults_is_refused(
    account: RunningAccount, faults: list[dict[str, Any]], why: str
) -> None:
    with account.faults(*faults), pytest.raises(ClientError, match=why):
        account.client("sts").get_caller_identity()
    account.client("sts").get_caller_identity()


@pytest.mark.parametrize(
    ("service", "operation", "code", "status", "seen"),
    [
        ("lambda", "Invoke", "", 0, "Lambda.TooManyRequestsException"),
        ("lambda", "Invoke", "ServiceException", 500, "Lambda.ServiceException"),
        ("lambda", "Invoke", "InternalFailure", 500, "Lambda.ServiceException"),
        ("lambda", "Invoke", "OddException", 400, "Lambda.AWSLambdaException"),
        ("sagemaker", "CreateModel", "", 0, "SageMaker.AmazonSageMakerException"),
        (
            "sagemaker",
            "CreateModel",
            "ResourceLimitExceeded",
            400,
            "SageMaker.ResourceLimitExceededException",
        ),
        ("sagemaker", "CreateModel", "InternalFailure", 500, "SageMaker.AmazonSageMakerException"),
    ],
)
def test_a_state_machine_sees_each_error_under_its_name(
    account: RunningAccount,
    function: str,
    service: str,
    operation: str,
    code: str,
    status: int,
    seen: str,
) -> None:
    called = {
        "lambda": task("lambda:invoke", {"FunctionName": function}),
        "sagemaker": task("sagemaker:createModel", {"ModelName": "m", "ExecutionRoleArn": ROLE}),
    }[service]
    fault = {"service": service, "operation": operation, "effect": "error", "times": 1}
    with account.faults({**fault, "code": code, "status": status}):
        name = f"sees-{service}-{code or 'throttling'}"
        execution = execute(account, name, {"Call": called})
    assert (execution["status"], execution["error"]) == ("FAILED", seen)
    assert "Status Code: " in execution["cause"]


def test_a_retrier_overcomes_a_fault(account: RunningAccount, function: str) -> None:
    retrier = {
        "ErrorEquals": ["Lambda.TooManyRequestsException"],
        "IntervalSeconds": 1,
        "MaxAttempts": 2,
        "BackoffRate": 1,
    }
    called = task("lambda:invoke", {"FunctionName": function}, Retry=[retrier])
    fault = {"service": "lambda", "operation": "Invoke", "effect": "error", "times": 1}
    with account.faults({**fault, "contains": function}):
        execution = execute(account, "overcomes", {"Call": called})
    assert execution["status"] == "SUCCEEDED"
    history = account.client("stepfunctions").get_execution_history(
        executionArn=execution["executionArn"]
    )
    types = [event["type"] for event in history["events"]]
    assert types.count("TaskScheduled") == 2
    assert json.loads(execution["output"])["StatusCode"] == 200
