"""Builds through boto3 and the `aws` CLI: phases, commands, environment, sources and artifacts."""

import io
import json
import socket
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_account.services.codebuild import PipelineBuild, S3Object
from local_account.services.codebuild.log import MAX_BYTES
from tests.account.codebuild_fixture import (
    ENVIRONMENT,
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
from tests.account.event_shapes import differences, shapes
from tests.account.roles import create_role
from tests.account.sagemaker_fixture import until
from tests.account.stacks import change, resource

__all__ = ["builder", "direct"]  # fixtures

BEFORE = ("SUBMITTED", "QUEUED", "PROVISIONING", "DOWNLOAD_SOURCE")
COMMANDS = ("INSTALL", "PRE_BUILD", "BUILD", "POST_BUILD")


def test_a_build_that_succeeds(direct: DirectBuilder) -> None:
    name = f"succeeds-{direct.service.plane.isolation}"
    buildspec = with_more(
        spec(
            install=["X=5; cd $HOME", "pwd -P > /dev/null"],
            build=['echo "$X in $(basename "$PWD"): $COLOUR"', "export MADE='a \"b\" $c'"],
            post_build=["echo succeeding $CODEBUILD_BUILD_SUCCEEDING", "cd ~/.cache && test -w ."],
        ),
        env={"variables": {"COLOUR": "red"}, "exported-variables": ["MADE", "COLOUR", "NONE"]},
    )
    build = direct.build(name, buildspec)
    assert build["buildStatus"] == "SUCCEEDED"
    expected = (*BEFORE, *COMMANDS, "UPLOAD_ARTIFACTS", "FINALIZING")
    assert statuses(build) == dict.fromkeys(expected, "SUCCEEDED")
    home = "root" if direct.service.plane.isolation == "bwrap" else "home"
    assert direct.printed(build) == [f"5 in {home}: red", "succeeding 1"]
    assert "> Running command echo succeeding $CODEBUILD_BUILD_SUCCEEDING" in direct.log(build)
    exported = {each["name"]: each["value"] for each in build["exportedEnvironmentVariables"]}
    assert exported == {"MADE": 'a "b" $c', "COLOUR": "red", "NONE": ""}
    ended = direct.service.ended(build["id"])
    assert ended is not None
    assert (ended.status, ended.message, ended.exported) == ("SUCCEEDED", "", exported)


@pytest.mark.parametrize(
    ("failing", "reached"),
    [
        ("install", ("INSTALL",)),
        ("pre_build", ("INSTALL", "PRE_BUILD")),
        ("build", (*COMMANDS, "UPLOAD_ARTIFACTS")),
        ("post_build", (*COMMANDS, "UPLOAD_ARTIFACTS")),
    ],
)
def test_what_follows_a_phase_that_fails(
    builder: Builder, failing: str, reached: tuple[str, ...]
) -> None:
    commands: dict[str, list[str]] = {each.lower(): ["true"] for each in COMMANDS}
    commands[failing] = ["echo one", "(exit 3)", "echo never"]
    build = builder.build(f"fails-in-{failing.replace('_', '-')}", spec(**commands))
    expected = dict.fromkeys((*BEFORE, *reached, "FINALIZING"), "SUCCEEDED")
    assert statuses(build) == {**expected, failing.upper(): "FAILED"}
    assert build["buildStatus"] == "FAILED"
    message = "Error while executing command: (exit 3). Reason: exit status 3"
    assert context(build) == (failing.upper(), "COMMAND_EXECUTION_ERROR", message)
    assert builder.printed(build) == ["one"]
    log = builder.log(build)
    assert "> Command did not exit successfully (exit 3) exit status 3" in log
    assert f"> Phase complete: {failing.upper()} State: FAILED" in log
    assert f"> Phase context status code: COMMAND_EXECUTION_ERROR Message: {message}" in log


def test_finally_and_what_on_failure_says(builder: Builder) -> None:
    succeeding = "echo {} $CODEBUILD_BUILD_SUCCEEDING"
    failing = {"commands": ["false"], "finally": [succeeding.format("finally")]}
    goes_on = spec(
        pre_build={**failing, "on-failure": "CONTINUE"},
        build=[succeeding.format("build")],
        post_build=[succeeding.format("post")],
    )
    build = builder.build("goes-on", goes_on)
    assert builder.printed(build) == ["finally 1", "build 0", "post 0"]
    assert build["buildStatus"] == "FAILED"
    aborted = spec(build={**failing, "on-failure": "ABORT"}, post_build=["echo never"])
    build = builder.build("aborted", aborted)
    assert builder.printed(build) == ["finally 1"]
    assert "POST_BUILD" not in statuses(build)
    assert statuses(build)["UPLOAD_ARTIFACTS"] == "SUCCEEDED"


def test_each_command_is_a_script_of_its_own_as_with_the_agent_of_codebuild(
    builder: Builder,
) -> None:
    # variables and the folder are carried on; options and functions are not
    commands = [
        "set -o pipefail; f() { echo function; }; false | true || echo failed",
        "false | true && echo succeeded",
        "f || echo no function",
        "exit 0",
        "echo line $LINENO",
    ]
    buildspec = with_more(spec(build=commands), env={"shell": "bash"})
    build = builder.build("own-scripts", buildspec)
    printed = [line for line in builder.printed(build) if "not found" not in line]
    assert printed == ["failed", "succeeded", "no function", "line 4"]


@pytest.mark.parametrize(
    ("name", "files", "message"),
    [
        ("none", {"x": "y"}, "stat {source}/buildspec.yml: no such file or directory"),
        (
            "invalid",
            {"buildspec.yml": "version: 0.2\nphases: [a"},
            "did not find expected ',' or ']' at line 2",
        ),
        (
            "latin",
            {"buildspec.yml": b"\xff"},
            "{source}/buildspec.yml is not UTF-8: 'utf-8' codec can't decode byte 0xff in position "
            "0: invalid start byte",
        ),
    ],
)
def test_a_source_without_a_buildspec_that_can_be_carried_out(
    builder: Builder, name: str, files: dict[str, Any], message: str
) -> None:
    source = _in_s3(builder, f"spec-{name}", zipped(files))
    build = builder.build(f"spec-{name}", "", source=source)
    _, source_dir = next(
        line for line in builder.log(build) if line.startswith("> CODEBUILD_SRC_DIR=")
    ).split("=")
    expected = ("DOWNLOAD_SOURCE", "YAML_FILE_ERROR", message.format(source=source_dir))
    assert context(build) == expected
    assert list(statuses(build)) == [*BEFORE, "FINALIZING"]
    assert builder.log(build)[-1] == (
        f"> Phase context status code: YAML_FILE_ERROR Message: {expected[2]}"
    )


def _in_s3(builder: Builder, name: str, body: bytes, buildspec: str = "") -> dict[str, str]:
    s3 = builder.account.client("s3")
    bucket = "codebuild-sources"
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key=f"{name}.zip", Body=body)
    more = {"buildspec": buildspec} if buildspec else {}
    return {"type": "S3", "location": f"{bucket}/{name}.zip", **more}


