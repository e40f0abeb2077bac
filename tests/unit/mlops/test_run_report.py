"""A run's report: what it waited for, what it left, and where to look further."""

import io
import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError

from mlops.history import History, Job, read_history
from mlops.links import endpoint_link, execution_link, job_link, log_link
from mlops.run_report import (
    Ending,
    Registered,
    RunReport,
    describe_ending,
    ending,
    registered,
    staging_wait,
)
from mlops.target import Deployment, Target
from tests.unit.mlops.factories import START, event, run

PACKAGE = "arn:aws:sagemaker:us-east-1:123456789012:model-package/group/7"
JOB = Job("example-v1-0-abc-1", "/aws/sagemaker/TrainingJobs")
AWS = Target(cast("Any", None), "123456789012", "eu-west-1", "https://sts.amazonaws.com", "work")
EMBEDDED = Target(cast("Any", None), "123456789012", "eu-west-1", "http://127.0.0.1:1", "default")


def _history(**context: Any) -> History:
    entered = event(2, 0, "TaskStateEntered", 1, name="TestModel", input=json.dumps(context))
    return read_history([event(1, 0, "ExecutionStarted", 0), entered])


def _deployment(**parts: Any) -> Deployment:
    known = {"bucket": "b", "run_table": parts.pop("table", None)}
    return cast("Deployment", SimpleNamespace(**known, target=SimpleNamespace(**parts)))


def _pauses(*holders: str) -> History:
    events = [event(1, 0, "ExecutionStarted", 0)]
    for number, holder in enumerate(holders):
        first = 2 + 2 * number
        staged = json.dumps({"staging": {"holder": holder}})
        name = "PauseForStaging"
        events += [
            event(first, 10 * number, "WaitStateEntered", first - 1, name=name, input=staged),
            event(first + 1, 10 * number + 4, "WaitStateExited", first, name=name),
        ]
    return read_history(events)


def test_the_pauses_for_staging_are_summed_from_the_first_to_the_last() -> None:
    wait = staging_wait(_pauses("run-a", "run-b", "run-b"), START)
    assert wait is not None
    assert (wait.seconds, wait.holder) == (24.0, "run-b")
    assert staging_wait(_pauses(), START) is None


def test_a_pause_that_goes_on_lasts_until_now() -> None:
    history = read_history(
        [
            event(1, 0, "ExecutionStarted", 0),
            event(2, 1, "WaitStateEntered", 1, name="PauseForStaging", input="{}"),
        ]
    )
    wait = staging_wait(history, START + timedelta(seconds=8))
    assert wait is not None
    assert (wait.seconds, wait.holder) == (7.0, "unknown")


def test_a_version_is_shown_as_it_is_now() -> None:
    described = {"ModelApprovalStatus": "Rejected", "ApprovalDescription": "EndpointFailed: x"}
    sagemaker = SimpleNamespace(describe_model_package=lambda **request: described)
    history = _history(registered={"model_package_arn": PACKAGE})
    found = registered(_deployment(sagemaker=sagemaker), run(), history)
    assert found == Registered(PACKAGE, "Rejected", "EndpointFailed: x")
    assert found.number == "7"


@pytest.mark.parametrize(("by", "status"), [("", "deleted"), ("another", None)])
def test_a_version_that_only_its_record_names_is_the_run_s_own(by: str, status: Any) -> None:
    def absent(**request: str) -> None:
        raise ClientError({"Error": {"Code": "ValidationException", "Message": "none"}}, "D")

    record = {"execution_arn": by or run().execution_arn, "model_package_arn": PACKAGE}
    body = json.dumps(record).encode()
    s3 = SimpleNamespace(get_object=lambda **request: {"Body": io.BytesIO(body)})
    sagemaker = SimpleNamespace(describe_model_package=absent)
    deployment = _deployment(s3=s3, sagemaker=sagemaker)
    found = registered(deployment, run(), _history(run={"run_key": "k"}))
    assert (found.approval_status if found else None) == status


def test_a_run_that_prepared_nothing_has_no_version() -> None:
    assert registered(_deployment(), run(), _history(dataset="v1.0")) is None


@pytest.mark.parametrize(
    ("item", "words"),
    [
        ({}, "not cleaned up yet"),
        ({"published_at": {"N": "1"}}, "reported, not cleaned up yet"),
        ({"completed_at": {"N": "2"}}, "cleaned up"),
        ({"published_at": {"N": "1"}, "completed_at": {"N": "2"}}, "cleaned up and reported"),
    ],
)
def test_the_end_is_told_as_the_table_has_it(item: Any, words: str) -> None:
    asked: dict[str, Any] = {}

    def get_item(**request: Any) -> dict[str, Any]:
        asked.update(request)
        return {"Item": item} if item else {}

    deployment = _deployment(table="t", dynamodb=SimpleNamespace(get_item=get_item))
    found = ending(deployment, run())
    assert asked["Key"] == {"id": {"S": f"ended#{run().execution_arn}"}}
    assert describe_ending(_report(found)).startswith(words)


def test_without_a_table_nothing_is_said_of_the_end() -> None:
    assert ending(_deployment(), run()) is None
    assert describe_ending(_report(None)) == ""


def _report(found: Ending | None) -> RunReport:
    return RunReport(run(), History(), [], None, None, found, {})


def test_a_moment_of_the_table_is_in_utc() -> None:
    item = {"completed_at": {"N": "0"}}
    deployment = _deployment(
        table="t", dynamodb=SimpleNamespace(get_item=lambda **request: {"Item": item})
    )
    assert ending(deployment, run()) == Ending(None, datetime(1970, 1, 1, tzinfo=UTC))


def test_links_of_aws_are_pages_of_its_console() -> None:
    host = "https://eu-west-1.console.aws.amazon.com"
    assert execution_link(AWS, "arn:x") == (
        f"{host}/states/home?region=eu-west-1#/v2/executions/details/arn:x"
    )
    assert job_link(AWS, JOB).endswith("/sagemaker/home?region=eu-west-1#/jobs/example-v1-0-abc-1")
    assert log_link(AWS, JOB.log_group, "job/") == (
        f"{host}/cloudwatch/home?region=eu-west-1#logsV2:log-groups/log-group/"
        "$252Faws$252Fsagemaker$252FTrainingJobs$3FlogStreamNameFilter$3Djob$252F"
    )


def test_links_of_the_embedded_account_are_commands() -> None:
    for link in (
        execution_link(EMBEDDED, "arn:x"),
        job_link(EMBEDDED, JOB),
        log_link(EMBEDDED, JOB.log_group, "job/"),
        endpoint_link(EMBEDDED, "staging"),
    ):
        assert link.startswith(".venv/bin/aws ")
