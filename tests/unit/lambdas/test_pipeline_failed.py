"""A failed action of the pipeline is told of once, with its reason and its log's last lines."""

import ast
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline_failed import logic
from pipeline_failed.handler import handler
from pipeline_failed.models import PipelineFailedRequest
from pipeline_failed.telling import tell
from shared.environment import PipelineFailedEnvironment
from shared.errors import EventInvalid
from shared.notifying import CLAIM_SECONDS
from tests.unit.lambdas.account_in_memory import NOW, TABLE, Account, Crash
from tests.unit.lambdas.conftest import EVENTS

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")

LAMBDAS = Path(__file__).resolve().parents[3] / "lambdas"
Document = dict[str, Any]
Event = Callable[[str], Any]
COMMIT = "c" * 40
EXECUTION = "7f1c9a20-5b3d-4c8e-9a10-2b6f0e4d8c77"
BUILD = "demo-test:3e5a7c90-2222-4333-8444-555566667777"
STREAM = "3e5a7c90-2222-4333-8444-555566667777"
RUN_ARN = "arn:aws:states:eu-west-1:111122223333:execution:m:run-1"
ENVIRONMENT = PipelineFailedEnvironment(
    powertools_service_name="t",
    powertools_metrics_namespace="t",
    powertools_log_level="INFO",
    environment_name="staging",
    project_name="demo",
    run_table_name=TABLE,
    topic_arn="topic",
)


@pytest.fixture
def failed(event: Event) -> Document:
    """The event of a test stage that failed."""
    document: Document = event("codepipeline_action_failed")
    return document


@pytest.fixture(autouse=True)
def tested(account: Account) -> None:
    """A commit whose tests failed."""
    account.codepipeline.revisions = [
        {"name": "Source", "revisionId": COMMIT, "revisionSummary": "Try eta\n\nBecause."}
    ]
    account.codebuild.builds[BUILD] = {
        "id": BUILD,
        "buildStatus": "FAILED",
        "phases": [
            {"phaseType": "INSTALL", "phaseStatus": "SUCCEEDED"},
            {
                "phaseType": "BUILD",
                "phaseStatus": "FAILED",
                "contexts": [
                    {"statusCode": "COMMAND_EXECUTION_ERROR", "message": "pytest: exit status 1"}
                ],
            },
            {"phaseType": "COMPLETED"},
        ],
        "logs": {"groupName": "/aws/codebuild/demo-test", "streamName": STREAM},
    }
    account.logs.streams = {STREAM: [f"line {number}" for number in range(50)]}


def look(event: Document, *, request: str = "request-1", now: int = NOW) -> str:
    asked = PipelineFailedRequest.model_validate(event)
    return tell(asked, ENVIRONMENT, claimant=request, now=now).status


def text(account: Account, number: int = -1) -> str:
    return str(json.loads(account.sns.published[number]["Message"])["default"])


def changed(event: Document, **detail: Any) -> Document:
    return {**event, "detail": {**event["detail"], **detail}}


def test_a_failed_build_is_told_with_commit_reason_log_and_what_to_do(
    account: Account, failed: Document
) -> None:
    assert look(failed) == "Notified"
    (message,) = account.sns.published
    assert message["TopicArn"] == "topic"
    assert message["Subject"] == "demo: DemoPipeline failed in Test, commit ccccccc"
    told = text(account)
    for part in (
        "Stage: Test\n",
        f"Commit: {COMMIT}: Try eta\n",
        "Reason: The build is FAILED in its phase BUILD: "
        "COMMAND_EXECUTION_ERROR: pytest: exit status 1\n",
        f"Build: {BUILD}\n",
        "Mend the code and push a commit.",
        f"Last log lines (/aws/codebuild/demo-test, stream {STREAM}):\n  line 30\n",
        "  line 49\n",
        "  .venv/bin/mlops pipelines logs 7f1c9a20 --env staging\n",
        "  .venv/bin/mlops pipelines retry 7f1c9a20 --env staging\n",
        EXECUTION,
    ):
        assert part in told
    assert "line 29" not in told
    assert "Not found out" not in told
    chat = json.loads(json.loads(message["Message"])["https"])
    assert chat["metadata"]["threadId"] == EXECUTION
    assert "line 49" in chat["content"]["description"]


def test_however_often_the_event_comes_it_is_told_once(account: Account, failed: Document) -> None:
    assert [look(failed, request=f"request-{n}") for n in range(3)] == [
        "Notified",
        "Duplicate",
        "Duplicate",
    ]
    assert len(account.sns.published) == 1


def test_a_stage_that_is_retried_and_fails_again_is_told_of_again(
    account: Account, failed: Document
) -> None:
    look(failed)
    result = {**failed["detail"]["execution-result"], "external-execution-id": "demo-test:second"}
    assert look(changed(failed, **{"execution-result": result})) == "Notified"
    assert len(account.sns.published) == 2


