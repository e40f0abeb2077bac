"""What PipelineFailed asks of builds, their logs and the pipeline."""

from collections.abc import Mapping, Sequence
from typing import Any

from botocore.exceptions import ClientError

from shared import aws, log_lines


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
    """Return the last lines of a build's log; a build that never ran has none."""
    if not (log_group and log_stream):
        return ()
    try:
        return log_lines.bounded(list(log_lines.newest(log_group, log_stream)))
    except ClientError as error:
        if aws.error_code(error) == "ResourceNotFoundException":
            return ()
        raise
