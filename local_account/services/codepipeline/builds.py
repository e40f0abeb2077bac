"""Build and test actions: a build of a CodeBuild project on the artifacts of the pipeline."""

import json
import uuid

from local_account.service import ServiceError
from local_account.services.codebuild import CodeBuild, EndedBuild, PipelineBuild, S3Object
from local_account.services.codepipeline import artifacts
from local_account.services.codepipeline.action_types import variables_problem
from local_account.services.codepipeline.records import ActionFailed, Artifact, Result
from local_account.services.codepipeline.work import Work

_POLL_SECONDS = 0.2
_LONGEST_SECONDS = 8 * 3600


class Builds:
    """Build and test actions of CodeBuild."""

    def __init__(self, codebuild: CodeBuild) -> None:
        self._codebuild = codebuild

    def __call__(self, work: Work) -> Result:
        """Start a build, wait for its end, and take over what it exported."""
        project = work.run.configuration["ProjectName"]
        arn = work.account.arn("codebuild", f"project/{project}")
        asked = _asked(work)
        try:
            work.role.require("codebuild:StartBuild", arn)
            build_id = self._codebuild.start_for_pipeline(project, asked)
        except ServiceError as error:
            raise _refused("startBuild", error) from error
        known = Result(build_id, "", _url(work.account.region, build_id))
        work.run.result = known
        try:
            work.role.require("codebuild:BatchGetBuilds", arn)
        except ServiceError as error:
            raise _refused("batchGetBuilds", error, known) from error
        ended = work.until(lambda: self._codebuild.ended(build_id), _POLL_SECONDS, _LONGEST_SECONDS)
        if ended is None or ended.status != "SUCCEEDED":
            raise ActionFailed("JobFailed", _words(ended), known)
        return Result(known.external_id, known.summary, known.url, ended.exported)


def _asked(work: Work) -> PipelineBuild:
    configuration, inputs = work.run.configuration, work.run.inputs
    environment = configuration.get("EnvironmentVariables", "[]")
    if problem := variables_problem(environment):
        raise ActionFailed("ConfigurationError", problem)
    primary = configuration.get("PrimarySource", inputs[0].name)
    places = {artifact.name: _place(artifact) for artifact in inputs}
    revisions = list(work.execution.revisions.values())
    return PipelineBuild(
        initiator=f"codepipeline/{work.pipeline.name}",
        source_version=revisions[0].revision_id if revisions else "",
        source=places.pop(primary),
        secondary_sources=places,
        outputs={artifact.name: _place(artifact) for artifact in work.run.outputs},
        environment=json.loads(environment),
        kms_key=artifacts.key_id(work.execution.definition),
    )


def _place(artifact: Artifact) -> S3Object:
    return S3Object(artifact.bucket, artifact.key)


def _words(ended: EndedBuild | None) -> str:
    if ended is None:
        return f"Build did not end within {_LONGEST_SECONDS} seconds"
    why = f". {ended.message}" if ended.message else ""
    return f"Build terminated with state: {ended.status}{why}"


def _refused(call: str, error: ServiceError, known: Result | None = None) -> ActionFailed:
    denied = error.code in ("AccessDenied", "AccessDeniedException")
    return ActionFailed(
        "PermissionError" if denied else "ConfigurationError",
        f"Error calling {call}: {error.message} (Service: AWSCodeBuild; Status Code: "
        f"{error.status}; Error Code: {error.code}; Request ID: {uuid.uuid4()}; Proxy: null)",
        known,
    )


def _url(region: str, build_id: str) -> str:
    console = "https://console.aws.amazon.com/codebuild/home"
    return f"{console}?region={region}#/builds/{build_id}/view/new"
