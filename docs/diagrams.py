"""Draw docs/architecture.svg and docs/state-machine.svg from the synthesized templates.

Nothing is drawn by hand: resources come from the templates, arrows from the state machine's
definition, the rules' targets and the IAM policies of the roles.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
FONT = 'fontname="Helvetica" fontsize=11'
STATE_STYLES = {
    "Task": 'shape=box style="rounded,filled" fillcolor="#e3eefc" color="#3b7dd8"',
    "Choice": 'shape=box style="filled" fillcolor="#fdf1d8" color="#c08a1e"',
    "Pass": 'shape=box style="rounded,filled" fillcolor="#f1f1f3" color="#84848c"',
    "Wait": 'shape=box style="rounded,filled" fillcolor="#f1f1f3" color="#84848c"',
    "Succeed": 'shape=ellipse style="filled" fillcolor="#dff3e8" color="#2f9e6e"',
    "Fail": 'shape=ellipse style="filled" fillcolor="#fbe3e3" color="#d64545"',
}
COMPARISONS = {
    "StringEquals": "=",
    "BooleanEquals": "=",
    "NumericEquals": "=",
    "NumericLessThan": "<",
    "NumericLessThanEquals": "≤",
    "NumericGreaterThan": ">",
    "NumericGreaterThanEquals": "≥",
}
SHOWN_TYPES = {
    "AWS::S3::Bucket": "S3 bucket",
    "AWS::ECR::Repository": "ECR repository",
    "AWS::SageMaker::ModelPackageGroup": "Model package group",
    "AWS::CodeCommit::Repository": "CodeCommit repository",
    "AWS::CodePipeline::Pipeline": "CodePipeline",
    "AWS::CodeBuild::Project": "CodeBuild project",
    "AWS::Events::Rule": "EventBridge rule",
    "AWS::StepFunctions::StateMachine": "Step Functions state machine",
    "AWS::Lambda::Function": "Lambda",
    "AWS::DynamoDB::Table": "DynamoDB table",
    "AWS::SNS::Topic": "SNS topic",
    "AWS::Scheduler::ScheduleGroup": "one-time schedules",
    "AWS::Scheduler::Schedule": "EventBridge schedule",
}
VERBS = {
    "s3:GetObject": "reads",
    "s3:PutObject": "writes",
    "ecr:GetDownloadUrlForLayer": "pulls",
    "ecr:DescribeImages": "reads",
    "ecr:PutImage": "pushes",
    "ssm:GetParameter": "reads",
    "ssm:GetParameterHistory": "reads",
    "ssm:PutParameter": "writes",
    "codecommit:UploadArchive": "reads",
    "codebuild:StartBuild": "starts",
    "sagemaker:CreateModelPackage": "registers",
    "sagemaker:DescribeEndpoint": "describes",
    "sagemaker:InvokeEndpoint": "invokes",
    "sagemaker:UpdateEndpoint": "gives back",
    "sagemaker:DeleteEndpoint": "deletes",
    "states:StartExecution": "starts",
    "states:GetExecutionHistory": "reads",
    "lambda:InvokeFunction": "asks",
    "dynamodb:PutItem": "agrees",
    "scheduler:UpdateSchedule": "postpones",
    "sns:Publish": "notifies",
}
ACTORS = {
    "AWS::Lambda::Function": "Role",
    "AWS::CodeBuild::Project": "ServiceRole",
    "AWS::CodePipeline::Pipeline": "RoleArn",
}
INWARD_VERBS = {"reads", "pulls"}
STAGING_ENDPOINT = "staging endpoint"
IMAGE_PARAMETER = "image parameter"


@dataclass(frozen=True)
class Assembly:
    """The templates of a synthesized app, and how they refer to each other."""

    templates: Mapping[str, dict[str, Any]]

    @cached_property
    def resources(self) -> dict[str, dict[str, Any]]:
        """Every resource by its logical id, which is unique over the stacks of this app."""
        return {
            name: resource
            for template in self.templates.values()
            for name, resource in template["Resources"].items()
        }

    @cached_property
    def exports(self) -> dict[str, str]:
        """The resource behind each export."""
        return {
            output["Export"]["Name"]: next(self.references(output["Value"]))
            for template in self.templates.values()
            for output in template.get("Outputs", {}).values()
            if "Export" in output
        }

    def references(self, value: Any) -> Iterator[str]:
        """Yield the logical ids of the resources that a value refers to, through exports too."""
        if isinstance(value, list):
            for each in value:
                yield from self.references(each)
        elif isinstance(value, dict):
            for key, each in value.items():
                if key == "Fn::ImportValue":
                    yield self.exports[each]
                elif key == "Ref" and each in self.resources:
                    yield each
                elif key == "Fn::GetAtt":
                    yield each[0]
                else:
                    yield from self.references(each)

    @cached_property
    def state_machine(self) -> dict[str, Any]:
        """The one state machine's definition; references in it become logical ids."""
        found = self.of_type("AWS::StepFunctions::StateMachine")
        definition = found[0][1]["Properties"]["DefinitionString"]
        parts = definition["Fn::Join"][1] if isinstance(definition, dict) else [definition]
        text = "".join(part if isinstance(part, str) else self._plain(part) for part in parts)
        document: dict[str, Any] = json.loads(text)
        return document

    def _plain(self, reference: Any) -> str:
        return next(self.references(reference), "aws")

    def of_type(self, kind: str) -> list[tuple[str, dict[str, Any]]]:
        """Return the resources of a type."""
        return [(name, each) for name, each in self.resources.items() if each["Type"] == kind]

    def actions(self) -> Iterator[tuple[str, str, str]]:
        """Yield (role, action, resource) for what the roles' policies allow.

        A resource is a logical id, or the text of its ARN where the policy spells it out.
        """
        for _, policy in self.of_type("AWS::IAM::Policy"):
            for statement in policy["Properties"]["PolicyDocument"]["Statement"]:
                listed = statement["Action"]
                for action in [listed] if isinstance(listed, str) else listed:
                    for role in self.references(policy["Properties"]["Roles"]):
                        for resource in self._named(statement["Resource"]):
                            yield role, action, resource

    def _named(self, resource: Any) -> set[str]:
        text = json.dumps(resource)
        if ":project/" in text:
            projects = self.of_type("AWS::CodeBuild::Project")
            return {name for name, each in projects if f'/{each["Properties"]["Name"]}"' in text}
        if ":parameter/" in text:
            return {IMAGE_PARAMETER}
        if ":endpoint/" in text:
            return {STAGING_ENDPOINT}
        if ":model-package-group/" in text or ":model-package/" in text:
            return {name for name, _ in self.of_type("AWS::SageMaker::ModelPackageGroup")}
        if ":schedule/" in text:
            return {name for name, _ in self.of_type("AWS::Scheduler::ScheduleGroup")}
        if ":execution:" in text:
            return {name for name, _ in self.of_type("AWS::StepFunctions::StateMachine")}
        return set(self.references(resource))


