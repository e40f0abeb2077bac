"""The model code's pipeline as a data scientist uses it: git, `mlops pipelines`, the topic."""

import dataclasses
import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from tests.account.git_client import GitClient
from tests.conftest import ROOT
from tests.e2e.conftest import Pipeline, cdk
from tests.e2e.observed import pages


class Attempt(NamedTuple):
    """A try of an action."""

    stage: str
    status: str
    error: str


@dataclass(frozen=True)
class CodePipeline:
    """A deployed code pipeline, a clone of its repository, and what was told of it."""

    pipeline: Pipeline
    git: GitClient
    _told: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.pipeline.outputs["PipelineName"]

    @property
    def client(self) -> Any:
        return self.pipeline.account.client("codepipeline")

    @property
    def clone(self) -> Path:
        return self.git.folder / "clone"

    def clone_repository(self) -> None:
        self.git.clone(self.pipeline.outputs["CloneUrlHttp"])

    def commit(self, message: str, files: Mapping[str, str | None], base: str = "") -> str:
        """Commit files (None: without that file) to what a commit had, and return its id."""
        if base:
            self.git.run("read-tree", "-u", "--reset", base, at="clone")
        for name, text in files.items():
            if text is None:
                (self.clone / name).unlink()
            else:
                (self.clone / name).write_text(text)
        return self.git.commit(message)

    def push(self, message: str, files: Mapping[str, str | None], base: str = "") -> str:
        """Commit and push; return the commit's id."""
        commit = self.commit(message, files, base)
        self.git.run("push", "--quiet", at="clone")
        return commit

    def executions(self) -> list[dict[str, Any]]:
        """Return the summaries of the executions, the newest first."""
        listed = self.client.list_pipeline_executions(pipelineName=self.name)
        return [dict(each) for each in listed["pipelineExecutionSummaries"]]

    def execution_of(self, commit: str) -> dict[str, Any] | None:
        """Return the summary of the execution that took a commit."""
        return next(
            (
                each
                for each in self.executions()
                for revision in each.get("sourceRevisions", [])
                if revision["revisionId"] == commit
            ),
            None,
        )

    def started(self, commit: str) -> str:
        """Wait until an execution has taken a commit; return its id."""
        self.pipeline.until(lambda: self.execution_of(commit), 30)
        found = self.execution_of(commit)
        assert found
        return str(found["pipelineExecutionId"])

    def status(self, execution: str) -> str:
        asked = {"pipelineName": self.name, "pipelineExecutionId": execution}
        return str(self.client.get_pipeline_execution(**asked)["pipelineExecution"]["status"])

    def ended(self, execution: str) -> str:
        """Wait for the end of an execution; return its status."""
        goes_on = ("InProgress", "Stopping")
        self.pipeline.until(lambda: self.status(execution) not in goes_on)
        return self.status(execution)

    def attempts(self, execution: str) -> list[Attempt]:
        """Return the tries of an execution's actions in the order of their starts."""
        listed = self.client.list_action_executions(
            pipelineName=self.name, filter={"pipelineExecutionId": execution}
        )["actionExecutionDetails"]
        return [
            Attempt(
                each["stageName"],
                each["status"],
                each["output"]["executionResult"].get("errorDetails", {}).get("message", "")
                if "executionResult" in each.get("output", {})
                else "",
            )
            for each in sorted(listed, key=lambda each: each["startTime"])
        ]

    def state_error(self, stage: str) -> str:
        """Return the error that the pipeline's state shows for a stage."""
        state = self.client.get_pipeline_state(name=self.name)["stageStates"]
        (action,) = next(each["actionStates"] for each in state if each["stageName"] == stage)
        return str(action["latestExecution"].get("errorDetails", {}).get("message", ""))

    def is_in(self, execution: str, stage: str) -> bool:
        return Attempt(stage, "InProgress", "") in self.attempts(execution)

    def outputs_of(self, execution: str, stage: str) -> dict[str, str]:
        """Return the output variables of a stage's last try."""
        listed = self.client.list_action_executions(
            pipelineName=self.name, filter={"pipelineExecutionId": execution}
        )["actionExecutionDetails"]
        latest = max(
            (each for each in listed if each["stageName"] == stage),
            key=lambda each: each["startTime"],
        )
        return dict(latest["output"]["outputVariables"])

    def tried(self, execution: str, stage: str) -> int:
        """Count the tries of a stage that have ended."""
        return sum(
            each.stage == stage and each.status != "InProgress" for each in self.attempts(execution)
        )

    def mlops(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `mlops`, whatever it exits with."""
        return subprocess.run(
            [sys.executable, "-m", "mlops", *arguments, "--env", self.pipeline.env],
            cwd=ROOT,
            env=self.pipeline.account.environment,
            capture_output=True,
            text=True,
            timeout=120,
        )

    def tags(self) -> set[str]:
        """Return the tags of the repository."""
        images = self.pipeline.account.client("ecr").describe_images(
            repositoryName=self._repository
        )
        return {tag for image in images["imageDetails"] for tag in image.get("imageTags", [])}

    def in_use(self) -> dict[str, str]:
        """Return what the parameter says of the images that runs take; nothing before the first."""
        value = self.pipeline.account.client("ssm").get_parameter(
            Name=self.pipeline.outputs["ImageParameterName"]
        )["Parameter"]["Value"]
        return {} if value == "none" else dict(json.loads(value))

    def versions(self, *commits: str) -> list[dict[str, str]]:
        """Return what the registered versions (of commits) say of themselves, oldest first."""
        metadata = [each["CustomerMetadataProperties"] for each in self.pipeline.versions()]
        return [each for each in metadata if not commits or each["commit"] in commits]

    def digest(self, tag: str) -> str:
        """Return the digest of an image in the repository."""
        answer = self.pipeline.account.client("ecr").describe_images(
            repositoryName=self._repository, imageIds=[{"imageTag": tag}]
        )
        return str(answer["imageDetails"][0]["imageDigest"])

    def told_of(self, commit: str) -> list[str]:
        """Return what has been told so far of a commit's failures in the pipeline."""
        heading = f"Pipeline {self.name} of"
        return [each for each in self.told(commit) if each.startswith(heading)]

    def told(self, text: str) -> list[str]:
        """Return what has been told so far with a text in it."""
        self._told.extend(pages(self.pipeline))
        return [each for each in self._told if text in each]

    @property
    def _repository(self) -> str:
        return self.pipeline.outputs["RepositoryUri"].partition("/")[2]


def deploy_model_code(pipeline: Pipeline) -> Pipeline:
    """Deploy the code's pipeline too, which starts by itself."""
    stack = f"{pipeline.name}-{pipeline.env}-model-code"
    chosen = (stack, "--exclusively", "-c", f"env={pipeline.env}", "-o", "build/cdk.out")
    cdk(pipeline.account, "deploy", *chosen, "--require-approval", "never")
    stacks = pipeline.account.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
    own = {each["OutputKey"]: each["OutputValue"] for each in stacks[0]["Outputs"]}
    return dataclasses.replace(pipeline, outputs={**pipeline.outputs, **own})
