"""Which alarms there are, whom they tell, and what the dashboard shows."""

import json
from typing import Any

import pytest

from tests.synth.assembly import ROOT, Assembly, of_type, resolved


def alarms(assembly: Assembly) -> dict[str, dict[str, Any]]:
    return {
        resolved(alarm["AlarmName"]).rpartition("-")[2]: alarm
        for alarm in of_type(assembly.training, "AWS::CloudWatch::Alarm").values()
    }


def dashboard(assembly: Assembly) -> dict[str, Any]:
    (found,) = of_type(assembly.training, "AWS::CloudWatch::Dashboard").values()
    body: dict[str, Any] = json.loads(resolved(found["DashboardBody"]))
    return body


def test_every_alarm_tells_the_topic_but_the_one_that_would_repeat_a_notification(
    dev: Assembly,
) -> None:
    found = alarms(dev)
    assert found.keys() == {
        "RunsFailed",
        "RunTooLong",
        "DeadLetters",
        "RunEndedLambdaErrors",
        "ReconcilerLambdaErrors",
    }
    silent = found.pop("RunsFailed")
    assert "AlarmActions" not in silent
    assert "Notifies nobody: RunEnded" in silent["AlarmDescription"]
    for name, alarm in found.items():
        assert alarm["AlarmActions"] == [{"Ref": "RunTopic"}], name


def test_an_alarm_without_data_is_no_alarm(dev: Assembly) -> None:
    for name, alarm in alarms(dev).items():
        assert alarm["TreatMissingData"] == "notBreaching", name
        assert alarm["ComparisonOperator"] == "GreaterThanThreshold", name
        assert alarm["EvaluationPeriods"] == 1, name
        assert alarm["Threshold"] == (0 if name != "RunTooLong" else 120 * 60_000), name


def test_a_run_counts_as_failed_however_it_ended_without_success(dev: Assembly) -> None:
    metrics = alarms(dev)["RunsFailed"]["Metrics"]
    names = {m["MetricStat"]["Metric"]["MetricName"] for m in metrics if "MetricStat" in m}
    assert names == {"ExecutionsFailed", "ExecutionsTimedOut", "ExecutionsAborted"}
    (total,) = (m["Expression"] for m in metrics if "Expression" in m)
    assert total.count("FILL(") == len(names)


def test_the_dashboard_has_the_stack_s_name_and_every_lambda(dev: Assembly) -> None:
    (found,) = of_type(dev.training, "AWS::CloudWatch::Dashboard").values()
    assert found["DashboardName"] == dev.training["Outputs"]["StagingEndpointName"][
        "Value"
    ].replace("-staging", "-dev-training")
    text = json.dumps(dashboard(dev))
    for name in of_type(dev.training, "AWS::Lambda::Function"):
        assert text.count(f'"{name}", {{"label": "{name}"') >= 2, name


@pytest.mark.parametrize(
    "metric",
    [
        "ExecutionsStarted",
        "ExecutionsSucceeded",
        "ExecutionsFailed",
        "ExecutionsTimedOut",
        "ExecutionsAborted",
        "ExecutionTime",
        "ApproximateNumberOfMessagesVisible",
        "Errors",
        "Throttles",
        "Duration",
        "Invocations",
        "Invocation4XXErrors",
        "Invocation5XXErrors",
        "ModelLatency",
        "OverheadLatency",
    ],
)
def test_the_dashboard_shows(dev: Assembly, metric: str) -> None:
    assert f'"{metric}"' in json.dumps(dashboard(dev))


def own_metrics(assembly: Assembly) -> set[tuple[str, str, str]]:
    """Name space, service and name of what the Lambdas themselves publish."""
    return {
        (metric[0], metric[3], metric[1])
        for widget in dashboard(assembly)["widgets"]
        for metric in widget["properties"].get("metrics", [])
        if len(metric) > 3 and metric[2] == "service"
    }


def test_what_the_lambdas_count_is_shown_by_the_name_they_publish_it_under(dev: Assembly) -> None:
    functions = of_type(dev.training, "AWS::Lambda::Function").values()
    variables = [function["Environment"]["Variables"] for function in functions]
    (namespace,) = {v["POWERTOOLS_METRICS_NAMESPACE"] for v in variables}
    services = {v["POWERTOOLS_SERVICE_NAME"] for v in variables}
    found = own_metrics(dev)
    assert len(found) == 13
    for shown, service, name in found:
        assert shown == namespace
        assert service in services
        handler = (ROOT / "lambdas" / service / "handler.py").read_text()
        published = "Runs{prepared['status']}" if name == "RunsDuplicate" else f'"{name}"'
        assert published in handler, (service, name)


def test_the_gate_s_metrics_are_found_whatever_the_settings_call_them(dev: Assembly) -> None:
    functions = of_type(dev.training, "AWS::Lambda::Function")
    variables = functions["EvaluationReaderLambda"]["Environment"]["Variables"]
    namespace = variables["POWERTOOLS_METRICS_NAMESPACE"]
    service = variables["POWERTOOLS_SERVICE_NAME"]
    (expression,) = (
        metric["expression"]
        for widget in dashboard(dev)["widgets"]
        for (metric, *_) in widget["properties"].get("metrics", [])
        if isinstance(metric, dict)
    )
    schema = f'{{"{namespace}","service"}}'
    assert expression == f"SEARCH('{schema} service=\"{service}\"', 'Average', 300)"


def test_the_service_whose_metrics_are_averaged_counts_nothing() -> None:
    handler = (ROOT / "lambdas" / "evaluation_reader" / "handler.py").read_text()
    assert "MetricUnit.NoUnit" in handler
    assert "MetricUnit.Count" not in handler


def test_the_month_s_budget_tells_of_what_is_spent_and_of_what_will_be(dev: Assembly) -> None:
    (budget,) = of_type(dev.training, "AWS::Budgets::Budget").values()
    assert budget["Budget"]["BudgetLimit"] == {"Amount": 100, "Unit": "USD"}
    assert budget["Budget"]["TimeUnit"] == "MONTHLY"
    # a fixed name would keep CloudFormation from replacing it
    assert "BudgetName" not in budget["Budget"]
    assert "CostFilters" not in budget["Budget"]
    limits = set()
    for notification in budget["NotificationsWithSubscribers"]:
        assert notification["Subscribers"] == [
            {"SubscriptionType": "SNS", "Address": {"Ref": "RunTopic"}}
        ]
        rule = notification["Notification"]
        limits.add((rule["NotificationType"], rule["Threshold"], rule["ThresholdType"]))
    assert limits == {("ACTUAL", 80, "PERCENTAGE"), ("FORECASTED", 100, "PERCENTAGE")}


def test_a_budget_of_the_project_counts_what_has_its_tag(organisation: Assembly) -> None:
    (budget,) = of_type(organisation.training, "AWS::Budgets::Budget").values()
    (queue,) = of_type(organisation.training, "AWS::SQS::Queue").values()
    (project,) = (tag["Value"] for tag in queue["Tags"] if tag["Key"] == "project")
    assert budget["Budget"]["CostFilters"] == {"TagKeyValue": [f"user:project${project}"]}


def test_no_budget_is_none(existing: Assembly) -> None:
    assert of_type(existing.training, "AWS::Budgets::Budget") == {}