def test_a_source_in_s3_and_artifacts(builder: Builder) -> None:
    buildspec = with_more(
        spec(build=["cat greeting.txt", "./run.sh", "mkdir -p out/deep; echo 1 > out/deep/x.txt"]),
        artifacts={
            "files": ["**/*"],
            "base-directory": "$CODEBUILD_SRC_DIR/out",
            "name": "made-$CODEBUILD_BUILD_NUMBER",
            "secondary-artifacts": {
                "flat": {"files": ["out/**/*.txt", "greeting.txt"], "discard-paths": "yes"}
            },
        },
    )
    script = zipfile.ZipInfo("run.sh")
    script.external_attr = 0o755 << 16
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("greeting.txt", "hello\n")
        archive.writestr("specs/main.yml", buildspec)
        archive.writestr(script, "#!/bin/sh\necho ran\n")
    source = _in_s3(builder, "whole", content.getvalue(), "specs/main.yml")
    place = {"type": "S3", "location": "codebuild-sources", "path": "made"}
    build = builder.build(
        "artifacts",
        "",
        source=source,
        artifacts={**place, "overrideArtifactName": True},
        secondaryArtifacts=[{**place, "artifactIdentifier": "flat", "packaging": "ZIP"}],
    )
    assert statuses(build)["UPLOAD_ARTIFACTS"] == "SUCCEEDED", context(build)
    assert builder.printed(build) == ["hello", "ran"]
    s3 = builder.account.client("s3")
    made = s3.get_object(Bucket="codebuild-sources", Key="made/made-1/deep/x.txt")
    assert made["Body"].read() == b"1\n"
    flat = s3.get_object(Bucket="codebuild-sources", Key="made/flat")["Body"].read()
    assert sorted(zipfile.ZipFile(io.BytesIO(flat)).namelist()) == ["greeting.txt", "x.txt"]
    (told,) = build["secondaryArtifacts"]
    assert told["location"] == "arn:aws:s3:::codebuild-sources/made/flat"
    assert len(told["sha256sum"]) == 64


