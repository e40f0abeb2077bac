"""From `docker build` to a job of the image: the client, its daemon, the registry and a container.

The daemon runs in the test's process and pushes to the running account through its API.
"""

import base64
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from local_account.authorization.principals import Credentials
from local_account.image_builds import ImageBuilds
from local_account.image_builds.engines import CHOICE_VARIABLE, ENGINES, works
from local_account.registry_tokens import RegistryTokens
from local_account.sandbox import bubblewrap_works
from local_account.service import Account
from tests.account.codebuild_fixture import ENVIRONMENT, Builder, builder, spec, with_more
from tests.account.roles import create_role
from tests.account.sagemaker_fixture import PROGRAM, Lab, lab, until
from tests.conftest import CACHE, RunningAccount

__all__ = ["builder", "lab"]

REGISTRY = "123456789012.dkr.ecr.us-east-1.amazonaws.com"
REPOSITORY = "built"
BASE = f"python:3.12-slim@sha256:{'1' * 64}"
DOCKERFILE = """
ARG BASE_IMAGE
FROM ${BASE_IMAGE} AS base
WORKDIR /opt/program
ENTRYPOINT ["python", "/opt/program/main.py"]
FROM base AS model
COPY main.py .
RUN python -m compileall -q .
"""
_BUILD = ("build", "--platform", "linux/amd64", "--provenance=false", "--target", "model")


@dataclass(frozen=True)
class Docker:
    """The client, in a folder that is its context and its home."""

    folder: Path
    socket: Path
    tokens: RegistryTokens
    administrator: Credentials
    account: Account

    def __call__(
        self, *arguments: str, given: str = "", check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            self.command(*arguments), **self.place, input=given, capture_output=True, timeout=120
        )
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-IS", str(ImageBuilds.client), *arguments]

    @property
    def place(self) -> dict[str, Any]:
        variables = {
            "PATH": os.defpath,
            "HOME": str(self.folder),
            "DOCKER_HOST": f"unix://{self.socket}",
        }
        return {"cwd": self.folder, "env": variables, "text": True}

    def log_in(self, holder: Credentials | None = None) -> None:
        token, _ = self.tokens.issue(holder or self.administrator)
        password = base64.b64decode(token).decode().partition(":")[2]
        self("login", "--username", "AWS", "--password-stdin", REGISTRY, given=password)

    def build(self, tag: str, *options: str, check: bool = True) -> Any:
        base = ("--build-arg", f"BASE_IMAGE={BASE}")
        reference = f"{REGISTRY}/{REPOSITORY}:{tag}"
        return self(*_BUILD, *base, "-t", reference, *options, ".", check=check)

    def push(self, tag: str, check: bool = True) -> Any:
        return self("push", f"{REGISTRY}/{REPOSITORY}:{tag}", check=check)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """A cache without layers, with the project's environments."""
    (CACHE / "environments").mkdir(parents=True, exist_ok=True)
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache/environments").symlink_to(CACHE / "environments")
    return tmp_path / "cache"


@pytest.fixture
def docker(
    account: RunningAccount, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Docker]:
    monkeypatch.setenv(CHOICE_VARIABLE, "rootless")
    contact = {name: value for name, value in account.contact.items() if name != "pid"}
    tokens = RegistryTokens()
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "Dockerfile").write_text(DOCKERFILE)
    (folder / "main.py").write_bytes(PROGRAM)
    own = Credentials(contact["access_key_id"], contact["secret_access_key"])
    direct = Account(**contact, state=tmp_path, cache=cache)
    with ImageBuilds(direct, tokens).serve() as address:
        yield Docker(folder, address, tokens, own, direct)


@pytest.fixture
def ecr(account: RunningAccount) -> Iterator[Any]:
    client = account.client("ecr")
    client.create_repository(repositoryName=REPOSITORY, imageTagMutability="IMMUTABLE")
    yield client
    client.delete_repository(repositoryName=REPOSITORY, force=True)


def _digest(ecr: Any, tag: str) -> str:
    found = ecr.describe_images(repositoryName=REPOSITORY, imageIds=[{"imageTag": tag}])
    digest: str = found["imageDetails"][0]["imageDigest"]
    return digest


