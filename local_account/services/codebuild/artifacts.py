"""A build's artifacts: the files that its buildspec names, put into S3 with its role's rights."""

import hashlib
import os
import re
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from boto3.exceptions import S3UploadFailedError
from botocore.exceptions import BotoCoreError, ClientError

from local_account.services.codebuild.buildspec import Artifact, Buildspec
from local_account.services.codebuild.container import Folders
from local_account.services.codebuild.log import BuildLog
from local_account.services.codebuild.plane import PipelineBuild, Record, S3Object
from local_account.services.codebuild.records import Build, PhaseFailed

_CLIENT_ERROR = "CLIENT_ERROR"


class Artifacts:
    """Finds and uploads the artifacts of one build.

    Parameters
    ----------
    source
        The folder that paths are relative to; nothing outside of the build's output is taken.
    check
        What is called again and again, and raises where the build is to go no further.
    """

    def __init__(
        self,
        build: Build,
        s3: Any,
        log: BuildLog,
        folders: Folders,
        source: Path,
        check: Callable[[], None],
    ) -> None:
        self._build, self._s3, self._log, self._check = build, s3, log, check
        self._folders, self._source = folders, source
        self._output = folders.output.resolve()

    def upload(self, buildspec: Buildspec) -> None:
        """Upload the primary artifact and the secondary ones.

        Raises
        ------
        PhaseFailed
            If one has no files, or may not be put where it belongs.
        """
        try:
            if self._build.pipeline is None:
                self._upload_for_project(buildspec)
            else:
                self._upload_for_pipeline(buildspec, self._build.pipeline)
        except (ClientError, BotoCoreError, S3UploadFailedError, OSError) as error:
            self._check()  # what it raised while a part was sent is the reason
            raise PhaseFailed(_CLIENT_ERROR, f"Error in UPLOAD_ARTIFACTS phase: {error}") from error

    def _upload_for_project(self, buildspec: Buildspec) -> None:
        primary, record = self._build.project["artifacts"], self._build.record
        if primary["type"] == "S3" and buildspec.artifact is not None:
            self._upload(buildspec.artifact, primary, record["artifacts"])
        secondary = self._build.project.get("secondaryArtifacts", [])
        for place, told in zip(secondary, record["secondaryArtifacts"], strict=True):
            identifier = place["artifactIdentifier"]
            if artifact := buildspec.secondary_artifacts.get(identifier):
                self._upload(artifact, {"name": identifier, **place}, told)

    def _upload_for_pipeline(self, buildspec: Buildspec, pipeline: PipelineBuild) -> None:
        for name, place in pipeline.outputs.items():
            artifact = buildspec.secondary_artifacts.get(name)
            if len(pipeline.outputs) == 1:
                artifact = buildspec.artifact or artifact
            if artifact is not None:
                told = self._build.record["artifacts"]
                self._put_zip(self._files(artifact), place, told)

    def _upload(self, artifact: Artifact, place: Record, told: Record) -> None:
        files = self._files(artifact)
        name = artifact.name if place.get("overrideArtifactName") else place["name"]
        namespace = self._build.uuid if place.get("namespaceType") == "BUILD_ID" else ""
        parts = (place.get("path", "").strip("/"), namespace, name.strip("/"))
        key = "/".join(part for part in parts if part)
        if place.get("packaging") == "ZIP":
            self._put_zip(files, S3Object(place["location"], key), told)
            return
        for path, inside in files:
            with path.open("rb") as content:
                self._put(S3Object(place["location"], f"{key}/{inside}"), content, told)
        told["location"] = f"arn:aws:s3:::{place['location']}/{key}"

    def _files(self, artifact: Artifact) -> list[tuple[Path, str]]:
        """Return the files of an artifact, and how each is called in it."""
        self._log.say(f"Expanding base directory path: {artifact.base_directory}")
        bases = list(self._matching(self._source, artifact.base_directory))
        if not any(base.is_dir() for base in bases):
            raise PhaseFailed(_CLIENT_ERROR, "no matching base directory path found")
        found: dict[str, Path] = {}
        for pattern in artifact.files:
            self._log.say(f"Expanding {pattern}")
            matching = ((base, path) for base in bases for path in self._matching(base, pattern))
            for base, path in matching:
                keeps = path.is_relative_to(base) and not artifact.discard_paths
                if path.is_file():
                    found[_relative(path, base) if keeps else path.name] = path
        if not found:
            raise PhaseFailed(_CLIENT_ERROR, "no matching artifact paths found")
        self._log.say(f"Found {len(found)} file(s)")
        return [(path, inside) for inside, path in sorted(found.items())]

    def _matching(self, base: Path, pattern: str) -> Iterator[Path]:
        """Yield what a pattern matches, unless it is (or leads) outside of the build's output."""
        whole = os.path.normpath(base / self._folders.outside(pattern))
        if any(wild in pattern for wild in "*?"):
            expression = re.compile(_expression(os.path.relpath(whole, base)))
            found = [path for path in _below(base) if expression.fullmatch(_relative(path, base))]
        else:
            found = [Path(whole)]
        for path in found:
            if self._output in path.resolve().parents:
                yield path
            else:
                self._log.say(f"Skipping invalid file path {pattern}")

    def _put_zip(self, files: list[tuple[Path, str]], place: S3Object, told: Record) -> None:
        archive = self._folders.scratch / "artifact.zip"
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, strict_timestamps=False) as made:
            for path, inside in files:
                self._check()
                made.write(path, inside)
        with archive.open("rb") as content:
            told["sha256sum"] = hashlib.file_digest(content, "sha256").hexdigest()
            content.seek(0)
            told["md5sum"] = hashlib.file_digest(content, _md5).hexdigest()
            content.seek(0)
            self._put(place, content, told)
        archive.unlink()
        told["location"] = f"arn:aws:s3:::{place.bucket}/{place.key}"

    def _put(self, place: S3Object, content: Any, told: Record) -> None:
        self._check()
        self._s3.upload_fileobj(
            content,
            place.bucket,
            place.key,
            ExtraArgs=self._encryption(told),
            Callback=lambda _: self._check(),
        )

    def _encryption(self, told: Record) -> dict[str, str]:
        if told.get("encryptionDisabled"):
            return {}
        pipeline = self._build.pipeline
        key: str = pipeline.kms_key if pipeline else self._build.record["encryptionKey"]
        named = {} if not key or key.endswith("alias/aws/s3") else {"SSEKMSKeyId": key}
        return {"ServerSideEncryption": "aws:kms", **named}


