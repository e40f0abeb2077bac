"""What the history says, what may be deleted, and what people are told."""

import ast
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from run_ended import cleaning, notification
from run_ended.context import WITHOUT_HISTORY, error_of, job_of_state, read_context
from run_ended.models import (
    Config,
    Context,
    Ended,
    Endpoint,
    EndpointFields,
    Execution,
    Model,
    RunEndedRequest,
    Staging,
    Version,
)
from tests.unit.lambdas.account_in_memory import (
    FORMER,
    INPUT,
    RUN,
    RUN_FIELDS,
    STOPPED,
    failed,
    known,
)
from tests.unit.lambdas.run_endings import DEPLOYED
from tests.unit.lambdas.sagemaker_in_memory import ARN, PACKAGE, STARTED

LAMBDAS = Path(__file__).resolve().parents[3] / "lambdas"
Visits = list[tuple[str, Any]]


def read(visits: Visits) -> Context:
    def events() -> Iterator[dict[str, Any]]:
        yield {"type": "ExecutionFailed", "timestamp": STOPPED}
        for number, (name, document) in reversed(list(enumerate(visits))):
            text = document if isinstance(document, str) else json.dumps(document)
            details = {"name": name, "input": text}
            at = STARTED + timedelta(minutes=number)
            yield {"type": "X", "timestamp": at, "stateEnteredEventDetails": details}

    return read_context(events())


def execution(status: str = "FAILED", error: str = "", cause: str = "") -> Execution:
    return Execution(ARN, "v1-0-0123456789abcdef", status, error, cause, STARTED, STOPPED, 0)


@pytest.mark.parametrize(
    ("event", "arn"),
    [
        ({"execution_arn": "a"}, "a"),
        ({"detail-type": "x", "detail": {"executionArn": "a", "status": "FAILED"}}, "a"),
        ({"detail": {"EndpointName": "demo-staging", "EndpointStatus": "IN_SERVICE"}}, None),
    ],
)
def test_events_of_executions_and_of_the_endpoint_are_told_apart(
    event: dict[str, Any], arn: str | None
) -> None:
    assert RunEndedRequest.model_validate(event).ended_arn == arn


def test_an_event_that_names_nothing_is_refused() -> None:
    with pytest.raises(ValidationError, match="expected execution_arn, or a detail"):
        RunEndedRequest.model_validate({"detail": {}})


def test_the_state_that_failed_is_named_not_those_that_explain_it() -> None:
    context = read(failed("TrainModel"))
    assert context.state == "TrainModel"
    assert context.run is not None
    assert context.run.name == RUN
    assert context.dataset == "v1.0"


def test_a_state_whose_explanation_failed_as_well_is_still_named() -> None:
    visits: Visits = failed("TrainModel")
    document = known(failed={"TrainModel": {}, "ExplainFailure": {}})
    assert read([*visits[:3], ("RunFailedUnexplained", document)]).state == "TrainModel"


def test_an_uncaught_end_names_the_state_that_was_running() -> None:
    assert read([("PrepareRun", INPUT), ("TrainModel", known())]).state == "TrainModel"


def test_an_input_that_was_cut_off_is_replaced_by_the_one_before() -> None:
    context = read([("TrainModel", known()), ("EvaluateModel", "")])
    assert context.state == "EvaluateModel"
    assert context.run is not None


def test_an_execution_without_states_has_no_context() -> None:
    assert read([]) == WITHOUT_HISTORY


FORGED = INPUT | {
    "run": RUN_FIELDS,
    "endpoint": {"action": "Create"},
    "registered": {"model_package_arn": PACKAGE},
}


@pytest.mark.parametrize(
    "visits",
    [
        [("PrepareRun", FORGED)],
        [("PrepareRun", FORGED), ("RunFailed", FORGED | {"failed": {"PrepareRun": {}}})],
        [("PrepareRun", FORGED), ("RunFailed", FORGED)],
        [("PrepareRun", FORGED), ("RunFailed", FORGED | {"failed": "nonsense"})],
    ],
)
def test_what_the_input_says_of_a_run_is_not_believed(visits: Visits) -> None:
    context = read(visits)
    assert (context.run, context.registered, context.endpoint) == (None, None, None)


