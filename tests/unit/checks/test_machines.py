"""Where definitions of state machines come from, and what is no mistake in them."""

import json
from pathlib import Path
from typing import Any

import pytest

from checks import own_rules
from tests.unit.checks.factories import FAILED, TASK, assembly, found, machine, of_states, resource

RUN = "arn:aws:states:::aws-sdk:sagemaker:describeTrainingJob"


def in_machine(folder: Path, **states: Any) -> set[tuple[str, str]]:
    return found(assembly(folder, {"M": machine(of_states(**states))}))


def test_a_sound_machine_has_no_findings(tmp_path: Path) -> None:
    assert in_machine(tmp_path, One=TASK, Failed=FAILED) == set()


def test_substitutions_are_made(tmp_path: Path) -> None:
    sound = json.dumps({"TimeoutSeconds": 9, **of_states(One=TASK, Failed=FAILED)})
    definition = sound.replace('"one"', '"${Name}"').replace("9,", "${Limit},", 1)
    given = {"Name": {"Fn::GetAtt": ["Function", "Arn"]}, "Limit": 60}
    resources = {"M": machine(definition, DefinitionSubstitutions=given)}
    assert found(assembly(tmp_path, resources)) == set()


def test_a_number_may_be_known_to_the_deployment_alone(tmp_path: Path) -> None:
    before, after = json.dumps({"TimeoutSeconds": 9, **of_states(Failed=FAILED)}).split("9", 1)
    definition = {"Fn::Join": ["", [before, {"Ref": "Limit"}, after]]}
    resources = {"M": resource("AWS::StepFunctions::StateMachine", DefinitionString=definition)}
    assert found(assembly(tmp_path, resources)) == set()


def test_a_definition_may_be_an_asset(tmp_path: Path) -> None:
    (tmp_path / "asset.abc.json").write_text(
        json.dumps({"TimeoutSeconds": 9, **of_states(F=FAILED)})
    )
    assets = {"files": {"abc": {"source": {"path": "asset.abc.json"}}}}
    (tmp_path / "one.assets.json").write_text(json.dumps(assets))
    location = {"Bucket": "assets", "Key": "abc.json"}
    resources = {"M": resource("AWS::StepFunctions::StateMachine", DefinitionS3Location=location)}
    assert found(assembly(tmp_path, resources)) == set()


def test_what_holds_a_task_may_catch_for_it(tmp_path: Path) -> None:
    uncaught = {name: part for name, part in TASK.items() if name != "Catch"}
    inner = of_states(Inner=uncaught)
    outer = {"Type": "Parallel", "Branches": [inner], "Catch": TASK["Catch"], "End": True}
    assert in_machine(tmp_path, Outer=outer, Failed=FAILED) == set()
    bare = {name: part for name, part in outer.items() if name != "Catch"}
    assert in_machine(tmp_path, Outer=bare) == {("asl-catch", "M/Inner")}


def test_expressions_of_jsonata_are_not_judged_by_type(tmp_path: Path) -> None:
    task = {
        **{name: part for name, part in TASK.items() if name != "Parameters"},
        "Resource": RUN,
        "Arguments": {"TrainingJobName": "{% $states.input.name %}"},
        "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Failed"}],
    }
    definition = {"QueryLanguage": "JSONata", **of_states(One=task, Failed=FAILED)}
    assert found(assembly(tmp_path, {"M": machine(definition)})) == set()
    misspelled = {**task, "Arguments": {"TrainingJob": "{% $states.input.name %}"}}
    definition["States"]["One"] = misspelled
    assert found(assembly(tmp_path, {"M": machine(definition)})) == {("asl-parameter", "M/One")}


@pytest.mark.parametrize(
    ("resource", "parameters", "rule"),
    [
        ("sqs:sendMessage", {"QueueUrl": "q", "MessageBody": {"any": 1}}, None),
        ("sns:publish.waitForTaskToken", {"TopicArn": "t", "Message.$": "$"}, None),
        ("states:startExecution.sync:2", {"StateMachineArn": "m", "Input": {"a": 1}}, None),
        ("aws-sdk:newservice:newAction", {"Anything": 1}, None),
        ("aws-sdk:sqs:sendMessage.sync", {"QueueUrl": "q", "MessageBody": "x"}, "asl-sync"),
        ("lambda:invoke.sync", {"FunctionName": "one"}, "asl-sync"),
        ("dynamodb:query", {}, "asl-integration"),
        ("dynamodb:getItem", {"TableName": "t", "Key.$": "key"}, "asl-path"),
        (
            "dynamodb:getItem",
            {"TableName": "t", "Key": {}, "ConsistentRead": "yes"},
            "asl-parameter",
        ),
        ("dynamodb:getItem", {"TableName": "t"}, "asl-parameter"),
        ("codebuild:startBuild.sync", {"ProjectName": ["p"]}, "asl-parameter"),
    ],
)
def test_requests_are_held_against_the_api(
    tmp_path: Path, resource: str, parameters: dict[str, Any], rule: str | None
) -> None:
    task = {**TASK, "Resource": f"arn:aws:states:::{resource}", "Parameters": parameters}
    expected = {(rule, "M/One")} if rule else set()
    assert in_machine(tmp_path, One=task, Failed=FAILED) == expected