def _below(base: Path) -> Iterator[Path]:
    """Yield the folders and files below a folder; links to folders are not followed."""
    for root, folders, names in os.walk(base):
        yield from (Path(root, name) for name in sorted((*folders, *names)))


def _relative(path: Path, base: Path) -> str:
    return path.relative_to(base).as_posix()


def _expression(pattern: str) -> str:
    """Return a pattern of a buildspec, such as `out/**/*`, as a regular expression."""
    escaped = re.escape(pattern).replace(r"\*\*/", "(?:[^/]+/)*").replace(r"\*\*", ".*")
    return escaped.replace(r"\*", "[^/]*").replace(r"\?", "[^/]")


def _md5() -> Any:
    return hashlib.md5(usedforsecurity=False)


def expanded(buildspec: Buildspec, expand: Callable[[str], str]) -> Buildspec:
    """Return a buildspec whose artifacts' names and paths have the variables' values in them."""

    def filled(text: str) -> str:
        return expand(text) if "$" in text or "`" in text else text

    def with_values(artifact: Artifact) -> Artifact:
        return replace(
            artifact,
            files=tuple(map(filled, artifact.files)),
            base_directory=filled(artifact.base_directory),
            name=filled(artifact.name),
        )

    secondary = {name: with_values(each) for name, each in buildspec.secondary_artifacts.items()}
    primary = with_values(buildspec.artifact) if buildspec.artifact else None
    return replace(buildspec, artifact=primary, secondary_artifacts=secondary)
