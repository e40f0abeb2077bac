"""State machines are refused at creation, through the API and through CloudFormation."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.account.roles import create_role
from tests.account.workloads import machine, task
from tests.conftest import RunningAccount

DONE = {"Type": "Succeed"}
RULES = "arn:aws:events:us-east-1:123456789012:rule/StepFunctionsGetEventsForSageMaker"
TRAIN = task(
    "sagemaker:createTrainingJob.sync",
    {
        "TrainingJobName": "a",
        "AlgorithmSpecification": {"TrainingInputMode": "File"},
        "RoleArn": "r",
        "OutputDataConfig": {"S3OutputPath": "s3://b"},
        "ResourceConfig": {"VolumeSizeInGB": 1},
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
    },
)


def _definition(states: dict[str, Any]) -> str:
    return json.dumps({"StartAt": next(iter(states)), "States": states})


def _refusal(call: Any, **params: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as refused:
        call(**params)
    error = refused.value.response["Error"]
    return error["Code"], error["Message"]


def _create(account: RunningAccount, name: str, definition: str, **more: Any) -> dict[str, Any]:
    client = account.client("stepfunctions")
    role = {"roleArn": create_role(account, "machine", "states"), **more}
    return dict(client.create_state_machine(name=name, definition=definition, **role))


BROKEN = _definition({"A": {"Type": "Pass", "Next": "B"}})
SAID = (
    "Invalid State Machine Definition: 'MISSING_TRANSITION_TARGET: Missing 'Next' target: B at "
    "/States/A/Next, MISSING_END_STATE: Workflow has no terminal state at null'"
)


def test_a_broken_definition_is_neither_created_nor_put_in_a_working_ones_place(
    account: RunningAccount,
) -> None:
    refused = ("InvalidDefinition", SAID)
    assert _refusal(lambda: _create(account, "broken", BROKEN)) == refused
    arn = machine(account, "working", {"Done": DONE})
    client = account.client("stepfunctions")
    update = client.update_state_machine
    assert _refusal(update, stateMachineArn=arn, definition=BROKEN) == refused
    kept = client.describe_state_machine(stateMachineArn=arn)["definition"]
    assert kept == _definition({"Done": DONE})


@pytest.mark.parametrize(
    "states",
    [
        [],
        {"A": []},
        {"A": {**DONE, "InputPath": {}}},
        {"A": {"Type": "Choice", "Choices": {"Next": "A"}}},
        {"A": {"Type": "Pass", "End": True, "Retry": None}},
    ],
)
def test_a_malformed_definition_is_refused_as_one(account: RunningAccount, states: Any) -> None:
    definition = json.dumps({"StartAt": "A", "States": states})
    assert _refusal(lambda: _create(account, "odd", definition))[0] == "InvalidDefinition"


def test_what_only_the_interpreter_finds_is_refused_too(account: RunningAccount) -> None:
    retrier = {"ErrorEquals": ["States.ALL"], "BackoffRate": 0.5}
    call = task("lambda:invoke", {"FunctionName": "f"}, Retry=[retrier])
    code, message = _refusal(lambda: _create(account, "backoff", _definition({"A": call})))
    assert code == "InvalidDefinition"
    assert "BackoffRate MUST be greater" in message


def test_a_definition_can_be_validated_without_creating_it(account: RunningAccount) -> None:
    validate = account.client("stepfunctions").validate_state_machine_definition
    assert validate(definition=_definition({"Done": DONE}))["result"] == "OK"
    found = validate(definition=BROKEN)
    assert found["result"] == "FAIL"
    assert not found["truncated"]
    assert found["diagnostics"] == [
        {
            "severity": "ERROR",
            "code": "MISSING_TRANSITION_TARGET",
            "message": "Missing 'Next' target: B",
            "location": "/States/A/Next",
        },
        {
            "severity": "ERROR",
            "code": "MISSING_END_STATE",
            "message": "Workflow has no terminal state",
        },
    ]


def test_an_express_machine_is_refused_by_name(account: RunningAccount) -> None:
    code, message = _refusal(
        lambda: _create(account, "express", _definition({"A": DONE}), type="EXPRESS")
    )
    assert (code, "EXPRESS" in message) == ("UnsupportedOperation", True)


def test_a_name_is_one_machines(account: RunningAccount) -> None:
    definition = _definition({"A": DONE})
    first = _create(account, "one", definition)
    assert _create(account, "one", definition)["stateMachineArn"] == first["stateMachineArn"]
    other = _definition({"B": DONE})
    code, message = _refusal(lambda: _create(account, "one", other))
    assert code == "StateMachineAlreadyExists"
    assert message == f"State Machine Already Exists: '{first['stateMachineArn']}'"
    assert _refusal(lambda: _create(account, "a b", definition))[0] == "InvalidName"
    assert _refusal(lambda: _create(account, "n" * 81, definition))[0] == "ValidationException"


@pytest.mark.parametrize("missing", ["events:PutRule", "events:PutTargets", "events:DescribeRule"])
def test_sync_needs_the_rights_on_its_rule(account: RunningAccount, missing: str) -> None:
    actions = {"events:PutRule", "events:PutTargets", "events:DescribeRule"}
    allow: dict[str, Any] = {
        "Effect": "Allow",
        "Action": sorted(actions - {missing}),
        "Resource": f"{RULES}TrainingJobsRule",
    }
    name = f"without-{missing.partition(':')[2]}"
    role = create_role(account, name, "states", allow=[allow])
    definition = _definition({"Train": TRAIN})
    refused = ("AccessDeniedException", f"'{role}' is not authorized to create managed-rule.")
    assert _refusal(lambda: _create(account, name, definition, roleArn=role)) == refused
    allow["Action"] = sorted(actions)
    create_role(account, name, "states", allow=[allow])
    arn = _create(account, name, definition, roleArn=role)["stateMachineArn"]
    create_role(account, name, "states", allow=[{**allow, "Resource": f"{RULES}OtherRule"}])
    update = account.client("stepfunctions").update_state_machine
    assert _refusal(update, stateMachineArn=arn, definition=definition) == refused


def test_logging_needs_the_rights_of_log_delivery(account: RunningAccount) -> None:
    group = "arn:aws:logs:us-east-1:123456789012:log-group:/machine:*"
    logging = {
        "level": "ALL",
        "includeExecutionData": True,
        "destinations": [{"cloudWatchLogsLogGroup": {"logGroupArn": group}}],
    }
    allow = {"Effect": "Allow", "Action": "logs:CreateLogDelivery", "Resource": "*"}
    role = create_role(account, "unlogged", "states", allow=[allow])
    definition = _definition({"A": DONE})
    code, message = _refusal(
        lambda: _create(account, "unlogged", definition, roleArn=role, loggingConfiguration=logging)
    )
    assert code == "AccessDeniedException"
    assert message == "The state machine IAM Role is not authorized to access the Log Destination"
    assert _create(account, "logged", definition, loggingConfiguration=logging)


def _template(account: RunningAccount, definition: str) -> str:
    properties = {
        "RoleArn": create_role(account, "machine", "states"),
        "DefinitionString": definition,
        "TracingConfiguration": {"Enabled": True},
        "Tags": [{"Key": "project", "Value": "test"}],
    }
    resource = {"Type": "AWS::StepFunctions::StateMachine", "Properties": properties}
    outputs = {"Arn": {"Value": {"Ref": "Machine"}}}
    return json.dumps({"Resources": {"Machine": resource}, "Outputs": outputs})


def test_a_stack_with_a_broken_definition_is_rolled_back_for_it(account: RunningAccount) -> None:
    stacks = account.client("cloudformation")
    stacks.create_stack(StackName="broken", TemplateBody=_template(account, BROKEN))
    stack = stacks.describe_stacks(StackName="broken")["Stacks"][0]
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    events = stacks.describe_stack_events(StackName="broken")["StackEvents"]
    failed = [event for event in events if event["ResourceStatus"] == "CREATE_FAILED"]
    assert SAID in failed[0]["ResourceStatusReason"]


def test_a_stack_makes_and_changes_a_machine(account: RunningAccount) -> None:
    stacks, client = account.client("cloudformation"), account.client("stepfunctions")
    stacks.create_stack(
        StackName="working", TemplateBody=_template(account, _definition({"A": DONE}))
    )
    (output,) = stacks.describe_stacks(StackName="working")["Stacks"][0]["Outputs"]
    arn = output["OutputValue"]
    made = client.describe_state_machine(stateMachineArn=arn)
    assert made["tracingConfiguration"] == {"enabled": True}
    tags = client.list_tags_for_resource(resourceArn=arn)["tags"]
    assert {"key": "project", "value": "test"} in tags
    changed = _definition({"B": DONE})
    stacks.update_stack(StackName="working", TemplateBody=_template(account, changed))
    assert client.describe_state_machine(stateMachineArn=arn)["definition"] == changed