def test_artifacts_of_a_build_that_failed_are_uploaded_too(builder: Builder) -> None:
    builder.account.client("s3").create_bucket(Bucket="codebuild-failed")
    artifacts = {
        "type": "S3",
        "location": "codebuild-failed",
        "name": "out.zip",
        "packaging": "ZIP",
    }
    buildspec = with_more(
        spec(build=["echo report > report.txt", "exit 1"]), artifacts={"files": ["report.txt"]}
    )
    build = builder.build("failed-artifacts", buildspec, artifacts=artifacts)
    assert build["buildStatus"] == "FAILED"
    assert statuses(build)["UPLOAD_ARTIFACTS"] == "SUCCEEDED"
    builder.account.client("s3").head_object(Bucket="codebuild-failed", Key="out.zip")


def test_artifacts_are_never_taken_from_outside_of_the_build(direct: DirectBuilder) -> None:
    outside = direct.account.log  # a file of this machine
    buildspec = with_more(
        spec(build=[f"ln -s {outside} link", f"ln -s {outside.parent} folder", "echo x > x"]),
        artifacts={"files": ["link", "folder/*", str(outside), "../../../../*", "/etc/hostname"]},
    )
    name = f"outside-{direct.service.plane.isolation}"
    direct.account.client("s3").create_bucket(Bucket=name)
    artifacts = {"type": "S3", "location": name, "packaging": "ZIP"}
    build = direct.build(name, buildspec, artifacts=artifacts)
    expected = ("UPLOAD_ARTIFACTS", "CLIENT_ERROR", "no matching artifact paths found")
    assert context(build) == expected
    assert "> Skipping invalid file path link" in direct.log(build)


def test_artifacts_that_may_not_be_written_fail_the_build(builder: Builder) -> None:
    artifacts = {"type": "S3", "location": "no-such-bucket", "packaging": "ZIP"}
    buildspec = with_more(spec(build=["printf unfinished > x; cat x"]), artifacts={"files": ["*"]})
    build = builder.build("no-bucket", buildspec, artifacts=artifacts)
    phase, code, message = context(build)
    assert (phase, code) == ("UPLOAD_ARTIFACTS", "CLIENT_ERROR")
    assert message.startswith("Error in UPLOAD_ARTIFACTS phase: ")
    assert "NoSuchBucket" in message
    assert builder.printed(build) == ["unfinished"]


def test_a_source_in_codecommit(builder: Builder) -> None:
    codecommit = builder.account.client("codecommit")
    codecommit.create_repository(repositoryName="built")
    buildspec = spec(build=["pwd", "cat a.txt", "echo $CODEBUILD_RESOLVED_SOURCE_VERSION"])
    commit = codecommit.create_commit(
        repositoryName="built",
        branchName="main",
        putFiles=[
            {"filePath": "buildspec.yml", "fileContent": buildspec.encode()},
            {"filePath": "a.txt", "fileContent": b"content\n"},
        ],
    )["commitId"]
    location = "https://git-codecommit.us-east-1.amazonaws.com/v1/repos/built"
    source = {"type": "CODECOMMIT", "location": location}
    build = builder.build("from-codecommit", "", source=source)
    folder, *rest = builder.printed(build)
    assert folder.endswith("/src/git-codecommit.us-east-1.amazonaws.com/v1/repos/built")
    assert rest == ["content", commit]
    assert build["resolvedSourceVersion"] == commit
    gone = builder.ended(builder.start("from-codecommit", sourceVersion="no-such-branch"))
    phase, code, message = context(gone)
    assert (phase, code) == ("DOWNLOAD_SOURCE", "CLIENT_ERROR")
    assert "no-such-branch" in message


