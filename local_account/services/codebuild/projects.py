"""Projects: what a build does unless it is told otherwise when it starts."""

import re
import time
from collections.abc import Iterator
from typing import Any

from local_account.authorization.identities import NotAssumable
from local_account.service import ServiceError
from local_account.services.codebuild.plane import SERVICE, Plane, Record, invalid, listing, refuse

_SOURCES = ("NO_SOURCE", "S3", "CODECOMMIT", "CODEPIPELINE")
_IDENTIFIER = re.compile(r"\w{1,127}", re.ASCII)
_NOT_MODELLED = (
    *("vpcConfig", "fileSystemLocations", "buildBatchConfig", "autoRetryLimit", "badgeEnabled"),
    *("environment.fleet", "environment.certificate", "environment.registryCredential"),
    *("environment.dockerServer", "environment.computeConfiguration", "environment.hostKernel"),
    *("source.auth", "source.gitSubmodulesConfig", "source.reportBuildStatus"),
    *("source.buildStatusConfig", "source.insecureSsl"),
)
_SORTED_BY = {"NAME": "name", "CREATED_TIME": "created", "LAST_MODIFIED_TIME": "lastModified"}


class Projects:
    """CreateProject and what belongs to it."""

    def __init__(self, plane: Plane) -> None:
        self._plane = plane
        self._projects: dict[str, Record] = {}

    def create_project(self, params: Record) -> Record:
        """Create a project."""
        name = params["name"]
        project = self._checked({**self._defaults(name), **params})
        with self._plane.lock:
            if name in self._projects:
                arn = self._plane.arn("project", name)
                message = f"Project already exists: {arn}"
                raise ServiceError("ResourceAlreadyExistsException", message)
            self._projects[name] = project
        return {"project": project}

    def update_project(self, params: Record) -> Record:
        """Change a project; what the request does not have stays as it is."""
        with self._plane.lock:
            before = self.get(params["name"])
            name = before["name"]
            after = self._checked({**before, **params, "name": name, "lastModified": time.time()})
            self._projects[name] = after
        return {"project": after}

    def delete_project(self, params: Record) -> None:
        """Delete a project; its builds stay, and one that is not there counts as deleted."""
        with self._plane.lock:
            self._projects.pop(_name(params["name"]), None)

    def batch_get_projects(self, params: Record) -> Record:
        """Return projects, and the names of which there is none."""
        found = {name: self._projects.get(_name(name)) for name in params["names"]}
        return {
            "projects": [project for project in found.values() if project],
            "projectsNotFound": [name for name, project in found.items() if not project],
        }

    def list_projects(self, params: Record) -> Record:
        """Return a page of the names of projects."""
        key = _SORTED_BY[params.get("sortBy", "NAME")]
        with self._plane.lock:
            projects = sorted(self._projects.values(), key=lambda project: str(project[key]))
        if params.get("sortOrder") == "DESCENDING":
            projects.reverse()
        return listing("projects", [project["name"] for project in projects], params)

    def get(self, name: str) -> Record:
        """Return a project.

        Raises
        ------
        ServiceError
            If there is none of that name.
        """
        project = self._projects.get(_name(name))
        if project is None:
            arn = self._plane.arn("project", _name(name))
            raise ServiceError("ResourceNotFoundException", f"Project cannot be found: {arn}")
        return project

    def check(self, project: Record) -> Record:
        """Return what a build is started with, if it is modelled and in itself right."""
        return self._checked(project)

    def _defaults(self, name: str) -> Record:
        now = time.time()
        return {
            "arn": self._plane.arn("project", name),
            "cache": {"type": "NO_CACHE"},
            "timeoutInMinutes": 60,
            "queuedTimeoutInMinutes": 480,
            "encryptionKey": self._plane.account.arn("kms", "alias/aws/s3"),
            "created": now,
            "lastModified": now,
            "badge": {"badgeEnabled": False},
            "projectVisibility": "PRIVATE",
            "tags": [],
        }

    def _checked(self, project: Record) -> Record:
        _refuse_unmodelled(project)
        _require_source(project)
        _require_artifacts(project)
        role = _role_arn(project["serviceRole"], self._plane.account.account_id)
        try:
            arn = project["arn"]
            self._plane.account.identities.of_role(role, SERVICE, "AWSCodeBuild", arn)
        except NotAssumable as error:
            message = f"CodeBuild is not authorized to perform: sts:AssumeRole on {role}"
            raise invalid(message) from error
        return {**project, "serviceRole": role, **_completed(project)}