@pytest.mark.parametrize("known_by", ["action-execution-id", "event"])
def test_tries_without_a_build_are_told_apart(
    account: Account, failed: Document, known_by: str
) -> None:
    def attempt(name: str) -> Document:
        if known_by == "event":
            return changed({**failed, "id": name}, **{"execution-result": {}})
        return changed(failed, **{"execution-result": {}, "action-execution-id": name})

    found = [look(attempt(name)) for name in ("one", "one", "two")]
    assert found == ["Notified", "Duplicate", "Notified"]


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_lambda_that_dies_is_made_up_for_by_its_retry(
    account: Account, failed: Document, moment: str, number: int
) -> None:
    account.crash_at = (moment, number)
    with pytest.raises(Crash):
        look(failed)
    look(failed)
    look(failed, request="another", now=NOW + CLAIM_SECONDS)
    published = [message["Subject"] for message in account.sns.published]
    assert 1 <= len(published) <= 2
    assert all(subject.startswith("Repeated: ") for subject in published[1:])


def test_a_notification_that_cannot_be_sent_is_sent_by_the_retry(
    account: Account, failed: Document
) -> None:
    account.refused = {"publish": "KMSAccessDenied"}
    with pytest.raises(Exception, match="KMSAccessDenied"):
        look(failed)
    account.refused = {}
    assert look(failed, request="another") == "Notified"
    (message,) = account.sns.published
    assert not message["Subject"].startswith("Repeated")


def training(failed: Document, result: Document) -> Document:
    kind = {"provider": "StepFunctions"}
    return changed(failed, stage="Train", action="Train", type=kind, **{"execution-result": result})


def test_a_run_that_failed_is_left_to_what_ends_it(account: Account, failed: Document) -> None:
    result = {"external-execution-id": RUN_ARN, "error-code": "JobFailed"}
    assert look(training(failed, result)) == "ToldByRun"
    assert not account.sns.published
    assert account.changes == []


def test_a_run_that_was_never_started_is_told_of_in_the_pipeline_s_words(
    account: Account, failed: Document
) -> None:
    refusal = "states:StartExecution is not allowed"
    account.codepipeline.actions = [
        {"stageName": "Build", "actionName": "Build", "output": {}},
        {
            "stageName": "Train",
            "actionName": "Train",
            "output": {"executionResult": {"errorDetails": {"message": refusal}}},
        },
    ]
    assert look(training(failed, {"error-code": "PermissionError"})) == "Notified"
    assert f"Reason: {refusal}\n" in text(account)
    assert "The training was not started." in text(account)
    assert "pipelines retry 7f1c9a20" in text(account)
    assert "pipelines logs" not in text(account)


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        ({"external-execution-summary": "Branch main\nis gone"}, "Branch main is gone"),
        ({"error-code": "ConfigurationError"}, "ConfigurationError"),
        ({}, "No reason was given."),
    ],
)
def test_a_source_that_cannot_be_read_has_no_commit(
    account: Account, failed: Document, result: Document, reason: str
) -> None:
    account.codepipeline.revisions = []
    kind = {"provider": "CodeCommit", "category": "Source"}
    source = changed(failed, stage="Source", type=kind, **{"execution-result": result})
    assert look(source) == "Notified"
    assert account.sns.published[0]["Subject"] == "demo: DemoPipeline failed in Source"
    assert "Commit: unknown: the source was not read\n" in text(account)
    assert f"Reason: {reason}\n" in text(account)
    assert "Last log lines" not in text(account)
    assert "pipelines retry" not in text(account)
    assert "git commit --allow-empty" in text(account)


@pytest.mark.parametrize(
    ("refused", "missing"),
    [
        ("batch_get_builds", "Not found out: The build: "),
        ("get_log_events", "Not found out: The log: "),
        ("get_pipeline_execution", "Not found out: The commit: "),
    ],
)
def test_what_cannot_be_found_out_is_said_and_the_rest_is_told(
    account: Account, failed: Document, refused: str, missing: str
) -> None:
    account.refused = {refused: "AccessDeniedException"}
    assert look(failed) == "Notified"
    assert missing in text(account)
    assert "AccessDeniedException" in text(account)
    expected = "terminated" if refused == "batch_get_builds" else "COMMAND_EXECUTION_ERROR"
    assert expected in text(account)


def test_a_build_whose_log_was_never_written_has_no_lines(
    account: Account, failed: Document
) -> None:
    account.logs.streams = {}
    assert look(failed) == "Notified"
    assert "Not found out" not in text(account)
    assert "Last log lines" not in text(account)


