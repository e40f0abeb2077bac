"""Costs are itemised from what is deployed; what has no price is said to have none."""

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from typer.testing import CliRunner

from mlops import cost_of_run as of_run
from mlops.cli import app
from mlops.commands import cost as cost_command
from mlops.cost_of_month import (
    NOT_COUNTED,
    _counted,
    _endpoint,
    _schedules,
    _tables,
    _time_to_live_hours,
    invocations_a_month,
)
from mlops.cost_of_pipeline import cost_of_pipeline, cost_while_idle
from mlops.history import read_history
from mlops.prices import PRICES_FILE, cost_line, price_list
from mlops.render import Output
from mlops.stack_resources import StackResource
from mlops.target import Deployment, Target
from tests.unit.mlops.factories import START, event, run
from tests.unit.mlops.pipeline_factories import (
    BUILD_ID,
    CodePipeline,
    action,
    build,
    deployment,
    summary,
)

FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:prepare"


def _resource(kind: str, **properties: Any) -> StackResource:
    return StackResource("Id", kind, "name", False, properties)


def _schedule(expression: str, function: str) -> StackResource:
    target = {"Arn": {"Fn::GetAtt": [function, "Arn"]}}
    return _resource("AWS::Scheduler::Schedule", ScheduleExpression=expression, Target=target)


def _function(**variables: str) -> StackResource:
    environment = {"Variables": variables}
    return _resource("AWS::Lambda::Function", MemorySize=512, Environment=environment)


def test_every_price_has_a_source_and_a_date() -> None:
    prices = price_list()
    assert prices.region == "us-east-1"
    for name, price in prices.prices.items():
        assert price.usd > 0, name
        assert price.source.startswith("https://aws.amazon.com/"), name
        assert isinstance(price.date, date), name


def test_the_prices_say_what_they_are_not() -> None:
    words = price_list().disclaimer
    assert words.startswith("list prices of 20")
    assert words.endswith("us-east-1; not your bill")
    assert PRICES_FILE.name == "prices.toml"


def test_a_type_without_a_price_is_not_guessed() -> None:
    line = cost_line("training", "ml.unheard.large", 3.0, "2 s")
    assert line.usd is None
    assert line.remark == "no price known for ml.unheard.large; 2 s"


def _events() -> list[dict[str, Any]]:
    return [
        event(1, 0, "ExecutionStarted", 0),
        event(2, 0, "TaskStateEntered", 1, name="PrepareRun"),
        event(3, 0, "TaskScheduled", 2, parameters=f'{{"FunctionName": "{FUNCTION}"}}'),
        event(4, 2, "TaskStateExited", 3, name="PrepareRun"),
        event(5, 2, "TaskStateEntered", 4, name="TrainModel"),
        event(6, 2, "TaskScheduled", 5, parameters='{"TrainingJobName": "t"}'),
        event(7, 3, "TaskStateExited", 6, name="TrainModel"),
        event(8, 3, "TaskStateEntered", 7, name="EvaluateModel"),
        event(9, 3, "TaskScheduled", 8, parameters='{"ProcessingJobName": "p"}'),
        event(10, 4, "TaskStateExited", 9, name="EvaluateModel"),
        event(11, 4, "ExecutionSucceeded", 10),
    ]