def read_assembly(folder: Path) -> Assembly:
    """Read the templates in a cloud assembly."""
    files = sorted(folder.glob("*.template.json"))
    return Assembly({file.name.split(".")[0]: json.loads(file.read_text()) for file in files})


def draw_state_machine(assembly: Assembly) -> str:
    """Return the state machine as DOT: states, transitions and where errors go."""
    definition = assembly.state_machine
    lines = [f"start [shape=circle {FONT}]", f"start -> {definition['StartAt']}"]
    catchers: dict[tuple[str, str], list[str]] = defaultdict(list)
    for name, state in definition["States"].items():
        lines.append(
            f"{name} [{STATE_STYLES[state['Type']]} label={_quote(_state_label(name, state))}]"
        )
        lines += _transitions(name, state)
        for catcher in state.get("Catch", []):
            catchers[catcher["Next"], ", ".join(catcher["ErrorEquals"])].append(name)
    for number, ((target, errors), sources) in enumerate(sorted(catchers.items())):
        lines += _caught(number, target, errors, sources)
    return _digraph("TB", 0.3, lines)


def _state_label(name: str, state: Mapping[str, Any]) -> str:
    resource = state.get("Resource", "")
    if resource.endswith(":lambda:invoke"):
        return f"{name}\n{state['Parameters']['FunctionName']}"
    return f"{name}\n{resource.split(':::')[-1]}" if resource else name