@pytest.mark.parametrize("run", [None, 5, {"name": ""}, RUN_FIELDS | {"name": "x" * 64}])
def test_a_run_of_another_shape_is_none(run: object) -> None:
    assert read([("TrainModel", {"run": run, "dataset": 3})]).run is None


@pytest.mark.parametrize(
    ("status", "error", "expected"),
    [
        ("TIMED_OUT", "", ("States.Timeout", "did not end within its time; it was in TrainModel")),
        ("ABORTED", "", ("Aborted", "StopExecution, which gave no cause; the execution was in")),
        ("ABORTED", "Operator", ("Operator", "StopExecution")),
        ("FAILED", "States.DataLimitExceeded", ("States.DataLimitExceeded", "No cause")),
    ],
)
def test_every_unsuccessful_end_has_error_and_cause(
    status: str, error: str, expected: tuple[str, str]
) -> None:
    context = read([("TrainModel", known())])
    found = error_of(execution(status, error), context)
    assert found[0] == expected[0]
    assert expected[1] in found[1]


@pytest.mark.parametrize(
    ("state", "group"),
    [
        ("ValidateDataset", "/aws/sagemaker/ProcessingJobs"),
        ("TrainModel", "/aws/sagemaker/TrainingJobs"),
        ("CreateModel", None),
    ],
)
def test_only_states_with_a_job_have_its_log(state: str, group: str | None) -> None:
    job = job_of_state(read(failed(state)))
    assert (job.log_group if job else None) == group


def staged(action: str = "Update", former: str | None = FORMER) -> Context:
    endpoint = EndpointFields.model_validate({"action": action, "former_config": former})
    return read(failed("TestModel"))._replace(endpoint=endpoint)


@pytest.mark.parametrize(
    ("status", "config", "former", "holds_lock", "action"),
    [
        ("InService", RUN, FORMER, True, "restore"),
        ("UpdateRollbackFailed", RUN, FORMER, True, "restore"),
        ("InService", RUN, None, True, "delete"),
        ("InService", RUN, RUN, True, "delete"),
        ("Failed", RUN, None, True, "delete"),
        ("Failed", "", None, True, "delete"),
        ("Failed", "someone-elses", None, True, "nothing"),
        ("Failed", RUN, FORMER, True, "nothing"),
        ("InService", FORMER, FORMER, True, "nothing"),
        ("InService", RUN, FORMER, False, "nothing"),
        ("OutOfService", RUN, FORMER, True, "nothing"),
        ("Updating", FORMER, FORMER, True, "wait"),
        ("Deleting", RUN, None, True, "wait"),
        ("Deleting", RUN, None, False, "nothing"),
    ],
)
def test_staging_is_put_back_to_what_it_was(
    status: str, config: str, former: str | None, holds_lock: bool, action: str
) -> None:
    endpoint = Endpoint(status, config)
    repair = cleaning.repair(
        staged(former=former), endpoint, holds_lock=holds_lock, awaits_deployment=False
    )
    assert repair.action == action
    assert repair.config == (FORMER if action == "restore" else "")


def test_an_endpoint_that_the_run_never_looked_at_is_left_alone() -> None:
    context = read(failed("AcquireStaging"))
    endpoint = Endpoint("Updating", RUN)
    for seen, found in ((context, endpoint), (staged(), None)):
        repair = cleaning.repair(seen, found, holds_lock=True, awaits_deployment=False)
        assert repair == cleaning.NOTHING


