"""Building the Dockerfile's targets with whatever container engine is installed, and pushing."""

from __future__ import annotations

import base64
import re
import shutil
import subprocess
from typing import TYPE_CHECKING

from mlops.errors import ToolError
from mlops.image import DOCKERFILE, PACKAGE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mlops.target import Deployment

ENGINES = ("docker", "podman", "buildah")
PLATFORM = "linux/amd64"


def find_engine() -> str:
    """Return the first container engine on PATH.

    Raises
    ------
    ToolError
        If none is installed.
    """
    for engine in ENGINES:
        if shutil.which(engine):
            return engine
    raise ToolError(
        f"none of {', '.join(ENGINES)} is on PATH; an image for AWS is built by one of them. "
        "Install one, or let the embedded account make the image without."
    )


def pinned(base_image: str) -> str:
    """Return the base image if it is named by its digest.

    Raises
    ------
    ToolError
        If it is not, because a tag may be another image tomorrow.
    """
    if re.search(r"@sha256:[0-9a-f]{64}$", base_image):
        return base_image
    raise ToolError(
        f"--base-image is {base_image or 'absent'!r}; expected an image by digest. Give one that "
        "holds Debian with Python 3.11 or newer, such as python:3.12-slim@sha256:<digest>."
    )


def build_and_push(
    deployment: Deployment, engine: str, base_image: str, targets: Mapping[str, str]
) -> None:
    """Build each target of the Dockerfile and push it; `targets` maps the target to its tag."""
    context = deployment.project.root
    for target, tag in targets.items():
        reference = f"{deployment.repository_uri}:{tag}"
        _run(build_command(engine, target, base_image, reference), cwd=str(context))
    _log_in(deployment, engine)
    for tag in targets.values():
        _run(push_command(engine, f"{deployment.repository_uri}:{tag}"))


def build_command(engine: str, target: str, base_image: str, reference: str) -> list[str]:
    """Return the command that builds one target as a Docker v2 schema 2 image.

    SageMaker hosting may refuse OCI manifests, which every engine writes unless told otherwise.
    """
    formats = {
        "docker": ["--provenance=false", "--output", "type=docker"],
        "podman": ["--format", "docker"],
        "buildah": ["--format", "docker"],
    }
    verb = "bud" if engine == "buildah" else "build"
    file = f"{PACKAGE}/{DOCKERFILE}"
    options = ["--platform", PLATFORM, "--target", target, *formats[engine]]
    options += ["--build-arg", f"BASE_IMAGE={base_image}"]
    return [engine, verb, *options, "--file", file, "--tag", reference, PACKAGE]


def push_command(engine: str, reference: str) -> list[str]:
    """Return the command that pushes one image."""
    options = [] if engine == "docker" else ["--format", "v2s2"]
    return [engine, "push", *options, reference]


def _log_in(deployment: Deployment, engine: str) -> None:
    answer = deployment.target.ecr.get_authorization_token()["authorizationData"][0]
    user, _, password = base64.b64decode(answer["authorizationToken"]).decode().partition(":")
    registry = deployment.repository_uri.partition("/")[0]
    command = [engine, "login", "--username", user, "--password-stdin", registry]
    _run(command, stdin=password)


def _run(command: Sequence[str], stdin: str | None = None, cwd: str | None = None) -> None:
    ended = subprocess.run(command, input=stdin, text=True, cwd=cwd, check=False)
    if ended.returncode != 0:
        raise ToolError(
            f"`{' '.join(command[:3])} …` ended with {ended.returncode}; its output above says "
            "why. Mend that and push again."
        )