def _transitions(name: str, state: Mapping[str, Any]) -> Iterator[str]:
    if "Next" in state:
        yield f"{name} -> {state['Next']}"
    for choice in state.get("Choices", []):
        yield f"{name} -> {choice['Next']} [label={_quote(_condition(choice))}]"
    if "Default" in state:
        yield f'{name} -> {state["Default"]} [label="otherwise"]'


def _condition(rule: Mapping[str, Any]) -> str:
    if "And" in rule:
        return "\n".join(dict.fromkeys(_condition(each) for each in rule["And"]))
    if "Not" in rule:
        return f"not all of\n{_condition(rule['Not'])}"
    variable = str(rule["Variable"]).rsplit(".", 1)[-1]
    if "IsPresent" in rule or "IsNumeric" in rule:
        return f"{variable} is a number"
    operator = next(key for key in rule if key in COMPARISONS)
    return f"{variable} {COMPARISONS[operator]} {rule[operator]}"


def _caught(number: int, target: str, errors: str, sources: list[str]) -> Iterator[str]:
    if len(sources) == 1:
        yield f"{sources[0]} -> {target} [style=dashed label={_quote(errors)}]"
        return
    label = _quote(f"{len(sources)} tasks\n{errors}")
    yield f'caught{number} [shape=box style="dashed" color="#84848c" label={label}]'
    yield f"caught{number} -> {target} [style=dashed]"


def draw_architecture(assembly: Assembly) -> str:
    """Return the stacks' resources, what runs create, and how data flows between them, as DOT."""
    lines = []
    for number, (stack, template) in enumerate(assembly.templates.items()):
        drawn = _resources(template)
        lines.append(f"subgraph cluster_{number} {{ {_cluster(stack)} {' '.join(drawn)} }}")
    jobs = dict(_jobs(assembly))
    lines.append(_created("run", [*jobs.values(), STAGING_ENDPOINT]))
    lines.append(_created("build", [IMAGE_PARAMETER]))
    lines += sorted({*_trigger(assembly), *_invocations(assembly), *_flows(assembly, jobs)})
    return _digraph("LR", 0.9, lines)


def _created(by: str, names: Sequence[str]) -> str:
    """Return what is in no template."""
    nodes = " ".join(f"{_quote(name)} [{_box('#e8f5ee', '#2f9e6e')}]" for name in names)
    return f"subgraph cluster_{by} {{ {_cluster(f'created by {by}s')} {nodes} }}"


def _resources(template: Mapping[str, Any]) -> Iterator[str]:
    for name, resource in template["Resources"].items():
        if resource["Type"] in SHOWN_TYPES:
            label = _quote(f"{_heading(name, resource)}\n{SHOWN_TYPES[resource['Type']]}")
            yield f"{name} [{_box('#e3eefc', '#3b7dd8')} label={label}]"


def _heading(name: str, resource: Mapping[str, Any]) -> str:
    """Return what a rule waits for, how often a schedule fires, or the resource's name."""
    properties = resource["Properties"]
    if pattern := properties.get("EventPattern"):
        return f"{pattern['detail-type'][0]}{_keys(pattern['detail'])}"
    return str(properties.get("ScheduleExpression") or _readable(name))


def _jobs(assembly: Assembly) -> Iterator[tuple[str, str]]:
    """Yield the role and the name of each SageMaker job, from the states that create them."""
    for name, state in assembly.state_machine["States"].items():
        if "RoleArn" in state.get("Parameters", {}):
            yield state["Parameters"]["RoleArn"], f"{name} job"
        elif "ExecutionRoleArn" in state.get("Parameters", {}):
            yield state["Parameters"]["ExecutionRoleArn"], STAGING_ENDPOINT


def _trigger(assembly: Assembly) -> Iterator[str]:
    for name, rule in assembly.of_type("AWS::Events::Rule"):
        for target in rule["Properties"]["Targets"]:
            yield from _triggered(assembly, name, target)
    for name, schedule in assembly.of_type("AWS::Scheduler::Schedule"):
        yield from _triggered(assembly, name, schedule["Properties"]["Target"])


def _keys(detail: Mapping[str, Any]) -> str:
    keys = detail.get("object", {}).get("key", [])
    return "".join(f"\n{key.get('wildcard') or '*' + key['suffix']}" for key in keys)