def test_variables_and_parameters_by_precedence(builder: Builder) -> None:
    ssm = builder.account.client("ssm")
    ssm.put_parameter(Name="/builds/token", Value="s3cr3t-value", Type="SecureString")
    buildspec = with_more(
        spec(build=["echo $A $B $C", "echo token $TOKEN; test ${#TOKEN} = 12"]),
        env={
            "variables": {"A": "spec", "B": "spec", "C": "spec"},
            "parameter-store": {"TOKEN": "/builds/token"},
        },
    )
    chosen = [{"name": name, "value": "project"} for name in ("B", "C")]
    environment = {"environmentVariables": chosen, **ENVIRONMENT}
    builder.project("variables", buildspec, environment=environment)
    override = [{"name": "C", "value": "start", "type": "PLAINTEXT"}]
    build = builder.ended(builder.start("variables", environmentVariablesOverride=override))
    assert builder.printed(build) == ["spec project start", "token ***"]
    missing = [{"name": "C", "value": "/builds/none", "type": "PARAMETER_STORE"}]
    build = builder.ended(builder.start("variables", environmentVariablesOverride=missing))
    message = "parameter does not exist: /builds/none"
    assert context(build) == ("DOWNLOAD_SOURCE", "Decrypted Variables Error", message)


def test_the_commands_are_the_role_and_find_the_programs(
    direct: DirectBuilder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OF_THIS_MACHINE", "leaked")
    name = f"programs-{direct.service.plane.isolation}"
    commands = [
        "aws sts get-caller-identity --query Account --output text",
        "python -c 'import sys; print(sys.prefix == sys.base_prefix)'",
        "python3 -m venv --without-pip made && made/bin/python -c 'print(1)'",
        "git --version | cut -c1-3",
        'echo "leaked: $OF_THIS_MACHINE"',
    ]
    build = direct.build(name, spec(build=commands))
    assert direct.printed(build) == ["123456789012", "True", "1", "git", "leaked: "]


CLIENT = """
import os, socket, sys
place = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock").removeprefix("unix://")
with socket.socket(socket.AF_UNIX) as daemon:
    try:
        daemon.connect(place)
    except OSError:
        sys.exit("Cannot connect to the Docker daemon")
    daemon.sendall(" ".join(sys.argv[1:]).encode())
    print(daemon.recv(100).decode())
"""


class Engine:
    """Stands for what builds images: a daemon that answers once what it was asked."""

    def __init__(self, folder: Path) -> None:
        self.client, self._socket = folder / "client.py", folder / "engine.sock"
        self.client.write_text(CLIENT)
        self.served = 0

    @contextmanager
    def serve(self) -> Iterator[Path]:
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(self._socket))
            listening.listen()
            threading.Thread(target=self._answer, args=(listening,), daemon=True).start()
            yield self._socket
        self._socket.unlink()
        self.served += 1

    def _answer(self, listening: socket.socket) -> None:
        connection, _ = listening.accept()
        with connection:
            connection.sendall(b"asked to " + connection.recv(100))


def test_only_a_privileged_build_has_a_docker_daemon(direct: DirectBuilder, tmp_path: Path) -> None:
    direct.service.plane.image_builds = engine = Engine(tmp_path)
    name = f"docker-{direct.service.plane.isolation}"
    privileged = {**ENVIRONMENT, "privilegedMode": True}
    build = direct.build(name, spec(build=["docker build ."]), environment=privileged)
    assert direct.printed(build) == ["asked to build ."]
    until(lambda: engine.served or None)
    direct.project(f"{name}-not", spec(build=["docker build ."]))
    build = direct.ended(direct.start(f"{name}-not"))
    assert direct.printed(build) == ["Cannot connect to the Docker daemon"]
    assert (build["buildStatus"], engine.served) == ("FAILED", 1)