def test_a_run_costs_its_jobs_its_states_and_its_lambdas(monkeypatch: pytest.MonkeyPatch) -> None:
    resources = {"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 10}
    training = {"ResourceConfig": resources, "BillableTimeInSeconds": 1800}
    processing = {
        "ProcessingResources": {"ClusterConfig": {**resources, "InstanceType": "ml.odd.large"}},
        "ProcessingStartTime": START,
        "ProcessingEndTime": START + timedelta(hours=1),
    }
    sagemaker = SimpleNamespace(
        describe_training_job=lambda **request: training,
        describe_processing_job=lambda **request: processing,
    )
    configured = {"MemorySize": 512, "Architectures": ["x86_64"]}
    functions = SimpleNamespace(get_function_configuration=lambda **request: configured)
    target = cast("Target", SimpleNamespace(sagemaker=sagemaker, lambda_=functions))
    monkeypatch.setattr(of_run, "execution_history", lambda *_: read_history(_events()))
    lines = {line.item: line for line in of_run.cost_of_run(target, run())}
    hourly = price_list().prices["ml.m5.large"].usd
    assert lines["TrainModel"].usd == pytest.approx(hourly)
    assert lines["TrainModel volume"].quantity == pytest.approx(20 * 0.5 / 730)
    assert (lines["EvaluateModel"].quantity, lines["EvaluateModel"].usd) == (2.0, None)
    assert lines["state transitions"].quantity == 3
    assert lines["Lambda time"].quantity == pytest.approx(1.0)


@pytest.mark.parametrize(("seconds", "hours"), [("28800", 8.0), ("0", 730.0)])
def test_an_idle_endpoint_lasts_its_time_to_live(seconds: str, hours: float) -> None:
    definition = (
        '{"States": {"CreateEndpointConfig": {"Parameters": {"ProductionVariants": '
        '[{"InstanceType": "ml.t2.medium", "InitialInstanceCount": 2}]}}}}'
    )
    states = SimpleNamespace(describe_state_machine=lambda **request: {"definition": definition})
    known = SimpleNamespace(state_machine_arn="m", target=SimpleNamespace(stepfunctions=states))
    resources = [_function(), _function(ENDPOINT_TIME_TO_LIVE_SECONDS=seconds)]
    (line,) = _endpoint(cast("Deployment", known), resources)
    assert line.quantity == pytest.approx(2 * hours)
    assert line.usd == pytest.approx(2 * hours * price_list().prices["ml.t2.medium"].usd)


def test_without_a_reconciler_an_endpoint_is_never_deleted() -> None:
    assert _time_to_live_hours([_function()]) == 0.0


def test_keys_alarms_and_dashboards_are_counted() -> None:
    kinds = ["AWS::KMS::Key", "AWS::CloudWatch::Alarm", "AWS::CloudWatch::Alarm", "AWS::SQS::Queue"]
    lines = {line.item: line.quantity for line in _counted([_resource(kind) for kind in kinds])}
    assert lines == {"KMS keys": 1, "alarms": 2}


@pytest.mark.parametrize(
    ("expression", "times"),
    [("rate(15 minutes)", 2920), ("rate(1 hour)", 730), ("cron(0 3 ? * MON *)", 0), ("odd", 0)],
)
def test_a_rate_says_how_often(expression: str, times: float) -> None:
    assert invocations_a_month(expression) == times


def test_a_schedule_costs_its_invocations_and_its_lambda() -> None:
    larger = StackResource("Large", "AWS::Lambda::Function", "large", False, {"MemorySize": 3008})
    cron = _schedule("cron(0 3 ? * MON *)", "Large")
    resources = [_schedule("rate(15 minutes)", "Id"), cron, larger, _function()]
    lines = {line.item: line.quantity for line in _schedules(resources)}
    assert lines == {
        "schedules": 2920,
        "their Lambda requests": 2920,
        "their Lambda time": 1460.0,
    }


def test_what_comes_up_by_cron_is_said_not_to_be_counted() -> None:
    assert list(_schedules([_schedule("cron(0 3 ? * MON *)", "Id"), _function()])) == []
    assert "schedules by cron" in NOT_COUNTED


@pytest.mark.parametrize("recovers", [True, False])
def test_the_recovery_of_the_table_is_priced_where_it_is_on(recovers: bool) -> None:
    size = {"Table": {"TableSizeBytes": 1024**3}}
    tables = SimpleNamespace(describe_table=lambda **request: size)
    deployment = cast("Deployment", SimpleNamespace(target=SimpleNamespace(dynamodb=tables)))
    specified = {"PointInTimeRecoveryEnabled": recovers}
    table = _resource("AWS::DynamoDB::Table", PointInTimeRecoverySpecification=specified)
    storage, *recovery = [line.usd for line in _tables(deployment, [table])]
    assert storage == pytest.approx(0.25)
    assert recovery == ([pytest.approx(0.2)] if recovers else [])


def test_a_retried_lambda_is_billed_for_each_request(monkeypatch: pytest.MonkeyPatch) -> None:
    function = f'{{"FunctionName": "{FUNCTION}"}}'
    events = [
        event(1, 0, "ExecutionStarted", 0),
        event(2, 0, "TaskStateEntered", 1, name="PrepareRun"),
        event(3, 0, "TaskScheduled", 2, parameters=function),
        event(4, 1, "TaskFailed", 3, error="Lambda.TooManyRequestsException", cause="busy"),
        event(5, 2, "TaskScheduled", 4, parameters=function),
        event(6, 3, "TaskSucceeded", 5),
        event(7, 3, "TaskStateExited", 6, name="PrepareRun"),
    ]
    configured = {"MemorySize": 512, "Architectures": ["x86_64"]}
    functions = SimpleNamespace(get_function_configuration=lambda **request: configured)
    target = cast("Target", SimpleNamespace(lambda_=functions))
    monkeypatch.setattr(of_run, "execution_history", lambda *_: read_history(events))
    lines = {line.item: line.quantity for line in of_run.cost_of_run(target, run())}
    assert (lines["Lambda requests"], lines["state transitions"]) == (2, 2)


BUILT = action("Build", 0, externalExecutionId=BUILD_ID)
TRAINED = action("Train", 61, provider="StepFunctions", externalExecutionId=run().execution_arn)
AGREED = action("Agree", 62, provider="Manual")


def test_a_run_of_a_commit_costs_its_builds_and_the_pipeline_s_minutes() -> None:
    pipeline = CodePipeline(summary(), actions=[BUILT, TRAINED, AGREED])
    known = deployment(pipeline, build())
    lines = {each.item: each for each in cost_of_pipeline(known, replace(run(), trigger="code"))}
    assert lines["Build build"].quantity == 2, "61 s"
    assert lines["Build build"].usd == pytest.approx(2 * 0.005)
    assert lines["pipeline actions"].quantity == 2, "approvals are not billed"


def test_a_run_of_an_upload_costs_no_build() -> None:
    known = deployment(CodePipeline(summary(), actions=[BUILT, TRAINED]), build())
    assert cost_of_pipeline(known, run()) == []
    other = replace(run("another"), trigger="code")
    assert cost_of_pipeline(known, other) == []


def test_an_idle_pipeline_and_its_builds_are_listed_without_a_price_to_pay() -> None:
    environment = {"ComputeType": "BUILD_GENERAL1_SMALL"}
    resources = [
        _resource("AWS::CodePipeline::Pipeline", PipelineType="V2"),
        _resource("AWS::CodeBuild::Project", Environment=environment),
        _resource("AWS::CodeBuild::Project", Environment=environment),
    ]
    lines = {each.item: each.usd for each in cost_while_idle(resources)}
    assert lines == {"pipeline actions": 0, "builds on BUILD_GENERAL1_SMALL": 0}


def test_a_small_total_has_the_digits_of_its_rows(capsys: pytest.CaptureFixture[str]) -> None:
    line = cost_line("state transitions", "state-transition", 13)
    cost_command._print(Output(), "run x", [line], "")
    row, total = capsys.readouterr().out.splitlines()[-3:-1]
    assert "0.00033" in row
    assert total.startswith("total 0.00033 USD; ")


def test_the_help_of_run_says_what_is_taken() -> None:
    printed = " ".join(CliRunner().invoke(app, ["cost", "--help"]).stdout.split())
    assert "a part" not in printed
    assert "the beginning of it" in printed


def test_an_empty_run_is_no_month() -> None:
    result = CliRunner().invoke(app, ["cost", "--run", "", "--month"])
    assert result.exit_code == 2


def test_two_questions_at_once_are_refused() -> None:
    result = CliRunner().invoke(app, ["cost", "--run", "x", "--month"])
    assert result.exit_code == 2
    assert "ask one of them" in result.stderr


def test_the_price_list_lies_beside_the_code() -> None:
    assert Path(PRICES_FILE).parent.name == "mlops"
