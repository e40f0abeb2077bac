"""What PipelineFailed asks of builds, their logs and the pipeline."""

from collections.abc import Mapping, Sequence
from typing import Any

from botocore.exceptions import ClientError

from shared import aws, log_lines

# How CodeBuild begins its own lines, and how many it writes after a command that failed.
OWN_LINE, OWN_LINES = "[Container] ", 40


def described_build(build_id: str) -> Mapping[str, Any] | None:
    """Return a build's description; None where CodeBuild does not know it any more."""
    builds = aws.codebuild().batch_get_builds(ids=[build_id])["builds"]
    return builds[0] if builds else None


def revisions(pipeline: str, execution_id: str) -> Sequence[Mapping[str, Any]]:
    """Return what an execution of the pipeline is about."""
    answer = aws.codepipeline().get_pipeline_execution(
        pipelineName=pipeline, pipelineExecutionId=execution_id
    )
    return answer["pipelineExecution"].get("artifactRevisions", [])


def action_executions(pipeline: str, execution_id: str) -> Sequence[Mapping[str, Any]]:
    """Return the tries of an execution's actions, the latest first."""
    answer = aws.codepipeline().list_action_executions(
        pipelineName=pipeline, filter={"pipelineExecutionId": execution_id}
    )
    return answer["actionExecutionDetails"]


def last_log_lines(log_group: str, log_stream: str) -> tuple[str, ...]:
    """Return what a build's commands wrote last; a build that never ran has no lines.

    A build that ran no command has nothing but CodeBuild's own lines: then those are the cause.
    """
    if not (log_group and log_stream):
        return ()
    count = log_lines.LOG_LINES + OWN_LINES
    try:
        lines = list(log_lines.newest(log_group, log_stream, count=count))
    except ClientError as error:
        if aws.error_code(error) == "ResourceNotFoundException":
            return ()
        raise
    said = [line for line in lines if line and not line.startswith(OWN_LINE)]
    return log_lines.bounded(said or lines)