def test_rights_are_those_of_the_build_s_role(builder: Builder) -> None:
    logs = {"Effect": "Allow", "Action": "logs:*", "Resource": "*"}
    role = create_role(builder.account, "only-logs", "codebuild", allow=[logs])
    build = builder.build("only-logs", spec(build=["aws s3 ls 2>&1"]), serviceRole=role)
    assert "ListBuckets operation" in "".join(builder.printed(build))
    source = _in_s3(builder, "forbidden", zipped({"a": "b"}))
    build = builder.build("no-source", "", serviceRole=role, source=source)
    phase, code, message = context(build)
    assert (phase, code) == ("DOWNLOAD_SOURCE", "CLIENT_ERROR")
    assert message.startswith("AccessDenied: ")
    reading = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}
    nothing = create_role(builder.account, "no-logs", "codebuild", allow=[reading])
    build = builder.build("no-logs", spec(build=["true"]), serviceRole=nothing)
    phase, code, message = context(build)
    assert (phase, code) == ("PROVISIONING", "ACCESS_DENIED")
    assert message.startswith(f"Service role {nothing} does not allow AWS CodeBuild to create ")


def test_a_build_that_is_stopped(direct: DirectBuilder) -> None:
    name = f"stopped-{direct.service.plane.isolation}"
    direct.project(name, spec(build=["echo started", "sleep 60 & sleep 60"], post_build=["true"]))
    build_id = direct.start(name)
    direct.until_logged(build_id, "started")
    assert direct.service.ended(build_id) is None
    direct.client.stop_build(id=build_id)
    build = direct.ended(build_id, 5)
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


def test_a_pipeline_s_build(direct: DirectBuilder) -> None:
    name, bucket = f"piped-{direct.service.plane.isolation}", "codebuild-pipeline"
    s3 = direct.account.client("s3")
    s3.create_bucket(Bucket=bucket)
    buildspec = with_more(
        spec(
            build=[
                "cat a.txt $CODEBUILD_SRC_DIR_Other/b.txt",
                "echo $EXTRA $CODEBUILD_RESOLVED_SOURCE_VERSION $CODEBUILD_INITIATOR",
                "echo made > out.txt",
            ]
        ),
        artifacts={"files": ["out.txt"]},
    )
    s3.put_object(
        Bucket=bucket, Key="in/1", Body=zipped({"buildspec.yml": buildspec, "a.txt": "a\n"})
    )
    s3.put_object(Bucket=bucket, Key="in/2", Body=zipped({"b.txt": "b\n"}))
    codepipeline = {"type": "CODEPIPELINE"}
    direct.project(name, "", source=codepipeline, artifacts=codepipeline)
    asked = PipelineBuild(
        initiator="codepipeline/deploy",
        source_version="c" * 40,
        source=S3Object(bucket, "in/1"),
        secondary_sources={"Other": S3Object(bucket, "in/2")},
        outputs={"Made": S3Object(bucket, f"out/{name}")},
        environment=[{"name": "EXTRA", "value": "more", "type": "PLAINTEXT"}],
    )
    build = direct.ended(direct.service.start_for_pipeline(name, asked))
    assert build["buildStatus"] == "SUCCEEDED", context(build)
    assert direct.printed(build) == ["a", "b", f"more {'c' * 40} codepipeline/deploy"]
    assert build["resolvedSourceVersion"] == "c" * 40
    body = s3.get_object(Bucket=bucket, Key=f"out/{name}")["Body"].read()
    assert zipfile.ZipFile(io.BytesIO(body)).read("out.txt") == b"made\n"
    with pytest.raises(Exception, match="Only a pipeline starts a build"):
        direct.start(name)


