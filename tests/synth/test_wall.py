"""The project's own templates pass the own rules, and one seeded mistake in them never does."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from checks.acknowledgements import read, sort
from checks.assembly import load
from checks.own_rules import find
from tests.synth.assembly import ROOT, Assembly

Change = Callable[[dict[str, Any]], None]
ACKNOWLEDGED = read(ROOT / "stacks" / "acknowledgements.toml")


def in_definition(old: str, new: str) -> Change:
    """Change the state machine's definition, as it is written in the template."""

    def change(resources: dict[str, Any]) -> None:
        properties = resources["TrainingStateMachine"]["Properties"]
        written = json.dumps(properties["DefinitionString"])
        before, after = (json.dumps(text)[1:-1] for text in (old, new))
        assert before in written
        properties["DefinitionString"] = json.loads(written.replace(before, after, 1))

    return change


def in_statements(action: str, **fields: Any) -> Change:
    """Change the fields of every statement that allows one action; None takes one away."""

    def change(resources: dict[str, Any]) -> None:
        found = [
            statement
            for resource in resources.values()
            if resource["Type"] == "AWS::IAM::Policy"
            for statement in resource["Properties"]["PolicyDocument"]["Statement"]
            if statement["Action"] == action
        ]
        assert found
        for statement in found:
            statement.update(fields)

    return change


def without(resource_type: str, *path: str) -> Change:
    """Take a property away from the first resource of a type."""

    def change(resources: dict[str, Any]) -> None:
        first = next(each for each in resources.values() if each["Type"] == resource_type)
        holder = first["Properties"]
        for name in path[:-1]:
            holder = holder[int(name)] if isinstance(holder, list) else holder[name]
        del holder[path[-1]]

    return change


def variable(function: str, name: str) -> Change:
    def change(resources: dict[str, Any]) -> None:
        resources[function]["Properties"]["Environment"]["Variables"][name] = "x"

    return change


def privileged(project: str) -> Change:
    def change(resources: dict[str, Any]) -> None:
        resources[project]["Properties"]["Environment"]["PrivilegedMode"] = True

    return change


ROLES = {"Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:role/*"}
IMAGE = '"TrainingImage":"111122223333.dkr.ecr.eu-west-1.amazonaws.com/model:latest"'
SEEDS: list[tuple[str, str, Change]] = [
    ("training", "asl-transition", in_definition('"Next":"TrainModel"', '"Next":"TrainModle"')),
    ("training", "asl-sync", in_definition("createEndpointConfig", "createEndpointConfig.sync")),
    ("training", "asl-parameter", in_definition('"StoppingCondition"', '"StopingCondition"')),
    ("training", "asl-catch", in_definition('"States.ALL"', '"States.Timeout"')),
    ("training", "asl-catch-result", in_definition('"ResultPath":"$.failed.TrainModel",', "")),
    ("training", "asl-choice-default", in_definition(',"Default":"ValidateDataset"', "")),
    ("training", "asl-timeout", in_definition(',"TimeoutSeconds":150', "")),
    ("training", "asl-retry-jitter", in_definition(',"JitterStrategy":"FULL"', "")),
    ("training", "image-by-tag", in_definition('"TrainingImage.$":"$.run.image.training"', IMAGE)),
    (
        "training",
        "run-network-isolation",
        in_definition('"EnableNetworkIsolation":true', '"EnableNetworkIsolation":false'),
    ),
    (
        "training",
        "run-encryption-key",
        in_definition('"EndpointConfigName.$":"$.run.name","KmsKeyId"', '"KeyId"'),
    ),
    ("training", "environment-unread", variable("ModelTestLambda", "FOO")),
    ("training", "environment-unread", variable("ModelTestLambda", "BUCKET_NAME")),
    (
        "training",
        "environment-missing",
        without("AWS::Lambda::Function", "Environment", "Variables", "REPOSITORY_URI"),
    ),
    (
        "training",
        "dead-letter-queue",
        without("AWS::Events::Rule", "Targets", "0", "DeadLetterConfig"),
    ),
    ("training", "encryption-key", without("AWS::SQS::Queue", "KmsMasterKeyId")),
    ("training", "log-retention", without("AWS::Logs::LogGroup", "RetentionInDays")),
    ("training", "iam-pass-role", in_statements("iam:PassRole", Resource="*")),
    ("training", "iam-pass-role", in_statements("iam:PassRole", Resource=ROLES)),
    ("training", "iam-pass-role", in_statements("iam:PassRole", Condition={})),
    (
        "training",
        "iam-wildcard-action[sns:*]",
        in_statements("sns:Publish", Action="sns:*"),
    ),
    ("training", "iam-wildcard-resource[*]", in_statements("sns:Publish", Resource="*")),
    ("model-code", "privileged-build", privileged("TestProjectA8479124")),
    ("model-code", "encryption-key", without("AWS::CodeBuild::Project", "EncryptionKey")),
    ("model-code", "iam-wildcard-resource[*]", in_statements("ssm:PutParameter", Resource="*")),
    (
        "model-code",
        "dead-letter-queue",
        without("AWS::Events::Rule", "Targets", "0", "DeadLetterConfig"),
    ),
    ("storage", "public-bucket", without("AWS::S3::Bucket", "PublicAccessBlockConfiguration")),
    ("storage", "encryption-key", without("AWS::S3::Bucket", "BucketEncryption")),
]


def rules(folder: Path) -> set[str]:
    return {each.rule for each in sort(list(find(load(folder))), ACKNOWLEDGED).standing}


def test_own_templates_pass(dev: Assembly) -> None:
    assert rules(dev.folder) == set()


@pytest.mark.parametrize(("stack", "rule", "change"), SEEDS)
def test_a_seeded_mistake_is_found(
    dev: Assembly, tmp_path: Path, stack: str, rule: str, change: Change
) -> None:
    folder = tmp_path / "assembly"
    shutil.copytree(dev.folder, folder)
    (path,) = folder.glob(f"*-{stack}.template.json")
    template = json.loads(path.read_text())
    change(template["Resources"])
    path.write_text(json.dumps(template))
    assert rule in rules(folder)
