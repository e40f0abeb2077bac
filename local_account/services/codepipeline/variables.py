"""Variables of pipelines: `#{namespace.name}` in the configuration of actions."""

import re
from collections.abc import Iterator, Mapping

from local_account.services.codepipeline.action_types import invalid_action
from local_account.services.codepipeline.records import ActionFailed, Record

OWN_NAMESPACES = frozenset({"codepipeline", "variables"})
_REFERENCE = re.compile(r"#\{([^{}]*)\}")


def resolved(
    configuration: Mapping[str, str], namespaces: Mapping[str, Mapping[str, str]]
) -> dict[str, str]:
    """Return a configuration with the values of the variables in it.

    Raises
    ------
    ActionFailed
        If there is no such variable.
    """

    def value(reference: re.Match[str]) -> str:
        namespace, _, name = reference[1].partition(".")
        if name not in namespaces.get(namespace, {}):
            known = sorted(f"{space}.{each}" for space in namespaces for each in namespaces[space])
            raise ActionFailed(
                "ConfigurationError",
                f"The variable {reference[0]} in the action configuration could not be resolved, "
                f"expected one of {', '.join(known)}",
            )
        return namespaces[namespace][name]

    return {key: _REFERENCE.sub(value, text) for key, text in configuration.items()}


def check_references(pipeline: Record) -> None:
    """Refuse references to namespaces that no earlier action has.

    Raises
    ------
    ServiceError
        In AWS's words.
    """
    declared = {variable["name"] for variable in pipeline.get("variables", [])}
    made: dict[str, tuple[int, int]] = {}
    for place, stage in enumerate(pipeline["stages"]):
        for action in stage["actions"]:
            if "namespace" in action:
                made[action["namespace"]] = (place, action["runOrder"])
    for place, stage in enumerate(pipeline["stages"]):
        for action in stage["actions"]:
            here = (place, action["runOrder"])
            known = {name for name, position in made.items() if position < here}
            known |= {"codepipeline"} | ({"variables"} if declared else set())
            for key, reference in _references(action):
                namespace, _, name = reference.partition(".")
                if namespace not in known or (namespace == "variables" and name not in declared):
                    raise _unknown(stage["name"], action["name"], key, reference)


def _references(action: Record) -> Iterator[tuple[str, str]]:
    for key, text in action["configuration"].items():
        for reference in _REFERENCE.findall(text):
            yield key, reference


def _unknown(stage: str, action: str, key: str, reference: str) -> Exception:
    return invalid_action(
        "Valid format for a pipeline execution variable reference is a namespace and a key "
        "separated by a period (.). The following pipeline execution variables are referencing a "
        f"namespace that does not exist. StageName=[{stage}], ActionName=[{action}], "
        f"ActionConfigurationKey=[{key}], VariableReferenceText=[{reference}]"
    )