def test_an_image_is_built_pushed_and_trains(docker: Docker, ecr: Any, lab: Lab) -> None:
    docker.log_in()
    built = docker.build("one")
    assert "image builder: rootless (MLOPS_IMAGE_BUILDER says so)" in built.stdout
    pushed = docker.push("one").stdout
    digest = _digest(ecr, "one")
    assert f"one: digest: {digest} size: " in pushed
    trained = replace(lab, image=f"{REGISTRY}/{REPOSITORY}@{digest}").train("rootless", answer="7")
    assert trained["TrainingJobStatus"] == "Completed", trained["FailureReason"]
    reference = f"{REGISTRY}/{REPOSITORY}:one"
    listed = docker("image", "inspect", "--format", "{{index .RepoDigests 0}}", reference)
    assert listed.stdout.strip() == f"{REGISTRY}/{REPOSITORY}@{digest}"


def test_equal_content_is_an_equal_digest_and_other_content_another(
    docker: Docker, ecr: Any, cache: Path
) -> None:
    docker.log_in()
    docker.build("one")
    docker.push("one")
    assert "Using cache" in docker.build("cached").stdout
    shutil.rmtree(cache / "layers")
    assert "Using cache" not in docker.build("anew").stdout
    (docker.folder / "main.py").write_bytes(PROGRAM + b"\n")
    docker.build("other")
    for tag in ("cached", "anew", "other"):
        docker.push(tag)
    assert _digest(ecr, "one") == _digest(ecr, "cached") == _digest(ecr, "anew")
    assert _digest(ecr, "other") != _digest(ecr, "one")


def test_a_tag_that_is_taken_stays(docker: Docker, ecr: Any) -> None:
    docker.log_in()
    docker.build("fixed")
    docker.push("fixed")
    assert docker.push("fixed").returncode == 0  # the same image
    (docker.folder / "main.py").write_text("other")
    docker.build("fixed")
    refused = docker.push("fixed", check=False)
    assert refused.returncode == 1
    assert refused.stderr == (
        "ERROR: tag invalid: The image tag 'fixed' already exists in the 'built' repository and "
        "cannot be overwritten because the tag is immutable.\n"
    )


def test_what_dockerignore_leaves_out_is_not_in_the_image(docker: Docker) -> None:
    (docker.folder / ".dockerignore").write_text("*\n!main.py\n")
    (docker.folder / "secret.txt").write_text("x")
    (docker.folder / "Dockerfile").write_text(DOCKERFILE.replace("main.py .", "secret.txt ."))
    refused = docker.build("secret", check=False)
    assert "excluded by .dockerignore: stat secret.txt" in refused.stderr


def test_a_failing_command_ends_the_build_with_its_output(docker: Docker) -> None:
    (docker.folder / "Dockerfile").write_text(DOCKERFILE + "RUN echo before && exit 9\n")
    failed = docker.build("failed", check=False)
    assert failed.returncode == 1
    assert "before\n" in failed.stdout
    assert failed.stderr.startswith('ERROR: Dockerfile:9: process "/bin/sh -c echo before')
    assert failed.stderr.endswith("did not complete successfully: exit code: 9\n")
    assert "No such image" in docker.push("failed", check=False).stderr


def test_output_comes_live_and_the_build_ends_with_its_client(docker: Docker) -> None:
    mark = f"{time.time_ns() % 10**6}.5"
    (docker.folder / "Dockerfile").write_text(DOCKERFILE + f"RUN echo ready; sleep 600{mark}\n")
    base = f"BASE_IMAGE={BASE}"
    with subprocess.Popen(
        docker.command("build", "--build-arg", base, "-t", "x", "."),
        **docker.place,
        stdout=subprocess.PIPE,
    ) as client:
        try:
            assert client.stdout is not None
            assert "ready\n" in iter(client.stdout.readline, "")
            until(lambda: "there" if _runs(f"600{mark}") else None, seconds=10)
        finally:
            client.kill()
    until(lambda: None if _runs(f"600{mark}") else "gone", seconds=10)