def test_its_events(direct: DirectBuilder) -> None:
    name = f"events-{direct.service.plane.isolation}"
    build = direct.build(name, spec(build=["exit 2"]))
    until(lambda: True if len(direct.emitted) >= 12 else None)
    states = [e for e in direct.emitted if e["detail-type"] == "CodeBuild Build State Change"]
    assert [each["detail"]["build-status"] for each in states] == ["IN_PROGRESS", "FAILED"]
    assert {each["resources"][0] for each in direct.emitted} == {build["arn"]}
    shape = shapes()
    for each in direct.emitted:
        assert list(differences(each, shape[each["detail-type"]])) == []
    last = states[-1]["detail"]
    assert last["current-phase"] == "COMPLETED"
    assert last["additional-information"]["build-complete"] is True
    failed = next(
        each for each in last["additional-information"]["phases"] if each["phase-type"] == "BUILD"
    )
    assert failed["phase-context"] == [
        "COMMAND_EXECUTION_ERROR: Error while executing command: exit 2. Reason: exit status 2"
    ]
    phases = [e["detail"] for e in direct.emitted if e not in states]
    assert [each["completed-phase"] for each in phases] == list(statuses(build))
    assert phases[-3]["completed-phase-status"] == "SUCCEEDED"


def test_the_aws_cli_runs_a_build(builder: Builder) -> None:
    builder.project("by-cli", spec(build=["echo by cli"]))
    run = builder.account.run
    started = run("aws", "codebuild", "start-build", "--project-name", "by-cli").stdout
    build_id = json.loads(started)["build"]["id"]
    build = builder.ended(build_id)
    assert build["buildStatus"] == "SUCCEEDED"
    listed = run("aws", "codebuild", "list-builds-for-project", "--project-name", "by-cli").stdout
    assert json.loads(listed)["ids"] == [build_id]
    again = builder.client.retry_build(id=build_id)["build"]
    assert (again["buildNumber"], again["initiator"]) == (2, "root")
    assert builder.ended(again["id"])["buildStatus"] == "SUCCEEDED"
    assert builder.client.list_builds_for_project(projectName="by-cli")["ids"][0] == again["id"]


def test_projects_are_changed_listed_and_deleted(builder: Builder) -> None:
    created = builder.project("kept", spec(build=["true"]), tags=[{"key": "a", "value": "b"}])
    assert created["arn"] == "arn:aws:codebuild:us-east-1:123456789012:project/kept"
    assert (created["timeoutInMinutes"], created["queuedTimeoutInMinutes"]) == (60, 480)
    with pytest.raises(ClientError, match="Project already exists: arn:aws:codebuild") as error:
        builder.project("kept", spec(build=["true"]))
    assert error.value.response["Error"]["Code"] == "ResourceAlreadyExistsException"
    client = builder.client
    changed = client.update_project(name="kept", description="other", timeoutInMinutes=5)
    assert changed["project"]["description"] == "other"
    assert changed["project"]["source"] == created["source"]
    found = client.batch_get_projects(names=[created["arn"], "none"])
    assert found["projectsNotFound"] == ["none"]
    assert found["projects"][0]["timeoutInMinutes"] == 5
    assert "kept" in client.list_projects()["projects"]
    client.delete_project(name="kept")
    client.delete_project(name="kept")
    with pytest.raises(ClientError, match="Project cannot be found: arn:aws:codebuild") as error:
        builder.start("kept")
    assert error.value.response["Error"]["Code"] == "ResourceNotFoundException"


REFUSED = "InvalidInputException"
NOT_MODELLED = "UnsupportedOperation"


@pytest.mark.parametrize(
    ("more", "code", "message"),
    [
        (
            {"source": {"type": "GITHUB"}},
            NOT_MODELLED,
            "the source type GITHUB; expected one of NO_SOURCE, S3, CODECOMMIT, CODEPIPELINE",
        ),
        ({"source": {"type": "S3"}}, REFUSED, "Project source location is required"),
        ({"source": {"type": "NO_SOURCE"}}, REFUSED, "needs an inline buildspec"),
        ({"vpcConfig": {"vpcId": "v"}}, NOT_MODELLED, "does not model vpcConfig"),
        (
            {"serviceRole": "arn:aws:iam::123456789012:role/none"},
            REFUSED,
            "CodeBuild is not authorized to perform: sts:AssumeRole on arn:aws:iam",
        ),
        (
            {"environment": {**ENVIRONMENT, "type": "ARM_CONTAINER"}},
            NOT_MODELLED,
            "the environment type ARM_CONTAINER; expected LINUX_CONTAINER",
        ),
        ({"artifacts": {"type": "CODEPIPELINE"}}, REFUSED, "must both be of type CODEPIPELINE"),
        ({"name": "a b"}, REFUSED, "must satisfy regular expression pattern"),
    ],
)
def test_a_project_that_is_refused(
    builder: Builder, more: dict[str, Any], code: str, message: str
) -> None:
    with pytest.raises(ClientError, match=message) as error:
        builder.project(more.pop("name", "refused"), spec(build=["true"]), **more)
    assert error.value.response["Error"]["Code"] == code
    assert builder.client.batch_get_projects(names=["refused"])["projects"] == []