@pytest.mark.parametrize(
    ("endpoint", "holds_lock", "action"),
    [
        (None, True, "wait"),
        (None, False, "nothing"),
        (Endpoint("InService", FORMER), True, "wait"),
        (Endpoint("InService", FORMER), False, "nothing"),
        (Endpoint("InService", RUN), True, "restore"),
    ],
)
def test_a_deployment_that_does_not_show_is_waited_for(
    endpoint: Endpoint | None, holds_lock: bool, action: str
) -> None:
    repair = cleaning.repair(staged(), endpoint, holds_lock=holds_lock, awaits_deployment=True)
    assert repair.action == action


@pytest.mark.parametrize(
    ("status", "state", "results", "error", "seconds", "awaited"),
    [
        ("ABORTED", "UpdateEndpoint", {}, "", 59, True),
        ("ABORTED", "UpdateEndpoint", {}, "", 60, False),
        ("TIMED_OUT", "CreateEndpoint", {}, "", 1, True),
        ("FAILED", "CreateEndpoint", {}, "SageMaker.AmazonSageMakerException", 1, False),
        ("FAILED", "WaitForEndpoint", DEPLOYED, "EndpointTimedOut", 1, True),
        ("FAILED", "WaitForEndpoint", DEPLOYED, "EndpointRolledBack", 1, False),
        ("ABORTED", "TestModel", DEPLOYED, "", 1, True),
        ("ABORTED", "FindEndpoint", {}, "", 1, False),
    ],
)
def test_only_who_may_have_asked_for_a_deployment_awaits_it(
    status: str, state: str, results: dict[str, Any], error: str, seconds: int, awaited: bool
) -> None:
    context = read([("PrepareRun", INPUT), (state, known(**results))])
    now = int(STOPPED.timestamp()) + seconds
    assert cleaning.awaits_deployment(execution(status, error), context, now=now) is awaited


def test_what_a_duplicate_names_is_another_executions() -> None:
    duplicate = RUN_FIELDS | {"status": "Duplicate"}
    context = read([("Duplicate", known(registered={"model_package_arn": PACKAGE}, run=duplicate))])
    assert (context.run, context.registered) == (None, None)


def config(name: str, minutes: int, *models: str) -> Config:
    return Config(name, STARTED + timedelta(minutes=minutes), frozenset(models or (name,)))


@pytest.mark.parametrize(("kept", "going"), [(1, [3, 2, 0]), (2, [3, 2, 0]), (4, [0])])
def test_surplus_is_what_is_older_than_the_newest_few(kept: int, going: list[int]) -> None:
    configs = [config(f"demo-v1-{number}aaaaaaaaa-1", number) for number in range(6)]
    found = cleaning.surplus(configs, run_name=configs[1].name, kept=kept)
    assert found == [configs[number] for number in going]


def test_only_what_is_made_as_runs_make_it_is_a_runs() -> None:
    ours = config("demo-v1-0aaaaaaaaa-1", 0)
    others = [
        config("demo-mine", 0),
        config("demolition-v1-0aaaaaaaaa-1", 0),
        config("demo-v1-1aaaaaaaaa-1", 0, "another-model"),
    ]
    assert cleaning.of_runs([ours, *others], "demo") == [ours]


@pytest.mark.parametrize(
    ("model", "ours"),
    [
        (Model(STARTED, "s3://b/runs/k/1/model.tar.gz"), True),
        (Model(STARTED, "s3://b-two/runs/k/1/model.tar.gz"), False),
        (Model(STARTED, "s3://b/elsewhere/model.tar.gz"), False),
        (None, True),
    ],
)
def test_a_model_is_ours_by_the_bucket_of_its_artifact(model: Model | None, ours: bool) -> None:
    assert cleaning.is_ours(model, "b") is ours


def test_a_model_that_another_config_has_stays() -> None:
    assert not cleaning.model_may_go(RUN, [config("experiment", 2, RUN)])
    assert cleaning.model_may_go(RUN, [config("experiment", 2, RUN)], ["experiment"])
    assert cleaning.model_may_go(RUN, [config(RUN, 2)])