def _runs(mark: str) -> bool:
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout
    return any(line.startswith("sleep") and mark in line for line in listed.splitlines())


def test_nobody_pushes_without_a_login(docker: Docker, ecr: Any) -> None:
    docker.build("one")
    assert docker.push("one", check=False).stderr == "ERROR: no basic auth credentials\n"
    wrong = docker("login", "-u", "AWS", "--password-stdin", REGISTRY, given="x", check=False)
    assert "failed with status: 400 Bad Request" in wrong.stderr
    docker.log_in()
    docker("logout", REGISTRY)
    assert docker.push("one", check=False).stderr == "ERROR: no basic auth credentials\n"


def test_a_push_has_the_rights_of_who_logged_in(
    docker: Docker, ecr: Any, account: RunningAccount
) -> None:
    reads = ["ecr:BatchCheckLayerAvailability"]
    statement = {"Effect": "Allow", "Action": reads, "Resource": "*"}
    trusted = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    arn = create_role(account, "reads-images", allow=[statement])
    document = json.dumps({"Version": "2012-10-17", "Statement": [trusted]})
    iam = account.client("iam")
    iam.update_assume_role_policy(RoleName="reads-images", PolicyDocument=document)
    key = account.client("sts").assume_role(RoleArn=arn, RoleSessionName="pushes")["Credentials"]
    docker.log_in(Credentials(key["AccessKeyId"], key["SecretAccessKey"], key["SessionToken"]))
    docker.build("one")
    refused = docker.push("one", check=False)
    assert refused.stderr.startswith("ERROR: denied: User: arn:aws:sts::123456789012:assumed-role")
    assert "is not authorized to perform: ecr:InitiateLayerUpload" in refused.stderr


def test_a_repository_that_is_absent_and_a_registry_of_somebody_else(docker: Docker) -> None:
    docker.log_in()
    docker.build("one")
    docker("tag", f"{REGISTRY}/{REPOSITORY}:one", f"{REGISTRY}/absent:one")
    absent = docker("push", f"{REGISTRY}/absent:one", check=False)
    assert absent.stderr.startswith("ERROR: name unknown: The repository with name 'absent'")
    docker("tag", f"{REGISTRY}/{REPOSITORY}:one", "docker.io/library/x:one")
    foreign = docker("push", "docker.io/library/x:one", check=False)
    assert "docker.io is not a registry of this account" in foreign.stderr


def test_passwords_are_the_registrys(account: RunningAccount) -> None:
    ecr = account.client("ecr")
    (first,) = ecr.get_authorization_token()["authorizationData"]
    (second,) = ecr.get_authorization_token()["authorizationData"]
    assert first["proxyEndpoint"] == f"https://{REGISTRY}"
    assert base64.b64decode(first["authorizationToken"]).startswith(b"AWS:")
    assert first["authorizationToken"] != second["authorizationToken"]
    assert 11.9 * 3600 < first["expiresAt"].timestamp() - time.time() <= 12 * 3600


def test_a_build_of_codebuild_builds_and_pushes(builder: Builder, ecr: Any) -> None:
    commands = [
        "date > a.txt",
        "printf 'FROM %s\\nWORKDIR /opt/program\\nCOPY a.txt .\\n' \"$BASE\" > Dockerfile",
        "aws ecr get-login-password | docker login -u AWS --password-stdin $REGISTRY",
        f"docker build -t $REGISTRY/{REPOSITORY}:codebuild .",
        f"docker push $REGISTRY/{REPOSITORY}:codebuild",
    ]
    variables = {"REGISTRY": REGISTRY, "BASE": BASE}
    buildspec = with_more(spec(build=commands), env={"variables": variables})
    privileged = {**ENVIRONMENT, "privilegedMode": True}
    build = builder.build("image-builds", buildspec, environment=privileged)
    assert build["buildStatus"] == "SUCCEEDED", "\n".join(builder.log(build))
    assert any(line.startswith("image builder: ") for line in builder.printed(build))
    pushed = f"codebuild: digest: {_digest(ecr, 'codebuild')} size: "
    assert any(line.startswith(pushed) for line in builder.printed(build))


