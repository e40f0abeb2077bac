"""Small assemblies, written to a folder as the CDK writes them."""

import json
from pathlib import Path
from typing import Any

from checks.assembly import Assembly, load
from checks.findings import Finding
from checks.own_rules import find

TASK: dict[str, Any] = {
    "Type": "Task",
    "Resource": "arn:aws:states:::lambda:invoke",
    "Parameters": {"FunctionName": "one", "Payload": {}},
    "TimeoutSeconds": 9,
    "Retry": [
        {
            "ErrorEquals": ["Lambda.ServiceException"],
            "MaxDelaySeconds": 9,
            "JitterStrategy": "FULL",
        }
    ],
    "Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": "Failed"}],
    "End": True,
}
FAILED = {"Type": "Fail", "Error": "Failed"}


def assembly(folder: Path, resources: dict[str, Any], **parts: Any) -> Assembly:
    (folder / "one.template.json").write_text(json.dumps({"Resources": resources, **parts}))
    return load(folder)


def resource(kind: str, **properties: Any) -> dict[str, Any]:
    return {"Type": kind, "Properties": properties}


def machine(definition: dict[str, Any] | str, **properties: Any) -> dict[str, Any]:
    if isinstance(definition, dict):
        definition = json.dumps({"TimeoutSeconds": 60, **definition})
    return resource("AWS::StepFunctions::StateMachine", DefinitionString=definition, **properties)


def of_states(**states: Any) -> dict[str, Any]:
    return {"StartAt": next(iter(states)), "States": states}


def found(assembly: Assembly) -> set[tuple[str, str]]:
    return {(finding.rule, finding.resource) for finding in find(assembly)}


def finding(**fields: str) -> Finding:
    filled = {"tool": "t", "rule": "r", "stack": "s", "resource": "R", "found": "", "expected": ""}
    return Finding(**{**filled, **fields})
