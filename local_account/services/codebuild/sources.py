"""A build's sources: archives and folders in S3, and the files of a commit."""

import re
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from local_account.archives import ArchiveError, extract_zip
from local_account.limits import GIB, MIB
from local_account.service import ServiceError
from local_account.services.codebuild.buildspec import (
    MAX_BYTES,
    Buildspec,
    BuildspecError,
    parse,
)
from local_account.services.codebuild.container import Folders
from local_account.services.codebuild.log import BuildLog
from local_account.services.codebuild.plane import SERVICE, Plane, Record, S3Object
from local_account.services.codebuild.projects import is_inline
from local_account.services.codebuild.records import Build, PhaseFailed

_MAX_SOURCE_BYTES = GIB
_PIECE_BYTES = MIB
_YAML_FILE_ERROR = "YAML_FILE_ERROR"
_COMMIT = re.compile(r"[0-9a-f]{40}")


class Sources:
    """Brings the sources of one build to its folder, with the rights of its role.

    Parameters
    ----------
    check
        What is called again and again, and raises where the build is to go no further.
    """

    def __init__(
        self, plane: Plane, build: Build, s3: Any, scratch: Path, check: Callable[[], None]
    ) -> None:
        self._plane, self._build, self._s3, self._scratch = plane, build, s3, scratch
        self._check = check

    def bring(self, root: Path) -> dict[str, Path]:
        """Return where each source is, by its identifier; the primary one has none.

        Raises
        ------
        PhaseFailed
            If one is not there, not readable or no archive.
        """
        sources = list(self._all())
        several = len(sources) > 1 and self._build.pipeline is not None
        folders: dict[str, Path] = {}
        for number, (identifier, source, version) in enumerate(sources):
            folder = root / "src" / "s3" / f"{number:02}" if several else root / self._place(source)
            if identifier and not several:
                folder = root / "secondary" / identifier
            folder.mkdir(parents=True)
            self._fetch(source, version, folder, identifier or "primary")
            folders[identifier] = folder
        return folders

    def _all(self) -> Iterator[tuple[str, Record, str]]:
        project, pipeline = self._build.project, self._build.pipeline
        if pipeline is not None:
            yield "", _in_s3(pipeline.source), ""
            for name, place in pipeline.secondary_sources.items():
                yield name, _in_s3(place), ""
            return
        yield "", project["source"], project.get("sourceVersion", "")
        versions = {
            each["sourceIdentifier"]: each["sourceVersion"]
            for each in project.get("secondarySourceVersions", [])
        }
        for source in project.get("secondarySources", []):
            identifier = source["sourceIdentifier"]
            yield identifier, source, versions.get(identifier, "")

    def _fetch(self, source: Record, version: str, folder: Path, name: str) -> None:
        try:
            if source["type"] == "S3":
                self._from_s3(source["location"], version, folder)
            elif source["type"] == "CODECOMMIT":
                commit = self._from_codecommit(source["location"], version, folder)
                if name == "primary":
                    self._build.record["resolvedSourceVersion"] = commit
        except (ClientError, ServiceError, ArchiveError) as error:
            asked = source.get("location", "")
            words = f"{_said(error)} for {name} source and source version {version or asked}"
            raise PhaseFailed("CLIENT_ERROR", words) from error

    def _from_s3(self, location: str, version: str, folder: Path) -> None:
        bucket, _, key = location.removeprefix("arn:aws:s3:::").partition("/")
        if key.endswith("/") or not key:
            self._folder(bucket, key, folder)
            return
        more = {"VersionId": version} if version else {}
        archive = self._scratch / "source.zip"
        found = self._s3.get_object(Bucket=bucket, Key=key, **more)
        if found["ContentLength"] > _MAX_SOURCE_BYTES:
            raise ArchiveError(f"{location} has over {_MAX_SOURCE_BYTES} bytes")
        with archive.open("wb") as file:
            for piece in found["Body"].iter_chunks(_PIECE_BYTES):
                self._check()
                file.write(piece)
        unpack(archive, folder)

    def _folder(self, bucket: str, prefix: str, folder: Path) -> None:
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        for entry in (each for page in pages for each in page.get("Contents", [])):
            path = folder / entry["Key"].removeprefix(prefix)
            if folder not in path.resolve().parents or entry["Key"].endswith("/"):
                continue
            self._check()
            path.parent.mkdir(parents=True, exist_ok=True)
            self._s3.download_file(bucket, entry["Key"], str(path))

    def _from_codecommit(self, location: str, version: str, folder: Path) -> str:
        """Bring the files of a commit, or of the tip of a branch; return the commit's id."""
        repositories, name = self._plane.repositories, location.rpartition("/")[2]
        if repositories is None:
            raise ServiceError("RepositoryDoesNotExistException", f"{name} does not exist")
        arn = self._plane.account.arn("codecommit", name)
        role = self._build.project["serviceRole"]
        self._plane.account.identities.require(role, "codecommit:GitPull", arn, SERVICE)
        branch = version.removeprefix("refs/heads/") or self._default_branch(name)
        commit = branch if _COMMIT.fullmatch(branch) else repositories.tip(name, branch).id
        archive = self._scratch / "source.zip"
        archive.write_bytes(repositories.archive(name, commit))
        self._check()
        unpack(archive, folder)
        return commit

    def _default_branch(self, repository: str) -> str:
        codecommit = self._plane.account.client("codecommit")
        found = codecommit.get_repository(repositoryName=repository)["repositoryMetadata"]
        return str(found.get("defaultBranch", "main"))

    def _place(self, source: Record) -> str:
        """Return where a source is below the build's folder, as on AWS."""
        if source["type"] != "CODECOMMIT":
            return "src"
        host = f"git-codecommit.{self._plane.account.region}.amazonaws.com"
        return f"src/{host}/v1/repos/{source['location'].rpartition('/')[2]}"


