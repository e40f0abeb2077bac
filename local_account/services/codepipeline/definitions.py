"""Pipelines: created, changed, listed, tagged and deleted."""

import re
from collections.abc import Mapping
from copy import copy
from typing import Self

from local_account.authorization.identities import Credentials, NotAssumable
from local_account.service import Account, JsonService, ServiceError
from local_account.services.codepipeline import answers
from local_account.services.codepipeline.actions import Actions, Provider
from local_account.services.codepipeline.events import Emit, Events
from local_account.services.codepipeline.flow import Flow
from local_account.services.codepipeline.records import RUNNING, Pipeline, Record
from local_account.services.codepipeline.roles import SERVICE
from local_account.services.codepipeline.structure import checked, invalid_structure

_MOST_TAGS = 50


class Definitions(JsonService):
    """The pipelines of an account."""

    service_name = "codepipeline"

    def __init__(
        self, account: Account, emit: Emit, providers: Mapping[tuple[str, str], Provider]
    ) -> None:
        super().__init__(account)
        events = Events(emit, account.region)
        self._actions = Actions(account, providers, events)
        self._flow = Flow(self._actions, events)
        self._lock = self._actions.lock
        self._pipelines: dict[str, Pipeline] = {}
        self._caller = Credentials(account.access_key_id, account.secret_access_key)

    def asked_by(self, caller: Credentials) -> Self:
        """Return the service as it acts for a caller, who is told of in executions."""
        service = copy(self)
        service._caller = caller
        return service

    def close(self) -> None:
        """Wait for nothing any more; what runs is left as it is."""
        self._actions.closing.set()

    def create_pipeline(self, params: Record) -> Record:
        """Keep a pipeline whose definition is as it should be, and start its first execution."""
        asked, tags = params["pipeline"], params.get("tags", [])
        name = asked["name"]
        with self._lock:
            if name in self._pipelines:
                owner = f"in account '{self.account.account_id}'"
                message = f"A pipeline with the name '{name}' already exists {owner}"
                raise ServiceError("PipelineNameInUseException", message)
            pipeline = Pipeline(self.account.arn("codepipeline", name), self._checked(asked, 1))
            pipeline.define(pipeline.definition)
            self._tag(pipeline, tags)
            self._pipelines[name] = pipeline
            self._created(pipeline)
        return {"pipeline": pipeline.definition, "tags": tags}

    def update_pipeline(self, params: Record) -> Record:
        """Give a pipeline another definition, which ends its executions and starts none."""
        asked = params["pipeline"]
        with self._lock:
            pipeline = self._pipeline(asked["name"])
            definition = self._checked(asked, pipeline.definition["version"] + 1)
            self._flow.cancel(pipeline)
            pipeline.define(definition)
        return {"pipeline": definition}

    def get_pipeline(self, params: Record) -> Record:
        """Return the definition of a pipeline, of a former version if asked."""
        pipeline = self._pipeline(params["name"])
        version = params.get("version", pipeline.definition["version"])
        if version not in pipeline.versions:
            message = f"The pipeline {pipeline.name} has no version {version}"
            raise ServiceError("PipelineVersionNotFoundException", message)
        return {
            "pipeline": pipeline.versions[version],
            "metadata": {
                "pipelineArn": pipeline.arn,
                "created": pipeline.created,
                "updated": pipeline.updated,
            },
        }

    def list_pipelines(self, params: Record) -> Record:
        """Return a page of the pipelines."""
        with self._lock:
            found = [self._pipelines[name] for name in sorted(self._pipelines)]
        rows = [answers.listed_pipeline(each) for each in found]
        return answers.listing(params, "pipelines", rows)

    def delete_pipeline(self, params: Record) -> None:
        """Delete a pipeline, whose executions end at once; one that is gone already is fine."""
        with self._lock:
            pipeline = self._pipelines.pop(params["name"], None)
            if pipeline is None:
                return
            running = [each for each in pipeline.executions.values() if each.status in RUNNING]
            for execution in running:
                self._flow.stop(pipeline, execution, None)
            for execution in running:
                self._flow.abandon(pipeline, execution)

    def tag_resource(self, params: Record) -> None:
        """Add tags to a pipeline, or replace their values."""
        with self._lock:
            self._tag(self._of_arn(params), params["tags"])

    def untag_resource(self, params: Record) -> None:
        """Remove tags by key."""
        with self._lock:
            tags = self._of_arn(params).tags
            for key in params["tagKeys"]:
                tags.pop(key, None)

    def list_tags_for_resource(self, params: Record) -> Record:
        """Return all tags of a pipeline: there are never more than one page of them."""
        tags = self._of_arn(params).tags
        return {"tags": [{"key": key, "value": tags[key]} for key in tags]}

    def _created(self, pipeline: Pipeline) -> None:
        """Start the first execution of a pipeline."""
        raise NotImplementedError

    def _pipeline(self, name: str) -> Pipeline:
        if name not in self._pipelines:
            message = f"does not have a pipeline with name '{name}'"
            raise ServiceError(
                "PipelineNotFoundException", f"Account '{self.account.account_id}' {message}"
            )
        return self._pipelines[name]

    def _of_arn(self, params: Record) -> Pipeline:
        arn = params["resourceArn"]
        name = re.fullmatch(re.escape(self.account.arn("codepipeline", "")) + "(.+)", arn)
        if name is None:
            raise ServiceError("InvalidArnException", f"{arn} is not the ARN of a pipeline")
        if name[1] not in self._pipelines:
            raise ServiceError("ResourceNotFoundException", f"There is no pipeline {arn}")
        return self._pipelines[name[1]]

    def _checked(self, asked: Record, version: int) -> Record:
        definition = checked(asked, version, self.account.region)
        role, arn = definition["roleArn"], self.account.arn("codepipeline", definition["name"])
        try:
            self.account.identities.of_role(role, SERVICE, definition["name"], arn)
        except NotAssumable as error:
            message = f"CodePipeline is not authorized to perform AssumeRole on role {role}"
            raise invalid_structure(message) from error
        return definition

    def _tag(self, pipeline: Pipeline, tags: list[Record]) -> None:
        merged = pipeline.tags | {tag["key"]: tag["value"] for tag in tags}
        if len(merged) > _MOST_TAGS:
            message = f"The pipeline {pipeline.name} may have at most {_MOST_TAGS} tags"
            raise ServiceError("TooManyTagsException", message)
        pipeline.tags = merged