def _triggered(assembly: Assembly, name: str, target: Mapping[str, Any]) -> Iterator[str]:
    for started in assembly.references(target["Arn"]):
        yield f'{name} -> {started} [label="invokes"]'


def _invocations(assembly: Assembly) -> Iterator[str]:
    machine = assembly.of_type("AWS::StepFunctions::StateMachine")[0][0]
    for name, state in assembly.state_machine["States"].items():
        resource = state.get("Resource", "")
        if resource.endswith(":lambda:invoke"):
            yield f"{machine} -> {state['Parameters']['FunctionName']}"
        elif resource.endswith(("createEndpoint", "updateEndpoint")):
            yield f"{machine} -> {_quote(STAGING_ENDPOINT)}"
        elif resource.endswith(".sync"):
            yield f"{machine} -> {_quote(f'{name} job')}"


def _flows(assembly: Assembly, jobs: Mapping[str, str]) -> Iterator[str]:
    """Yield an arrow for each actor and resource between which a permission moves data.

    It points where the data goes; storage is ranked last, whoever reads it, and code first.
    """
    own = {
        role: name
        for kind, role_property in ACTORS.items()
        for name, actor in assembly.of_type(kind)
        for role in assembly.references(actor["Properties"][role_property])
    }
    actors = {**own, **jobs}
    verbs: dict[tuple[str, str], set[str]] = defaultdict(set)
    for role, action, resource in assembly.actions():
        if role in actors and action in VERBS:
            verbs[actors[role], resource].add(VERBS[action])
    code = {name for name, _ in assembly.of_type("AWS::CodeCommit::Repository")}
    for (actor, resource), found in verbs.items():
        if resource in code:
            yield f'{_quote(resource)} -> {_quote(actor)} [label="commits"]'
            continue
        inward = bool(found & INWARD_VERBS)
        direction = "both" if inward and found - INWARD_VERBS else "back" if inward else "forward"
        label = _quote(", ".join(sorted(found)))
        style = f'dir={direction} label={label} color="#84848c"'
        yield f"{_quote(actor)} -> {_quote(resource)} [{style}]"


def _box(fill: str, line: str) -> str:
    return f'shape=box style="rounded,filled" fillcolor="{fill}" color="{line}"'


def _cluster(label: str) -> str:
    return f'label={_quote(label)} {FONT.replace(" ", "; ")}; color="#c9c9cf"; style=rounded;'


def _readable(logical_id: str) -> str:
    return re.sub(r"[0-9A-F]{8}$", "", logical_id)


def _quote(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def _digraph(direction: str, ranksep: float, lines: list[str]) -> str:
    body = "\n  ".join(lines)
    return (
        f'digraph {{\n  rankdir={direction} ranksep={ranksep} nodesep=0.2 pad=0.3 bgcolor="white"\n'
        f'  node [{FONT} margin="0.16,0.06"]\n'
        f"  edge [{FONT.replace('11', '9')}]\n  {body}\n}}\n"
    )


def render(dot: str) -> str:
    """Return DOT as SVG; the same DOT gives the same bytes."""
    command = [sys.executable, "-m", "mlops.node", "node", str(DOCS / "render_dot.mjs")]
    drawn = subprocess.run(
        command, input=dot, cwd=ROOT, text=True, stdout=subprocess.PIPE, check=True
    )
    return drawn.stdout


def diagrams(assembly: Assembly) -> dict[str, str]:
    """Return each diagram's DOT by its file name."""
    return {
        "architecture.svg": draw_architecture(assembly),
        "state-machine.svg": draw_state_machine(assembly),
    }


def main() -> None:
    """Write the diagrams."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--assembly", type=Path, help="default: synthesize one")
    folder = parser.parse_args().assembly
    if folder is None:
        folder = ROOT / "build" / "diagrams"
        synth = ["-m", "mlops.cdk", "synth", "--quiet", "--output", str(folder)]
        subprocess.run([sys.executable, *synth], cwd=ROOT, check=True)
    for name, dot in diagrams(read_assembly(folder)).items():
        (DOCS / name).write_text(render(dot), encoding="utf-8")


if __name__ == "__main__":
    main()
