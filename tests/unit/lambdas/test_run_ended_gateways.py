"""RunEnded's and the reconciler's requests as botocore checks them."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from botocore.exceptions import ClientError
from botocore.stub import ANY, Stubber

from reconciler import gateway as reconciling
from run_ended import gateway, hosting
from run_ended.models import Config, Endpoint, Job, Version
from shared import notifying
from tests.unit.lambdas.account_in_memory import MACHINE, RUN, STOPPED
from tests.unit.lambdas.sagemaker_in_memory import ARN, PACKAGE, STARTED

Stub = Callable[[str], Stubber]
ENDPOINT_ARN = "arn:aws:sagemaker:eu-west-1:111122223333:endpoint/e"
CONFIG_ARN = "arn:aws:sagemaker:eu-west-1:111122223333:endpoint-config/c"


def described_endpoint(**more: object) -> dict[str, object]:
    times = {"CreationTime": STARTED, "LastModifiedTime": STOPPED}
    names = {"EndpointName": "e", "EndpointArn": ENDPOINT_ARN, "EndpointStatus": "Updating"}
    return {**names, **times, **more}


def test_an_execution_is_read_with_its_redrives(stub: Stub) -> None:
    answer = {
        "executionArn": ARN,
        "stateMachineArn": MACHINE,
        "name": "n",
        "status": "FAILED",
        "startDate": STARTED,
        "stopDate": STOPPED,
        "redriveCount": 2,
        "error": "E",
    }
    stub("step_functions").add_response("describe_execution", answer, {"executionArn": ARN})
    found = gateway.execution(ARN)
    assert found is not None
    assert (found.error, found.cause, found.redrives, found.stopped) == ("E", "", 2, STOPPED)


def test_the_history_is_read_backwards_over_its_pages(stub: Stub) -> None:
    asked = {"executionArn": ARN, "reverseOrder": True, "includeExecutionData": True}
    events = [{"id": number, "type": "TaskSucceeded", "timestamp": STARTED} for number in (2, 1)]
    states = stub("step_functions")
    states.add_response("get_execution_history", {"events": events[:1], "nextToken": "next"}, asked)
    states.add_response(
        "get_execution_history", {"events": events[1:]}, {**asked, "nextToken": ANY}
    )
    assert [event["id"] for event in gateway.newest_events(ARN)] == [2, 1]


@pytest.mark.parametrize("kind", ["Training", "Processing"])
def test_a_job_that_ends_while_it_is_stopped_has_ended(stub: Stub, kind: str) -> None:
    name = {f"{kind}JobName": RUN}
    arn = f"arn:aws:sagemaker:eu-west-1:111122223333:{kind.lower()}-job/{RUN}"
    described = {**name, f"{kind}JobArn": arn, f"{kind}JobStatus": "InProgress"}
    more: dict[str, object] = {"CreationTime": STARTED}
    if kind == "Training":
        more |= {
            "ModelArtifacts": {"S3ModelArtifacts": "s3://b/m"},
            "SecondaryStatus": "Training",
            "AlgorithmSpecification": {"TrainingInputMode": "File"},
            "ResourceConfig": {"VolumeSizeInGB": 1},
            "StoppingCondition": {},
        }
    else:
        more |= {
            "ProcessingResources": {
                "ClusterConfig": {
                    "InstanceCount": 1,
                    "InstanceType": "ml.m5.large",
                    "VolumeSizeInGB": 1,
                }
            },
            "AppSpecification": {"ImageUri": "i"},
        }
    sagemaker = stub("sagemaker")
    operation = f"{kind.lower()}_job"
    sagemaker.add_response(f"describe_{operation}", described | more, name)
    sagemaker.add_client_error(f"stop_{operation}", "ValidationException", expected_params=name)
    job = Job("Training", RUN) if kind == "Training" else Job("Processing", RUN)
    assert gateway.stop(job) is True


def test_a_job_that_was_never_created_is_told_from_one_that_ended(stub: Stub) -> None:
    stub("sagemaker").add_client_error(
        "describe_training_job", "ValidationException", "Requested resource not found."
    )
    assert gateway.stop(Job("Training", RUN)) is False


def test_a_job_that_may_not_be_stopped_is_not_forgotten(stub: Stub) -> None:
    stub("sagemaker").add_client_error("describe_training_job", "AccessDeniedException")
    with pytest.raises(ClientError, match="AccessDenied"):
        gateway.stop(Job("Training", RUN))


def test_versions_are_listed_and_rejected(stub: Stub) -> None:
    sagemaker = stub("sagemaker")
    summary = {
        "ModelPackageArn": PACKAGE,
        "CreationTime": STARTED,
        "ModelPackageStatus": "Completed",
    }
    asked = {
        "ModelPackageGroupName": "g",
        "CreationTimeAfter": STARTED,
        "SortBy": "CreationTime",
        "SortOrder": "Descending",
    }
    sagemaker.add_response("list_model_packages", {"ModelPackageSummaryList": [summary]}, asked)
    assert list(gateway.versions_since("g", STARTED)) == [PACKAGE]
    package = {
        "ModelPackageName": "n",
        "ModelPackageArn": PACKAGE,
        "CreationTime": STARTED,
        "ModelPackageStatus": "Completed",
        "ModelPackageStatusDetails": {"ValidationStatuses": []},
        "ModelApprovalStatus": "Approved",
        "CustomerMetadataProperties": {"execution_arn": ARN},
    }
    sagemaker.add_response("describe_model_package", package, {"ModelPackageName": PACKAGE})
    assert gateway.version(PACKAGE, ARN) == Version(PACKAGE, "Approved")
    sagemaker.add_client_error(
        "describe_model_package", "ValidationException", f"ModelPackage {PACKAGE} does not exist."
    )
    assert gateway.version(PACKAGE, ARN) is None
    changes = {
        "ModelPackageArn": PACKAGE,
        "ModelApprovalStatus": "Rejected",
        "ApprovalDescription": "why",
    }
    sagemaker.add_response("update_model_package", {"ModelPackageArn": PACKAGE}, changes)
    gateway.reject(PACKAGE, "why")


def test_a_notification_reads_differently_by_protocol(stub: Stub) -> None:
    asked = {
        "TopicArn": "topic",
        "Subject": "s",
        "Message": '{"default": "d"}',
        "MessageStructure": "json",
    }
    stub("sns").add_response("publish", {}, asked)
    notifying.publish("topic", "s", {"default": "d"})


@pytest.mark.parametrize("code", ["ResourceNotFoundException", "AccessDeniedException"])
def test_a_log_that_cannot_be_read_is_no_error(stub: Stub, code: str) -> None:
    asked = {"logGroupName": "/aws/sagemaker/TrainingJobs", "logStreamNamePrefix": f"{RUN}/"}
    stub("logs").add_client_error("describe_log_streams", code, expected_params=asked)
    assert gateway.last_log_lines(Job("Training", RUN)) == ()


def test_configs_in_use_are_those_served_and_those_to_come(stub: Stub) -> None:
    sagemaker = stub("sagemaker")
    listed = {
        "EndpointName": "e",
        "EndpointArn": ENDPOINT_ARN,
        "CreationTime": STARTED,
        "LastModifiedTime": STARTED,
        "EndpointStatus": "Updating",
    }
    after = {"LastModifiedTimeAfter": STARTED - timedelta(minutes=1)}
    sagemaker.add_response("list_endpoints", {"Endpoints": [listed, listed]}, after)
    pending = {"EndpointConfigName": "next"}
    answer = described_endpoint(EndpointConfigName="now", PendingDeploymentSummary=pending)
    sagemaker.add_response("describe_endpoint", answer)
    sagemaker.add_client_error(
        "describe_endpoint", "ValidationException", 'Could not find endpoint "e".'
    )
    assert hosting.configs_in_use(STARTED) == {"now", "next"}


def test_configs_come_with_the_models_of_all_their_variants(stub: Stub) -> None:
    sagemaker = stub("sagemaker")
    listed = {
        "EndpointConfigName": "c",
        "EndpointConfigArn": CONFIG_ARN,
        "CreationTime": STARTED,
    }
    after = {"CreationTimeAfter": STARTED - timedelta(minutes=1)}
    sagemaker.add_response("list_endpoint_configs", {"EndpointConfigs": [listed]}, after)
    variants = {
        "ProductionVariants": [{"VariantName": "a", "ModelName": "m"}],
        "ShadowProductionVariants": [{"VariantName": "b", "ModelName": "shadow"}],
    }
    sagemaker.add_response("describe_endpoint_config", listed | variants)
    assert hosting.configs_since(STARTED) == (Config("c", STARTED, frozenset({"m", "shadow"})),)
    named = {"NameContains": "demo-"}
    sagemaker.add_response("list_endpoint_configs", {"EndpointConfigs": []}, named)
    assert hosting.configs_named("demo-") == ()


@pytest.mark.parametrize(
    ("request_", "operation", "message"),
    [
        (lambda: hosting.delete_endpoint("e"), "delete_endpoint", 'Could not find endpoint "e".'),
        (
            lambda: hosting.update_endpoint("e", "c"),
            "update_endpoint",
            'Cannot update in-progress endpoint "e".',
        ),
        (lambda: reconciling.delete_endpoint("e"), "delete_endpoint", "in-progress endpoint"),
        (
            lambda: hosting.delete_config("c"),
            "delete_endpoint_config",
            'Could not find endpoint configuration "c".',
        ),
        (lambda: hosting.delete_model("m"), "delete_model", 'Could not find model "m".'),
    ],
)
def test_what_is_done_already_is_not_done_twice(
    stub: Stub, request_: Callable[[], None], operation: str, message: str
) -> None:
    sagemaker = stub("sagemaker")
    sagemaker.add_client_error(operation, "ValidationException", message)
    request_()
    sagemaker.add_client_error(operation, "ValidationException", "something else")
    with pytest.raises(ClientError, match="something else"):
        request_()


def test_the_endpoint_is_described_or_absent(stub: Stub) -> None:
    stub("sagemaker").add_response("describe_endpoint", described_endpoint())
    assert hosting.endpoint("e") == Endpoint("Updating", "")


def test_executions_are_listed_by_every_way_to_end(stub: Stub) -> None:
    states = stub("step_functions")
    for status in reconciling.ENDED:
        listed = {
            "executionArn": f"{ARN}-{status}",
            "stateMachineArn": MACHINE,
            "name": "n",
            "status": status,
            "startDate": STARTED,
            "stopDate": STOPPED,
        }
        asked = {"stateMachineArn": MACHINE, "statusFilter": status}
        # What started long ago may have ended lately: the end alone says when to stop reading.
        long = listed | {"startDate": STARTED - timedelta(days=30)}
        states.add_response("list_executions", {"executions": [long], "nextToken": "next"}, asked)
        old = listed | {"stopDate": STOPPED - timedelta(seconds=1)}
        states.add_response("list_executions", {"executions": [old], "nextToken": "next"})
    found = list(reconciling.ended_executions(MACHINE, stopped_after=STOPPED))
    assert [each.arn for each in found] == [
        f"{ARN}-{status}" for status in reconciling.ENDED for _ in range(2)
    ]


def test_other_lambdas_are_invoked_without_waiting(stub: Stub) -> None:
    asked = {"FunctionName": "f", "InvocationType": "Event", "Payload": b'{"a": 1}'}
    stub("lambda_").add_response("invoke", {"StatusCode": 202}, asked)
    reconciling.invoke("f", {"a": 1})
