"""The training state machine: states and transitions only."""

from collections.abc import Iterable, Mapping
from typing import Any

from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from stacks.settings import EndpointSettings, QualitySettings
from stacks.workflows import retries
from stacks.workflows.training_tasks import TrainingTasks

UNEXPLAINED = (
    "ExplainFailure failed as well. Read $.failed in the input of that state for the error and "
    "cause of the state that failed first."
)

NOT_STAGING: Mapping[str, Any] = {
    "acquired": False,
    "holder": None,
    "wait_seconds": 0,
    "waited_seconds": 0,
    "started_at": 0,
}


def training_workflow(
    scope: Construct, tasks: TrainingTasks, quality: QualitySettings
) -> sfn.IChainable:
    """Chain the states from the data set's arrival to a tested staging endpoint."""
    fail_on_any_error(scope, tasks)
    stage_and_test = (
        tasks.create_endpoint_config.next(tasks.find_endpoint)
        .next(create_or_update_endpoint(scope, tasks))
        .next(wait_for_endpoint(scope, tasks))
    )
    register_and_stage = tasks.create_model.next(tasks.register_model_version).next(
        acquire_staging(scope, tasks, stage_and_test)
    )
    train = (
        tasks.validate_dataset.next(tasks.train_model)
        .next(tasks.evaluate_model)
        .next(tasks.read_evaluation)
        .next(check_quality(scope, quality, register_and_stage))
    )
    is_run_new = (
        sfn.Choice(scope, "IsRunNew")
        .when(
            sfn.Condition.string_equals("$.run.status", "Duplicate"),
            sfn.Succeed(scope, "Duplicate", comment="This run key has, or is getting, a version"),
        )
        .when(
            sfn.Condition.string_equals("$.run.status", "NothingToTrain"),
            sfn.Succeed(scope, "NothingToTrain", comment="No data set has arrived yet"),
        )
        .otherwise(train)
    )
    return tasks.prepare_run.next(is_run_new)


def check_quality(
    scope: Construct, quality: QualitySettings, and_then: sfn.IChainable
) -> sfn.Choice:
    """Test every metric for presence first: a missing one fails, it never passes."""
    passed = record_gate(scope, "RecordGatePassed", "passed", quality.mode)
    if quality.mode == "report":
        failed: sfn.IChainable = record_gate(scope, "RecordGateFailed", "failed", quality.mode)
        sfn.Chain.start(failed).next(and_then)
    else:
        failed = fail_with_summary(scope, "QualityGateFailed")
    missing = fail_with_summary(scope, "MetricsMissing")
    return (
        sfn.Choice(scope, "CheckQuality")
        .when(sfn.Condition.not_(sfn.Condition.and_(*are_numbers(quality))), missing)
        .when(sfn.Condition.and_(*are_within_limits(quality)), passed.next(and_then))
        .otherwise(failed)
    )


def fail_with_summary(scope: Construct, error: str) -> sfn.Fail:
    """End the run; the reader's summary names metric, value and limit."""
    return sfn.Fail(scope, error, error=error, cause_path="$.evaluation.summary")


def are_numbers(quality: QualitySettings) -> Iterable[sfn.Condition]:
    """Presence before type: a path that is missing fails the execution uncaught."""
    for name in quality.limits:
        yield sfn.Condition.is_present(f"$.evaluation.metrics.{name}")
        yield sfn.Condition.is_numeric(f"$.evaluation.metrics.{name}")


WITHIN = {
    "min": sfn.Condition.number_greater_than_equals,
    "max": sfn.Condition.number_less_than_equals,
    "above": sfn.Condition.number_greater_than,
    "below": sfn.Condition.number_less_than,
}


def are_within_limits(quality: QualitySettings) -> Iterable[sfn.Condition]:
    """One condition a limit: the model passes if all hold."""
    for name, limits in quality.limits.items():
        for kind, limit in limits.items():
            yield WITHIN[kind](f"$.evaluation.metrics.{name}", limit)


def record_gate(scope: Construct, state_id: str, verdict: str, mode: str) -> sfn.Pass:
    """Keep the gate's verdict for the model version."""
    gate: Mapping[str, Any] = {
        "verdict": verdict,
        "mode": mode,
        "summary.$": "$.evaluation.summary",
    }
    return sfn.Pass(scope, state_id, parameters=gate, result_path="$.gate")


def acquire_staging(
    scope: Construct, tasks: TrainingTasks, and_then: sfn.IChainable
) -> sfn.IChainable:
    """One run at a time from here to its end: the Lambda ends a wait that takes too long.

    Nothing here releases staging: what ends an execution, however it ends, does.
    """
    begin = sfn.Pass(scope, "BeginStaging", parameters=NOT_STAGING, result_path="$.staging")
    pause = sfn.Wait(
        scope, "PauseForStaging", time=sfn.WaitTime.seconds_path("$.staging.wait_seconds")
    )
    is_acquired = (
        sfn.Choice(scope, "IsStagingAcquired")
        .when(sfn.Condition.boolean_equals("$.staging.acquired", True), and_then)
        .otherwise(pause.next(tasks.acquire_staging))
    )
    return begin.next(tasks.acquire_staging).next(is_acquired)


def create_or_update_endpoint(scope: Construct, tasks: TrainingTasks) -> sfn.Chain:
    """One endpoint for all runs: the first creates it, the others update it."""
    choice = (
        sfn.Choice(scope, "IsEndpointPresent")
        .when(sfn.Condition.string_equals("$.endpoint.action", "Create"), tasks.create_endpoint)
        .otherwise(tasks.update_endpoint)
    )
    return choice.afterwards()


def wait_for_endpoint(scope: Construct, tasks: TrainingTasks) -> sfn.IChainable:
    """Describe, pause, describe again: the Lambda ends it on failure and after its time."""
    pause = sfn.Wait(
        scope,
        "PauseBeforeNextLook",
        time=sfn.WaitTime.seconds_path("$.endpoint.wait_seconds"),
    )
    in_service = sfn.Condition.string_equals("$.endpoint.status", "InService")
    return tasks.wait_for_endpoint.next(
        sfn.Choice(scope, "IsEndpointInService")
        .when(in_service, tasks.test_model.next(sfn.Succeed(scope, "RunSucceeded")))
        .otherwise(pause.next(tasks.wait_for_endpoint))
    )


def longest_run_seconds(tasks: TrainingTasks, endpoint: EndpointSettings) -> int:
    """Return a time within which every run ends, whatever is retried: the machine's limit.

    Each task counts once, the looks at the lock and at the endpoint as long as they may go on.
    """
    states = [tasks.explain_failure, *tasks.that_may_fail]
    once = sum(retries.longest_task_seconds(state.to_state_json()) for state in states)
    return once + endpoint.lock_timeout_seconds + endpoint.timeout_seconds


def fail_on_any_error(scope: Construct, tasks: TrainingTasks) -> None:
    """Route every error to one state that names it and says what to do."""
    run_failed = sfn.Fail(
        scope, "RunFailed", error_path="$.failure.error", cause_path="$.failure.cause"
    )
    explain = tasks.explain_failure
    explain.next(run_failed)
    unexplained = sfn.Fail(
        scope, "RunFailedUnexplained", error="FailureUnexplained", cause=UNEXPLAINED
    )
    explain.add_catch(unexplained, errors=["States.ALL"], result_path="$.failed.ExplainFailure")
    for task in tasks.that_may_fail:
        task.add_catch(explain, errors=["States.ALL"], result_path=f"$.failed.{task.id}")
