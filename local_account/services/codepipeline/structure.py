"""Definitions of pipelines: refused as AWS refuses them, kept with AWS's defaults.

Source: AWS documentation "CodePipeline pipeline structure reference"; the texts of errors are
those seen in public logs, where there are any.
"""

from collections import Counter
from collections.abc import Iterator

from local_account.service import ServiceError
from local_account.services.codepipeline.action_types import (
    check_action,
    invalid_action,
    unmodelled,
)
from local_account.services.codepipeline.records import Record
from local_account.services.codepipeline.variables import OWN_NAMESPACES, check_references

_MOST_STAGES, _MOST_ACTIONS = 50, 1000


def invalid_structure(message: str) -> ServiceError:
    """Return the error of a pipeline that AWS refuses."""
    return ServiceError("InvalidStructureException", message)


def checked(pipeline: Record, version: int, region: str) -> Record:
    """Return a definition as GetPipeline tells it.

    Raises
    ------
    ServiceError
        If AWS would refuse it, or if something in it is not modelled.
    """
    kept = {
        **pipeline,
        "stages": [_stage(stage) for stage in pipeline["stages"]],
        "version": version,
        "executionMode": pipeline.get("executionMode", "SUPERSEDED"),
        "pipelineType": pipeline.get("pipelineType", "V1"),
    }
    _check_pipeline(kept)
    _check_stages(kept["stages"])
    for path, action in _actions(kept):
        if action.get("region", region) != region:
            raise unmodelled(f"the region {action['region']}", path)
        if "timeoutInMinutes" in action and action["actionTypeId"]["category"] != "Approval":
            raise invalid_action(f"Action {action['name']} may not have a timeoutInMinutes")
        check_action(action, region, path)
    _check_artifacts(kept["stages"])
    _check_namespaces(kept)
    check_references(kept)
    return kept


def _stage(stage: Record) -> Record:
    defaults = {"runOrder": 1, "configuration": {}, "outputArtifacts": [], "inputArtifacts": []}
    return {**stage, "actions": [{**defaults, **action} for action in stage["actions"]]}


def _actions(pipeline: Record) -> Iterator[tuple[str, Record]]:
    for number, stage in enumerate(pipeline["stages"]):
        for place, action in enumerate(stage["actions"]):
            yield f"pipeline.stages[{number}].actions[{place}]", action


def _check_pipeline(pipeline: Record) -> None:
    if "artifactStores" in pipeline:
        raise unmodelled("artifactStores, for other regions", "pipeline")
    if "artifactStore" not in pipeline:
        raise invalid_structure("Pipeline must have an artifactStore at pipeline.artifactStore")
    if pipeline["pipelineType"] == "V1":
        if pipeline["executionMode"] != "SUPERSEDED":
            mode = pipeline["executionMode"]
            raise invalid_structure(f"Execution mode {mode} can only be used with V2 pipelines")
        for member in ("variables", "triggers"):
            if pipeline.get(member):
                raise invalid_structure(f"Pipeline {member} can only be used with V2 pipelines")
    names = [variable["name"] for variable in pipeline.get("variables", [])]
    for name in _repeated(names):
        raise invalid_structure(
            "Variable names must be unique. The following variable name is already in use: " + name
        )


def _check_stages(stages: list[Record]) -> None:
    number = len(stages)
    if number < 2:
        raise invalid_structure(
            f"Pipeline has only {number} stage(s). There should be a minimum of 2 stages in a "
            "pipeline"
        )
    if number > _MOST_STAGES:
        raise invalid_structure(f"Pipeline has {number} stages, expected at most {_MOST_STAGES}")
    for name in _repeated(stage["name"] for stage in stages):
        raise invalid_structure(
            f"Stage name must be unique within the pipeline. {name} has been used more than once."
        )
    for place, stage in enumerate(stages):
        path = f"pipeline.stages[{place}]"
        for member in ("blockers", "beforeEntry", "onSuccess", "onFailure"):
            if stage.get(member):
                raise unmodelled(member, path)
        _check_actions(stage, path)
        _check_sources(place, stage, path)


def _check_actions(stage: Record, path: str) -> None:
    if not 0 < len(stage["actions"]) <= _MOST_ACTIONS:
        message = f"Stage {stage['name']} at {path} must have 1 to {_MOST_ACTIONS} actions"
        raise ServiceError("InvalidStageDeclarationException", message)
    for name in _repeated(action["name"] for action in stage["actions"]):
        raise ServiceError(
            "InvalidStageDeclarationException",
            f"Action name must be unique within the stage {stage['name']} at {path}. {name} has "
            "been used more than once.",
        )


def _check_sources(place: int, stage: Record, path: str) -> None:
    sources = [action["actionTypeId"]["category"] == "Source" for action in stage["actions"]]
    if place == 0 and not all(sources):
        raise invalid_structure(
            "Pipeline should start with a stage that only contains source actions"
        )
    if place > 0 and any(sources):
        action = stage["actions"][sources.index(True)]["name"]
        raise invalid_structure(
            "Source actions are only allowed in the first stage of a pipeline; found "
            f"{action} in {stage['name']} at {path}"
        )


def _check_artifacts(stages: list[Record]) -> None:
    made: dict[str, tuple[int, int]] = {}
    for place, stage in enumerate(stages):
        for action in stage["actions"]:
            for output in action["outputArtifacts"]:
                if output["name"] in made:
                    raise invalid_action(
                        "Output Artifact Bundle name must be unique within the pipeline. "
                        f"{output['name']} has been used more than once."
                    )
                made[output["name"]] = (place, action["runOrder"])
    last = (len(stages), 0)
    for place, stage in enumerate(stages):
        for action in stage["actions"]:
            for artifact in action["inputArtifacts"]:
                if made.get(artifact["name"], last) >= (place, action["runOrder"]):
                    raise invalid_action(
                        f"Input Artifact Bundle {artifact['name']} in action {action['name']} is "
                        "not declared as Output Artifact Bundle in any of the preceding actions"
                    )


def _check_namespaces(pipeline: Record) -> None:
    names = [action.get("namespace") for _, action in _actions(pipeline)]
    for name in _repeated(name for name in names if name):
        raise invalid_action(
            f"Namespace must be unique within the pipeline. {name} has been used more than once."
        )
    for name in OWN_NAMESPACES & set(names):
        raise invalid_action(f"The namespace {name} is reserved, give the action another one.")


def _repeated(names: Iterator[str] | list[str]) -> list[str]:
    return [name for name, number in Counter(names).items() if number > 1]