def test_what_a_build_is_asked_for_in_vain(builder: Builder) -> None:
    client = builder.client
    builder.project("vain", spec(build=["true"]))
    with pytest.raises(ClientError, match="does not model debugSessionEnabled"):
        builder.start("vain", debugSessionEnabled=True)
    with pytest.raises(ClientError, match="Invalid build ID provided"):
        client.stop_build(id="vain")
    with pytest.raises(ClientError, match="Build vain:0 does not exist"):
        client.retry_build(id="vain:0")
    assert client.batch_get_builds(ids=["vain:0"])["buildsNotFound"] == ["vain:0"]
    with pytest.raises(ClientError, match="does not model codebuild:StartBuildBatch"):
        client.start_build_batch(projectName="vain")


def test_a_project_of_a_stack(builder: Builder) -> None:
    def project(**properties: Any) -> dict[str, Any]:
        return {
            "Project": resource(
                "AWS::CodeBuild::Project",
                Name="of-a-stack",
                ServiceRole=builder.role,
                Source={"Type": "NO_SOURCE", "BuildSpec": spec(build=["echo of a stack"])},
                Artifacts={"Type": "NO_ARTIFACTS"},
                Environment={
                    "Type": "LINUX_CONTAINER",
                    "Image": "aws/codebuild/standard:7.0",
                    "ComputeType": "BUILD_GENERAL1_SMALL",
                    "PrivilegedMode": "true",
                    "EnvironmentVariables": [{"Name": "A", "Value": "b"}],
                },
                **properties,
            )
        }

    outputs = {
        "Name": {"Value": {"Ref": "Project"}},
        "Arn": {"Value": {"Fn::GetAtt": "Project.Arn"}},
    }
    logs = {"CloudWatchLogs": {"Status": "ENABLED", "GroupName": "of-a-stack"}}
    whole = project(
        Description="kept",
        TimeoutInMinutes=20,
        Cache={"Type": "LOCAL", "Modes": ["LOCAL_CUSTOM_CACHE"]},
        LogsConfig=logs,
        Tags=[{"Key": "team", "Value": "a"}],
    )
    template = {"Resources": whole, "Outputs": outputs}
    stack = change(builder.account, "with-builds", template, "CREATE")
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    told = {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}
    assert told["Name"] == "of-a-stack"
    (made,) = builder.client.batch_get_projects(names=[told["Arn"]])["projects"]
    assert (made["description"], made["timeoutInMinutes"]) == ("kept", 20)
    assert made["environment"]["privilegedMode"] is True
    assert made["tags"] == [{"key": "team", "value": "a"}]
    build = builder.ended(builder.start("of-a-stack"))
    assert build["logs"]["groupName"] == "of-a-stack"
    assert builder.printed(build) == ["of a stack"]
    change(builder.account, "with-builds", {"Resources": project()})
    (changed,) = builder.client.batch_get_projects(names=["of-a-stack"])["projects"]
    assert (changed.get("description", ""), changed["timeoutInMinutes"]) == ("", 60)
    assert (changed["cache"], changed["tags"]) == ({"type": "NO_CACHE"}, [])
    builder.account.client("cloudformation").delete_stack(StackName="with-builds")
    assert builder.client.batch_get_projects(names=["of-a-stack"])["projects"] == []


def test_the_end_of_the_account_stops_builds(direct: DirectBuilder) -> None:
    name = f"closing-{direct.service.plane.isolation}"
    direct.project(name, spec(build=["sleep 60"]))
    build_id = direct.start(name)
    direct.until_phase(build_id, "BUILD")
    direct.service.close()
    assert direct.get(build_id)["buildStatus"] == "STOPPED"
