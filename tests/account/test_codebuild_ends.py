"""How builds end that do not come to their end: stopped, out of time, killed for a limit."""

from collections.abc import Callable
from queue import Queue
from typing import Any

import pytest

from local_account.services.codebuild.log import MAX_BYTES, BuildLog
from tests.account.codebuild_fixture import (
    Builder,
    DirectBuilder,
    builder,
    context,
    direct,
    spec,
    statuses,
    with_more,
    zipped,
)
from tests.account.sagemaker_fixture import until

__all__ = ["builder", "direct"]  # fixtures


def test_a_build_that_is_stopped(direct: DirectBuilder) -> None:
    name = f"stopped-{direct.service.plane.isolation}"
    direct.project(name, spec(build=["echo started", "sleep 60 & sleep 60"], post_build=["true"]))
    build_id = direct.start(name)
    direct.until_logged(build_id, "started")
    assert direct.service.ended(build_id) is None
    direct.client.stop_build(id=build_id)
    build = direct.ended(build_id)
    assert build["buildStatus"] == "STOPPED"
    assert statuses(build)["BUILD"] == "STOPPED"
    assert "POST_BUILD" not in statuses(build)
    assert direct.client.stop_build(id=build_id)["build"]["buildStatus"] == "STOPPED"


def test_a_build_that_runs_out_of_time(direct: DirectBuilder) -> None:
    name = f"timed-out-{direct.service.plane.isolation}"
    direct.service.plane.minute_seconds = 0.5
    direct.project(name, spec(build=["while true; do sleep 0.1; done"]), timeoutInMinutes=5)
    build = direct.ended(direct.start(name))
    assert build["buildStatus"] == "TIMED_OUT"
    assert context(build) == ("BUILD", "BUILD_TIMED_OUT", "Build has timed out. ")
    ended = direct.service.ended(build["id"])
    assert ended is not None
    message = "Phase: BUILD, Code: BUILD_TIMED_OUT, Message: Build has timed out."
    assert (ended.status, ended.message) == ("TIMED_OUT", message)


def test_a_build_that_is_killed_has_failed(direct: DirectBuilder) -> None:
    name = f"killed-{direct.service.plane.isolation}"
    build = direct.build(
        name, spec(build=["echo now; kill -9 $PPID; sleep 60"], post_build=["true"])
    )
    assert build["buildStatus"] == "FAILED"
    phase, code, message = context(build)
    assert (phase, code) == ("BUILD", "COMMAND_EXECUTION_ERROR")
    assert "Reason: the build container was killed (exit status " in message
    assert list(statuses(build))[-2:] == ["BUILD", "FINALIZING"]
    assert direct.printed(build) == ["now"]


def test_a_log_without_end_is_cut_and_fails_the_build(builder: Builder) -> None:
    command = "head -c 1000000000 /dev/zero | tr '\\0' 'x' | fold -w 4000"
    build = builder.build("long-log", spec(build=[command, "echo never"]))
    phase, code, message = context(build)
    assert (phase, code) == ("BUILD", "COMMAND_EXECUTION_ERROR")
    assert "killed: it" in message
    assert str(MAX_BYTES) in message
    shipped = builder.account.client("logs").describe_log_streams(
        logGroupName=build["logs"]["groupName"]
    )
    assert len(shipped["logStreams"]) == 1
    tail = builder.account.client("logs").get_log_events(
        logGroupName=build["logs"]["groupName"],
        logStreamName=build["logs"]["streamName"],
        limit=5,
        startFromHead=False,
    )
    lines = "\n".join(event["message"] for event in tail["events"])
    assert "Phase complete: BUILD State: FAILED" in lines
    state = builder.account.log.parent / "state/builds/long-log"
    (log,) = state.rglob("build.log")
    assert log.stat().st_size < 2 * MAX_BYTES


def test_a_fork_bomb_fails_the_build_alone(builder: Builder) -> None:
    bomb = "f() { sleep 30 | f & f & }; f; sleep 30"
    build = builder.build("fork-bomb", spec(build=[bomb]))
    assert build["buildStatus"] == "FAILED"
    assert "processes, at most" in context(build)[2]


def test_the_end_of_the_account_stops_builds(direct: DirectBuilder) -> None:
    name = f"closing-{direct.service.plane.isolation}"
    direct.project(name, spec(build=["sleep 60"]))
    build_id = direct.start(name)
    direct.until_phase(build_id, "BUILD")
    direct.service.close()
    assert direct.get(build_id)["buildStatus"] == "STOPPED"


class Slow:
    """Stands for a repository whose archive is made while its build is stopped."""

    def __init__(self, stop: Callable[[], None]) -> None:
        self._stop = stop

    def tip(self, repository: str, branch: str) -> Any:
        raise NotImplementedError

    def archive(self, repository: str, commit_id: str) -> bytes:
        self._stop()
        return zipped({"buildspec.yml": spec(build=["true"])})


def test_a_build_that_is_stopped_while_its_source_comes(direct: DirectBuilder) -> None:
    name, ids = f"stopped-early-{direct.service.plane.isolation}", Queue[str]()
    repositories = Slow(lambda: direct.client.stop_build(id=ids.get()))
    direct.service.plane.repositories = repositories
    source = {"type": "CODECOMMIT", "location": "https://example.com/v1/repos/slow"}
    direct.project(name, "", source=source, sourceVersion="c" * 40)
    ids.put(direct.start(name))
    (build_id,) = direct.client.list_builds_for_project(projectName=name)["ids"]
    build = direct.ended(build_id)
    assert build["buildStatus"] == "STOPPED"
    expected = dict.fromkeys(("SUBMITTED", "QUEUED", "PROVISIONING", "FINALIZING"), "SUCCEEDED")
    assert statuses(build) == {**expected, "DOWNLOAD_SOURCE": "STOPPED"}


def test_a_build_that_is_stopped_while_its_artifacts_go(direct: DirectBuilder) -> None:
    name, bucket = f"stopped-late-{direct.service.plane.isolation}", "codebuild-many"
    direct.account.client("s3").create_bucket(Bucket=bucket)
    commands = ["for i in $(seq 2000); do echo $i > $i.txt; done"]
    buildspec = with_more(spec(build=commands), artifacts={"files": ["*.txt"]})
    direct.project(name, buildspec, artifacts={"type": "S3", "location": bucket})
    build_id = direct.start(name)
    direct.until_phase(build_id, "UPLOAD_ARTIFACTS")
    direct.client.stop_build(id=build_id)
    build = direct.ended(build_id)
    assert build["buildStatus"] == "STOPPED"
    assert statuses(build)["UPLOAD_ARTIFACTS"] == "STOPPED"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_build_whose_end_fails_has_ended(
    direct: DirectBuilder, monkeypatch: pytest.MonkeyPatch
) -> None:
    ship = BuildLog.ship

    def failing(log: BuildLog, rest: bool = False) -> None:
        if rest:
            raise OSError("the disk is full")
        ship(log)

    monkeypatch.setattr(BuildLog, "ship", failing)
    build = direct.build(f"fault-{direct.service.plane.isolation}", spec(build=["true"]))
    assert (build["buildComplete"], statuses(build)["FINALIZING"]) == (True, "FAULT")
    until(lambda: [each for each in direct.emitted if _tells(each, "COMPLETED")] or None)


def _tells(event: dict[str, Any], phase: str) -> bool:
    return bool(event["detail"].get("current-phase") == phase)