def read_buildspec(build: Build, folders: Folders, source: Path, log: BuildLog) -> Buildspec:
    """Return the buildspec of a build: the project's own, or a file of its source.

    Raises
    ------
    PhaseFailed
        If it is not there, or cannot be carried out.
    """
    asked = build.record["source"].get("buildspec") or "buildspec.yml"
    if is_inline(asked):
        path, text = folders.readonly / "buildspec.yml", asked
        path.write_text(text, encoding="utf-8")
    else:
        path = source / asked
        text = _text_of(path, source, f"{folders.inside(source)}/{asked}")
    log.say(f"YAML location is {folders.inside(path)}")
    try:
        return parse(text)
    except BuildspecError as error:
        raise PhaseFailed(_YAML_FILE_ERROR, str(error)) from error


def _text_of(path: Path, source: Path, shown: str) -> str:
    if source.resolve() not in path.resolve().parents or not path.is_file():
        raise PhaseFailed(_YAML_FILE_ERROR, f"stat {shown}: no such file or directory")
    with path.open("rb") as file:
        content = file.read(MAX_BYTES + 1)
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise PhaseFailed(_YAML_FILE_ERROR, f"{shown} is not UTF-8: {error}") from error


def unpack(archive: Path, folder: Path) -> None:
    """Extract a zip archive, whose programs stay programs."""
    extract_zip(archive, folder, _MAX_SOURCE_BYTES)
    with zipfile.ZipFile(archive) as opened:
        for member in opened.infolist():
            if not member.is_dir() and member.external_attr >> 16 & 0o111:
                (folder / member.filename).chmod(0o755)
    archive.unlink()


def _in_s3(place: S3Object) -> Record:
    return {"type": "S3", "location": f"{place.bucket}/{place.key}"}


def _said(error: Exception) -> str:
    if isinstance(error, ClientError):
        known = error.response["Error"]
        return f"{known['Code']}: {known['Message']}"
    return str(error)