def test_a_machine_that_lasts_minutes_needs_no_time_limit(tmp_path: Path) -> None:
    definition = json.dumps(of_states(F=FAILED))
    endless = {"M": machine(definition), "E": machine(definition, StateMachineType="EXPRESS")}
    assert found(assembly(tmp_path, endless)) == {("asl-machine-timeout", "M")}


@pytest.mark.parametrize(
    ("resources", "rule"),
    [
        ({"InstanceType": "ml.m5.large", "VolumeKmsKeyId.$": "$.key"}, None),
        ({"InstanceType": "ml.g5.xlarge"}, None),
        ({"InstanceType": "ml.g4dn.xlarge"}, None),
        ({"InstanceType": "ml.m5.large"}, "run-encryption-key"),
    ],
)
def test_volumes_are_encrypted_unless_the_instance_does_it(
    tmp_path: Path, resources: dict[str, Any], rule: str | None
) -> None:
    asked = {
        "TransformJobName.$": "$.name",
        "ModelName.$": "$.name",
        "TransformInput": {
            "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri.$": "$.uri"}}
        },
        "TransformOutput": {"S3OutputPath.$": "$.uri", "KmsKeyId.$": "$.key"},
        "TransformResources": {"InstanceCount": 1, **resources},
        "Tags": [{"Key": "project", "Value": "p"}],
    }
    sync = "arn:aws:states:::sagemaker:createTransformJob.sync"
    task = {**TASK, "Resource": sync, "Parameters": asked}
    expected = {(rule, "M/One")} if rule else set()
    assert in_machine(tmp_path, One=task, Failed=FAILED) == expected


def test_one_missing_transition_is_one_finding_of_unreached_states(tmp_path: Path) -> None:
    ends = {name: part for name, part in TASK.items() if name != "End"}
    chain = {"B": {**ends, "Next": "A"}, "A": {**ends, "Next": "C"}, "C": TASK}
    machines = assembly(tmp_path, {"M": machine(of_states(First=TASK, Failed=FAILED, **chain))})
    (told,) = [each for each in own_rules.find(machines) if each.rule == "asl-unreachable"]
    assert told.resource == "M/B"
    assert told.found == "State B (and 2 more) cannot be reached"


TRAIN = {
    **TASK,
    "Resource": "arn:aws:states:::sagemaker:createTrainingJob.sync",
    "Parameters": {"TrainingJobName.$": "$.name"},
}
EVENTS = ["events:PutRule", "events:PutTargets", "events:DescribeRule"]


def of_role(folder: Path, task: dict[str, Any], *actions: str, **role: Any) -> set[tuple[str, str]]:
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": "arn:aws:s3:::one"}
    policy = {
        "PolicyName": "p",
        "PolicyDocument": {"Statement": [statement]},
        "Roles": [{"Ref": "R"}],
    }
    definition = of_states(One=task, Failed=FAILED)
    resources = {
        "R": resource("AWS::IAM::Role", **role),
        "P": resource("AWS::IAM::Policy", **policy),
        "M": machine(definition, RoleArn={"Fn::GetAtt": ["R", "Arn"]}),
    }
    return {each for each in found(assembly(folder, resources)) if each[0] == "asl-role"}


LACKS = {("asl-role", "M/One")}


@pytest.mark.parametrize(
    ("task", "actions", "findings"),
    [
        (TASK, ["lambda:InvokeFunction"], set()),
        (TASK, ["lambda:invokef*"], set()),
        (TASK, ["lambda:Invoke"], LACKS),
        ({**TASK, "Resource": "arn:aws:lambda:eu-west-1:1:function:f"}, [], LACKS),
        (TRAIN, ["sagemaker:CreateTrainingJob", *EVENTS], set()),
        (TRAIN, ["sagemaker:CreateTrainingJob", *EVENTS[1:]], LACKS),
        (TRAIN, ["sagemaker:CreateProcessingJob", *EVENTS], LACKS),
        ({**TASK, "Resource": RUN}, ["sagemaker:DescribeTrainingJob"], set()),
        ({**TASK, "Resource": RUN}, [], LACKS),
        ({**TASK, "Resource": RUN, "Credentials": {"RoleArn": "r"}}, [], set()),
        ({**TASK, "Resource": "arn:aws:states:::aws-sdk:newservice:newAction"}, [], set()),
    ],
)
def test_the_role_allows_what_the_tasks_call(
    tmp_path: Path, task: dict[str, Any], actions: list[str], findings: set[tuple[str, str]]
) -> None:
    assert of_role(tmp_path, task, *actions) == findings