def test_a_builder_that_is_none_is_refused(docker: Docker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CHOICE_VARIABLE, "kaniko")
    refused = docker.build("one", check=False).stderr
    assert refused.startswith("ERROR: MLOPS_IMAGE_BUILDER=kaniko is no builder, expected one of")


def test_an_engine_without_the_base_image_is_not_taken(
    docker: Docker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    engine = tmp_path / "bin/buildah"
    engine.parent.mkdir()
    engine.write_text('#!/bin/sh\ntest "$1" = images\n')
    engine.chmod(0o755)
    monkeypatch.setenv(CHOICE_VARIABLE, "auto")
    monkeypatch.setenv("PATH", f"{engine.parent}:/usr/bin:/bin")
    for other in ("podman", "docker"):
        (engine.parent / other).write_text("#!/bin/sh\nexit 1\n")
        (engine.parent / other).chmod(0o755)
    said = docker.build("one").stdout.splitlines()[0]
    assert said == (
        f"image builder: rootless (buildah is here but does not have {BASE}; pull it to build with "
        "buildah; podman is here but does not work; docker is here but does not work)"
    )


@pytest.fixture
def buildah(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A store with a small base image: a shell and `cat` of this machine. Its reference."""
    if not works(ENGINES[0]) or not bubblewrap_works():
        pytest.skip("buildah or bubblewrap does not work on this machine")
    store = tmp_path / "storage.conf"
    folders = f'graphroot = "{tmp_path}/graph"\nrunroot = "{tmp_path}/run"\n'
    store.write_text(f'[storage]\ndriver = "vfs"\n{folders}')
    monkeypatch.setenv("CONTAINERS_STORAGE_CONF", str(store))
    root = tmp_path / "base"
    for program in ("sh", "cat", "sleep"):
        _bring(Path(shutil.which(program) or program).resolve(), root, f"bin/{program}")
    files = tmp_path / "Base"
    files.write_text("FROM scratch\nCOPY . /\nENV PATH=/bin\n")
    command = ["buildah", "build", "--format", "docker", "-q", "-f", str(files), "-t", "tiny"]
    subprocess.run([*command, str(root)], check=True, capture_output=True)
    return "localhost/tiny"


def _bring(program: Path, root: Path, name: str) -> None:
    """Copy a program and the libraries that it is linked to."""
    listed = subprocess.run(["ldd", str(program)], capture_output=True, text=True, check=True)
    words = [word for line in listed.stdout.splitlines() for word in line.split()]
    wanted = {name: program, **{w[1:]: Path(w) for w in words if w.startswith("/")}}
    for inside, path in wanted.items():
        target = root / inside
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path.resolve(), target)


def test_an_image_of_an_engine_has_its_own_root(
    docker: Docker, ecr: Any, lab: Lab, buildah: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CHOICE_VARIABLE, "buildah")
    (docker.folder / "Dockerfile").write_text(
        f"FROM {buildah}\nCOPY main.py /srv/\nRUN echo built > /srv/built.txt\n"
        'ENTRYPOINT ["/bin/sh", "-c", "cat /srv/built.txt; test ! -e /usr/bin/python3"]\n'
    )
    docker.log_in()
    built = docker("build", "-t", f"{REGISTRY}/{REPOSITORY}:own", ".").stdout
    assert "image builder: buildah" in built
    docker("build", "-t", f"{REGISTRY}/{REPOSITORY}:again", "--no-cache", ".")
    for tag in ("own", "again"):
        docker.push(tag)
    assert _digest(ecr, "own") == _digest(ecr, "again")
    (image,) = ecr.batch_get_image(repositoryName=REPOSITORY, imageIds=[{"imageTag": "own"}])[
        "images"
    ]
    assert image["imageManifestMediaType"].endswith("docker.distribution.manifest.v2+json")
    own = replace(lab, image=f"{REGISTRY}/{REPOSITORY}@{_digest(ecr, 'own')}")
    trained = own.train("own-root")
    assert trained["TrainingJobStatus"] == "Completed", trained["FailureReason"]
    assert lab.log("/aws/sagemaker/TrainingJobs", "own-root/") == ["built"]
