"""Builds through boto3 and the `aws` CLI: phases, commands, environment, rights and events."""

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

from local_account.service import ServiceError
from local_account.services.codebuild import PipelineBuild, S3Object
from tests.account.codebuild_fixture import (
    ENVIRONMENT,
    Builder,
    DirectBuilder,
    builder,
    context,
    direct,
    in_s3,
    spec,
    statuses,
    with_more,
    zipped,
)
from tests.account.event_shapes import differences, shapes
from tests.account.roles import create_role
from tests.account.sagemaker_fixture import until

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
    source = in_s3(builder, f"spec-{name}", zipped(files))
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


def test_what_signs_in_to_an_index_of_packages_is_not_in_the_log(
    direct: DirectBuilder, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = "http://me:s3cr3t-index@127.0.0.1:9/simple"  # pragma: allowlist secret
    monkeypatch.setenv("PIP_INDEX_URL", url)
    name = f"index-{direct.service.plane.isolation}"
    build = direct.build(
        name, spec(build=[f"echo $PIP_INDEX_URL; test ${{#PIP_INDEX_URL}} = {len(url)}"])
    )
    assert direct.printed(build) == ["http://me:***@127.0.0.1:9/simple"]
    assert build["buildStatus"] == "SUCCEEDED"


def test_a_token_starts_one_build_for_five_minutes(direct: DirectBuilder) -> None:
    name = f"token-{direct.service.plane.isolation}"
    direct.project(name, spec(build=["true"]))
    first = direct.start(name, idempotencyToken="a")
    assert direct.start(name, idempotencyToken="a") == first
    with pytest.raises(ServiceError, match="Parameter mismatch") as error:
        direct.start(name, idempotencyToken="a", timeoutInMinutesOverride=7)
    assert error.value.code == "InvalidInputException"
    direct.ended(first)
    direct.service.plane.minute_seconds = 0.0
    assert direct.start(name, idempotencyToken="a") != first
    direct.service.plane.minute_seconds = 60.0
    again = direct.client.retry_build(id=first, idempotencyToken="b")["build"]["id"]
    assert direct.client.retry_build(id=first, idempotencyToken="b")["build"]["id"] == again


def test_rights_are_those_of_the_build_s_role(builder: Builder) -> None:
    logs = {"Effect": "Allow", "Action": "logs:*", "Resource": "*"}
    role = create_role(builder.account, "only-logs", "codebuild", allow=[logs])
    build = builder.build("only-logs", spec(build=["aws s3 ls 2>&1"]), serviceRole=role)
    assert "ListBuckets operation" in "".join(builder.printed(build))
    source = in_s3(builder, "forbidden", zipped({"a": "b"}))
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