def test_a_rejection_is_one_short_line() -> None:
    text = cleaning.rejection("E", "a\nb " + "x" * 2000)
    assert text.startswith("E: a b xxx")
    assert len(text) == 1024


def ended(of: Execution, context: Context | None = None, version: Version | None = None) -> Ended:
    staging = Staging(False, "endpoint demo-staging does not exist.")
    return Ended(of, context or read(failed("TrainModel")), version, staging, (), ())


@pytest.mark.parametrize(
    ("error", "commands"),
    [
        ("TrainingJobFailed", ["runs show NAME", "runs retry NAME"]),
        ("QualityGateFailed", ["runs show NAME"]),
        ("DatasetInvalid", ["runs show NAME", "data publish FOLDER --version NEW"]),
        ("ImageMissing", ["pipelines follow", "runs retry NAME"]),
        ("ImageInvalid", ["runs show NAME"]),
    ],
)
def test_every_error_comes_with_what_to_type(error: str, commands: list[str]) -> None:
    steps = notification.next_steps(ended(execution(error=error)))
    expected = [each.replace("NAME", "v1-0-0123456789abcdef") for each in commands]
    assert list(steps) == [f".venv/bin/mlops {each}" for each in expected]


@pytest.mark.parametrize(
    ("status", "step"),
    [
        (
            "PendingManualApproval",
            f".venv/bin/aws sagemaker update-model-package --model-package-arn {PACKAGE} "
            "--model-approval-status Approved",
        ),
        ("Approved", ".venv/bin/mlops runs show v1-0-0123456789abcdef"),
    ],
)
def test_a_version_that_waits_is_to_be_approved(status: str, step: str) -> None:
    version = Version(PACKAGE, status)
    assert notification.next_steps(ended(execution("SUCCEEDED"), version=version)) == (step,)


@pytest.mark.parametrize(("error", "repeated"), [("Ü\n" * 80, False), ("E", True)])
def test_a_subject_is_short_printable_ascii(error: str, repeated: bool) -> None:
    subject = notification.subject(ended(execution(error=error)), "demo", repeated=repeated)
    assert subject.isascii()
    assert subject.isprintable()
    assert len(subject) <= 100
    assert subject.startswith("Repeated: demo: run v1-0" if repeated else "demo: run v1-0")


def test_a_notification_tells_everything_in_each_protocol() -> None:
    told = ended(
        execution(error="States.DataLimitExceeded", cause="too\nlarge " + "x" * 30_000),
        version=Version(PACKAGE, "Approved"),
    )
    told = told._replace(left=("Deleting x: AccessDenied",), log=("a ``` line",))
    messages = notification.messages(told, "demo", title="title")
    assert messages["default"] == messages["email"]
    for text in (messages["email"], messages["https"]):
        for part in ("TrainModel", "too large", "v1.0", "ATTENTION", "AccessDenied", "S3 URI"):
            assert part in text
        assert "runs retry" in text
        assert ARN in text
    chat = json.loads(messages["https"])
    assert (chat["version"], chat["source"]) == ("1.0", "custom")
    assert len(chat["content"]["description"]) <= 8000
    assert chat["content"]["description"].count("```") == 2
    assert len(json.dumps(messages)) < 64 * 1024


@pytest.mark.parametrize("module", ["models", "context", "cleaning", "notification"])
def test_what_decides_knows_no_sdk(module: str) -> None:
    tree = ast.parse((LAMBDAS / "run_ended" / f"{module}.py").read_text())
    froms = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    plain = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    for name in froms | plain:
        assert not name.startswith(("boto", "shared.aws", "shared.records")), name
        assert not name.endswith((".gateway", ".hosting")), name


def test_commands_name_the_environment_that_is_not_the_default() -> None:
    told = ended(execution())._replace(environment_name="prod")
    assert notification.next_steps(told)
    assert all(step.endswith(" --env prod") for step in notification.next_steps(told))