def test_the_cause_is_not_buried_under_what_codebuild_writes_after_it(
    account: Account, failed: Document
) -> None:
    after = (EVENTS / "codebuild_log_tail.txt").read_text().splitlines()
    said = [f"line {number}" for number in range(50)]
    account.logs.streams = {STREAM: [*said, *after]}
    assert look(failed) == "Notified"
    told = text(account)
    assert "  line 30\n" in told
    assert "  line 49\n" in told
    assert "line 29\n" not in told
    assert "[Container]" not in told


def test_a_build_that_ran_no_command_has_the_lines_of_codebuild(
    account: Account, failed: Document
) -> None:
    own = [f"[Container] 2026/03/04 09:00:0{number} Phase {number}" for number in range(5)]
    account.logs.streams = {STREAM: [*own, ""]}
    look(failed)
    assert all(line in text(account) for line in own)


def test_a_gigabyte_of_log_is_cut_to_what_is_read(account: Account, failed: Document) -> None:
    account.logs.streams = {STREAM: ["x" * 250_000] * 30}
    look(failed)
    assert text(account).count("x" * 1000) == 4


@pytest.mark.parametrize(
    ("build", "reason"),
    [
        (
            {"phases": [{"phaseType": "BUILD", "phaseStatus": "TIMED_OUT"}]},
            "The build is TIMED_OUT in its phase BUILD: TIMED_OUT",
        ),
        (
            {
                "phases": [
                    {
                        "phaseType": "DOWNLOAD_SOURCE",
                        "phaseStatus": "FAILED",
                        "contexts": [{"statusCode": "YAML_FILE_ERROR", "message": "no such\nfile"}],
                    }
                ]
            },
            "The build is TIMED_OUT in its phase DOWNLOAD_SOURCE: YAML_FILE_ERROR: no such file",
        ),
        ({"phases": []}, "The build is TIMED_OUT"),
        ({}, "The build is TIMED_OUT"),
    ],
)
def test_the_reason_is_that_of_the_phase_that_failed(
    account: Account, failed: Document, build: Document, reason: str
) -> None:
    account.codebuild.builds[BUILD] = {"buildStatus": "TIMED_OUT", **build}
    look(failed)
    assert f"Reason: {reason}\n" in text(account)


@pytest.mark.parametrize(
    ("revisions", "expected"),
    [
        ([{"revisionId": COMMIT}], (COMMIT, "")),
        ([{"name": "S"}, {"revisionId": COMMIT, "revisionSummary": "\nfix"}], (COMMIT, "fix")),
        (
            [
                {
                    "revisionId": COMMIT,
                    "revisionSummary": '{"ProviderType":"GitHub","CommitMessage":"a\\n\\nb"}',
                }
            ],
            (COMMIT, "a"),
        ),
        ([{"revisionId": COMMIT, "revisionSummary": "42"}], (COMMIT, "42")),
        ([], None),
    ],
)
def test_the_commit_is_read_of_either_source(
    revisions: list[Document], expected: tuple[str, str] | None
) -> None:
    assert logic.source_of(revisions) == expected


@pytest.mark.parametrize(
    ("detail", "problem"),
    [
        ({"state": "SUCCEEDED"}, "detail.state: Input should be 'FAILED'"),
        ({"stage": None}, "detail.stage: Input should be a valid string"),
        ({"type": {}}, "detail.type.provider: Field required"),
    ],
)
def test_an_event_of_another_shape_is_named(
    failed: Document,
    detail: Document,
    problem: str,
    environment: Callable[..., None],
    context: SimpleNamespace,
) -> None:
    set_environment(environment)
    with pytest.raises(EventInvalid, match=problem):
        handler(changed(failed, **detail), context)


def set_environment(environment: Callable[..., None]) -> None:
    environment(
        ENVIRONMENT_NAME="staging", PROJECT_NAME="demo", RUN_TABLE_NAME=TABLE, TOPIC_ARN="topic"
    )


def test_the_handler_counts_what_it_told(
    failed: Document,
    environment: Callable[..., None],
    context: SimpleNamespace,
    capsys: pytest.CaptureFixture[str],
) -> None:
    set_environment(environment)
    told = handler(failed, context)
    assert told == {
        "status": "Notified",
        "pipeline": "DemoPipeline",
        "execution_id": EXECUTION,
        "stage": "Test",
        "action": "RunTests",
    }
    assert '"NotificationsSent":[1' in capsys.readouterr().out


def test_what_words_a_failure_knows_no_sdk() -> None:
    for path in (LAMBDAS / "pipeline_failed" / "models.py", LAMBDAS / "shared" / "notices.py"):
        tree = ast.parse(path.read_text())
        froms = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        assert not [name for name in froms if name.startswith(("boto", "shared.aws"))]