def _name(name_or_arn: str) -> str:
    return name_or_arn.rpartition(":project/")[2]


def _role_arn(role: str, account_id: str) -> str:
    match = re.fullmatch(r"arn:aws:iam::(\d{12}):role/.+", role)
    if role.startswith("arn:") and not match:
        raise invalid(f"Invalid service role: {role}")
    if match and match[1] != account_id:
        reason = "Service role account ID does not match caller's account"
        raise invalid(f"Invalid service role: {reason}")
    return role if match else f"arn:aws:iam::{account_id}:role/service-role/{role}"


def _completed(project: Record) -> Record:
    """Return the members whose defaults depend on others."""
    environment = {
        "environmentVariables": [],
        "privilegedMode": False,
        "imagePullCredentialsType": "CODEBUILD",
        **project["environment"],
    }
    variables = [{"type": "PLAINTEXT", **each} for each in environment["environmentVariables"]]
    artifacts = {"encryptionDisabled": False, **project["artifacts"]}
    if artifacts["type"] != "NO_ARTIFACTS":
        artifacts = {"name": project["name"], "packaging": "NONE", **artifacts}
    return {
        "environment": {**environment, "environmentVariables": variables},
        "artifacts": artifacts,
    }


def _at(path: str, value: Any) -> Any:
    for name in path.split("."):
        value = (value or {}).get(name)
    return value


def _refuse_unmodelled(project: Record) -> None:
    for path in _NOT_MODELLED:
        refuse(_at(path, project), path)
    environment, logs = project["environment"], project.get("logsConfig", {})
    kind = environment["type"]
    refuse(kind != "LINUX_CONTAINER", f"the environment type {kind}; expected LINUX_CONTAINER")
    for variable in environment.get("environmentVariables", []):
        refuse(variable.get("type") == "SECRETS_MANAGER", "variables of type SECRETS_MANAGER")
    refuse(project.get("cache", {}).get("type") == "S3", "a cache of type S3; use LOCAL")
    refuse(logs.get("s3Logs", {}).get("status") == "ENABLED", "logsConfig.s3Logs")
    for source in _sources(project):
        kind = source["type"]
        expected = f"expected one of {', '.join(_SOURCES)}"
        refuse(kind not in _SOURCES, f"the source type {kind}; {expected}")


def _sources(project: Record) -> Iterator[Record]:
    yield project["source"]
    yield from project.get("secondarySources", [])


def _require_source(project: Record) -> None:
    source = project["source"]
    if source["type"] == "NO_SOURCE" and not is_inline(source.get("buildspec", "")):
        raise invalid("Project source of type NO_SOURCE needs an inline buildspec")
    refuse(source.get("buildspec", "").startswith("arn:"), "a buildspec in S3")
    for each in _sources(project):
        if each["type"] in ("S3", "CODECOMMIT") and not each.get("location"):
            raise invalid("Project source location is required")
    _require_identifiers(project, "secondarySources", "sourceIdentifier")


def _require_artifacts(project: Record) -> None:
    artifacts, source = project["artifacts"], project["source"]
    if artifacts["type"] == "NO_ARTIFACTS" and artifacts.get("location"):
        raise invalid("Invalid artifacts: artifact type NO_ARTIFACTS should have null location")
    if (artifacts["type"] == "CODEPIPELINE") != (source["type"] == "CODEPIPELINE"):
        raise invalid("Invalid artifacts: source and artifacts must both be of type CODEPIPELINE")
    for each in (artifacts, *project.get("secondaryArtifacts", [])):
        if each["type"] == "S3" and not each.get("location"):
            raise invalid("Invalid artifacts: artifact type S3 needs a location")
    _require_identifiers(project, "secondaryArtifacts", "artifactIdentifier")


def _require_identifiers(project: Record, member: str, identifier: str) -> None:
    names = [each.get(identifier, "") for each in project.get(member, [])]
    if not all(map(_IDENTIFIER.fullmatch, names)) or len(set(names)) < len(names):
        alphabet = "alphanumeric characters and underscores"
        message = f"each of {member} needs an {identifier} of its own, of {alphabet}"
        raise invalid(f"Invalid input: {message}")


def is_inline(buildspec: str) -> bool:
    """Tell a buildspec from the path of one."""
    start = buildspec.lstrip()
    return "\n" in start or start.startswith(("version:", "{"))