def test_rights_may_come_from_where_they_cannot_be_read(tmp_path: Path) -> None:
    assert of_role(tmp_path, TASK, ManagedPolicyArns=["arn:aws:iam::1:policy/one"]) == set()


@pytest.mark.parametrize(
    "more",
    [
        {"Roles": ["flow"]},
        {"Roles": {"Ref": "Names"}},
        {"Roles": [{"Fn::ImportValue": "of-elsewhere"}]},
        {"PolicyDocument": {"Statement": {"Fn::If": ["C", [], []]}}},
        {"PolicyDocument": {"Statement": [{"Effect": "Allow", "Action": {"Ref": "Actions"}}]}},
    ],
)
def test_a_policy_that_cannot_be_read_may_allow_it(tmp_path: Path, more: dict[str, Any]) -> None:
    allow = {"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": "arn:aws:s3:::one"}
    policy = {"PolicyDocument": {"Statement": [allow]}, "Roles": [{"Ref": "R"}], **more}
    resources = {
        "R": resource("AWS::IAM::Role", RoleName="flow"),
        "P": resource("AWS::IAM::Policy", **policy),
        "M": machine(of_states(One=TASK, Failed=FAILED), RoleArn={"Fn::GetAtt": ["R", "Arn"]}),
    }
    parameters = {"Names": {"Type": "CommaDelimitedList"}, "Actions": {"Type": "String"}}
    findings = found(assembly(tmp_path, resources, Parameters=parameters))
    assert "asl-role" not in {rule for rule, _ in findings}


def test_the_called_may_allow_it_to_everybody(tmp_path: Path) -> None:
    send = {**TASK, "Resource": "arn:aws:states:::sqs:sendMessage"}
    send["Parameters"] = {"QueueUrl": "q", "MessageBody": "x"}
    statement = {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": "*"}
    resources = {
        "R": resource("AWS::IAM::Role"),
        "Q": resource("AWS::SQS::QueuePolicy", PolicyDocument={"Statement": [statement]}),
        "M": machine(of_states(One=send, Failed=FAILED), RoleArn={"Fn::GetAtt": ["R", "Arn"]}),
    }
    assert "asl-role" not in {rule for rule, _ in found(assembly(tmp_path, resources))}
    statement["Effect"] = "Deny"
    assert "asl-role" in {rule for rule, _ in found(assembly(tmp_path, resources))}


def test_the_called_may_allow_it(tmp_path: Path) -> None:
    role = {"Fn::GetAtt": ["R", "Arn"]}
    permission = {"Principal": role, "Action": "lambda:InvokeFunction", "FunctionName": "one"}
    resources = {
        "R": resource("AWS::IAM::Role"),
        "L": resource("AWS::Lambda::Permission", **permission),
        "M": machine(of_states(One=TASK, Failed=FAILED), RoleArn=role),
    }
    assert "asl-role" not in {rule for rule, _ in found(assembly(tmp_path, resources))}


@pytest.mark.parametrize(
    ("kind", "findings"), [("AWS::Lambda::Alias", LACKS), ("AWS::StepFunctions::Activity", set())]
)
def test_a_task_may_be_a_function_or_an_activity(
    tmp_path: Path, kind: str, findings: set[tuple[str, str]]
) -> None:
    states = json.dumps({"TimeoutSeconds": 9, **of_states(One=TASK, Failed=FAILED)})
    before, after = states.split("arn:aws:states:::lambda:invoke")
    definition: Any = {"Fn::Join": ["", [before, {"Ref": "Called"}, after]]}
    resources = {
        "R": resource("AWS::IAM::Role"),
        "Called": resource(kind),
        "M": resource(
            "AWS::StepFunctions::StateMachine",
            DefinitionString=definition,
            RoleArn={"Fn::GetAtt": ["R", "Arn"]},
        ),
    }
    assert {
        each for each in found(assembly(tmp_path, resources)) if each[0] == "asl-role"
    } == findings
