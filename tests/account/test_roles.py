"""Every plane acts with the rights of the role that AWS would use, and says which it lacked."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.account.roles import ANYTHING, allow_invoking, create_role, document
from tests.account.sagemaker_fixture import Lab, lab, until  # noqa: F401
from tests.account.workloads import create_function, execute, invoke, message, queue, task
from tests.conftest import RunningAccount

CALLER = """
    import boto3

    def handler(event, context):
        boto3.client("s3").list_buckets()
        return boto3.client("sts").get_caller_identity()["Arn"]
"""
LOGGING = {
    "Effect": "Allow",
    "Action": ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"],
    "Resource": "*",
}


def without(*actions: str) -> list[dict[str, Any]]:
    """Return statements that allow anything but some actions."""
    return [ANYTHING, {"Effect": "Deny", "Action": list(actions), "Resource": "*"}]


def test_a_function_calls_as_its_role_and_may_not_more(account: RunningAccount) -> None:
    role = create_role(account, "lists", "lambda")
    function = create_function(account, "lists", CALLER, Role=role, Timeout=30)
    assert invoke(account, function)[1].startswith("arn:aws:sts::123456789012:assumed-role/lists/")
    create_role(account, "lists", "lambda", allow=[LOGGING])
    kind, error = invoke(account, function)
    assert kind == "Unhandled"
    for part in ("assumed-role/lists/", "s3:ListAllMyBuckets", "no identity-based policy"):
        assert part in error["errorMessage"]


def test_a_function_whose_role_may_not_write_logs_runs_without(account: RunningAccount) -> None:
    role = create_role(account, "silent", "lambda", allow=without("logs:*"))
    code = "def handler(event, context):\n    print('heard')\n"
    function = create_function(account, "silent", code, Role=role, Timeout=30)
    assert invoke(account, function) == (None, None)
    groups = account.client("logs").describe_log_groups(logGroupNamePrefix="/aws/lambda/silent")
    assert groups["logGroups"] == []


@pytest.mark.parametrize(
    ("role", "configuration", "reason"),
    [
        ("for-sagemaker", {}, "cannot be assumed by Lambda"),
        ("none", {}, "cannot be assumed by Lambda"),
        (
            "poor",
            {"DeadLetterConfig": True},
            "not have permissions to call SendMessage on SQS",
        ),
        (
            "poor",
            {"Environment": {"Variables": {"AWS_SESSION_TOKEN": "x", "AWS_REGION": "y"}}},
            "Reserved keys used in this request: AWS_REGION, AWS_SESSION_TOKEN",
        ),
    ],
)
def test_a_function_that_lambda_refuses_is_refused(
    account: RunningAccount, role: str, configuration: dict[str, Any], reason: str
) -> None:
    create_role(account, "for-sagemaker", "sagemaker")
    create_role(account, "poor", "lambda", allow=[LOGGING])
    if "DeadLetterConfig" in configuration:
        configuration = {"DeadLetterConfig": {"TargetArn": queue(account, "unsendable")[1]}}
    arn = f"arn:aws:iam::123456789012:role/{role}"
    with pytest.raises(ClientError, match=reason) as refused:
        create_function(account, "refused", Role=arn, **configuration)
    assert refused.value.response["Error"]["Code"] == "InvalidParameterValueException"
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        account.client("lambda").get_function(FunctionName="refused")


def test_a_state_machine_calls_as_its_role_and_a_denial_has_awss_names(
    lab: Lab,  # noqa: F811
) -> None:
    account = lab.account
    function = create_function(account, "uncalled")
    role = create_role(account, "bound", "states", allow=without("lambda:InvokeFunction"))
    call = task("lambda:invoke", {"FunctionName": function, "Payload": {}})
    execution = execute(account, "may-not-invoke", {"Call": call}, role=role)
    assert execution["error"] == "Lambda.AWSLambdaException"
    create_role(account, "bound", "states", allow=without("sagemaker:AddTags"))
    request = lab.training_request("untagged")
    train = task("sagemaker:createTrainingJob.sync", request)
    denied = execute(account, "may-not-tag", {"Train": train}, role=role)
    assert denied["error"] == "SageMaker.AmazonSageMakerException"
    for cause in (execution["cause"], denied["cause"]):
        assert "assumed-role/bound/" in cause
        assert "Error Code: AccessDeniedException" in cause
    assert "sagemaker:AddTags on resource: arn:aws:sagemaker:" in denied["cause"]


def test_a_job_that_sync_started_has_the_tag_of_step_functions(lab: Lab) -> None:  # noqa: F811
    train = task("sagemaker:createTrainingJob.sync", lab.training_request("tagged-by-sync"))
    execution = execute(lab.account, "tags", {"Train": train})
    arn = json.loads(execution["output"])["TrainingJobArn"]
    tags = lab.client("sagemaker").list_tags(ResourceArn=arn)["Tags"]
    assert tags == [{"Key": "MANAGED_BY_AWS", "Value": "STARTED_BY_STEP_FUNCTIONS"}]


@pytest.mark.parametrize(
    ("denied", "reason"),
    [
        ("s3:GetObject", "Data download failed:"),
        ("s3:PutObject", "Artifact upload failed:"),
        ("ecr:BatchGetImage", "Cannot pull algorithm container."),
        ("ecr:GetAuthorizationToken", "Cannot pull algorithm container."),
    ],
)
def test_a_job_whose_role_lacks_a_right_fails_and_names_it(
    lab: Lab,  # noqa: F811
    denied: str,
    reason: str,
) -> None:
    name = f"lacks-{denied.replace(':', '-')}"
    role = create_role(lab.account, "lacking", "sagemaker", allow=without(denied))
    request = {**lab.training_request(name), "RoleArn": role}
    lab.client("sagemaker").create_training_job(**request)
    job = lab.ended_training(name)
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith(f"ClientError: {reason}")
    for part in (denied, "assumed-role/lacking/"):
        assert part in job["FailureReason"]


def test_a_job_whose_input_may_not_be_listed_is_refused(lab: Lab) -> None:  # noqa: F811
    role = create_role(lab.account, "blind", "sagemaker", allow=without("s3:ListBucket"))
    request = {**lab.training_request("blind"), "RoleArn": role}
    with pytest.raises(ClientError, match='has "s3:ListBucket" permissions'):
        lab.client("sagemaker").create_training_job(**request)


def test_a_job_whose_logs_may_not_be_written_runs_without(lab: Lab) -> None:  # noqa: F811
    role = create_role(lab.account, "mute", "sagemaker", allow=without("logs:CreateLogStream"))
    request = {**lab.training_request("mute"), "RoleArn": role}
    lab.client("sagemaker").create_training_job(**request)
    assert lab.ended_training("mute")["TrainingJobStatus"] == "Completed"
    assert lab.log("/aws/sagemaker/TrainingJobs", "mute/") == []


def test_a_role_that_sagemaker_may_not_take_is_refused(lab: Lab) -> None:  # noqa: F811
    role = create_role(lab.account, "for-lambda", "lambda")
    sagemaker, expected = lab.client("sagemaker"), "allows principal 'sagemaker.amazonaws.com'"
    with pytest.raises(ClientError, match=expected):
        sagemaker.create_training_job(**{**lab.training_request("taken"), "RoleArn": role})
    with pytest.raises(ClientError, match=expected):
        sagemaker.create_processing_job(**{**lab.processing_request("taken"), "RoleArn": role})


def test_a_model_whose_artifact_the_role_may_not_read_is_refused(lab: Lab) -> None:  # noqa: F811
    role = create_role(lab.account, "unread", "sagemaker", allow=without("s3:GetObject"))
    artifact = f"s3://{lab.bucket}/v1.0/_MANIFEST.json"
    container = {"Image": lab.image, "ModelDataUrl": artifact}
    with pytest.raises(ClientError, match="Could not access model data at"):
        lab.client("sagemaker").create_model(
            ModelName="unread", PrimaryContainer=container, ExecutionRoleArn=role
        )


def _put(account: RunningAccount, name: str, target: dict[str, Any]) -> str:
    """Create a rule with one target, send it an event, and return the rule's ARN."""
    events, source = account.client("events"), f"rights.{name}"
    rule = events.put_rule(Name=name, EventPattern=json.dumps({"source": [source]}))["RuleArn"]
    events.put_targets(Rule=name, Targets=[{"Id": "1", **target}])
    events.put_events(Entries=[{"Source": source, "DetailType": "Tested", "Detail": "{}"}])
    return str(rule)


def test_a_rule_without_permission_does_not_retry_and_leaves_a_dead_letter(
    account: RunningAccount,
) -> None:
    function = create_function(account, "unpermitted")
    arn = f"arn:aws:lambda:us-east-1:123456789012:function:{function}"
    url, letters = queue(account, "unpermitted")
    rule = _put(account, "unpermitted", {"Arn": arn, "DeadLetterConfig": {"Arn": letters}})
    found = message(account, url)["MessageAttributes"]
    attributes = {name: value["StringValue"] for name, value in found.items()}
    assert attributes.pop("ERROR_MESSAGE")
    assert attributes == {
        "RULE_ARN": rule,
        "TARGET_ARN": arn,
        "ERROR_CODE": "NO_PERMISSIONS",
        "RETRY_ATTEMPTS": "0",
    }


def test_a_permission_for_one_rule_is_none_for_another(account: RunningAccount) -> None:
    function = create_function(account, "permitted-once")
    arn = f"arn:aws:lambda:us-east-1:123456789012:function:{function}"
    account.client("lambda").add_permission(
        FunctionName=function,
        StatementId="one",
        Action="lambda:InvokeFunction",
        Principal="events.amazonaws.com",
        SourceArn="arn:aws:events:us-east-1:123456789012:rule/permitted",
    )
    url, letters = queue(account, "not-permitted")
    _put(account, "not-permitted", {"Arn": arn, "DeadLetterConfig": {"Arn": letters}})
    error = message(account, url)["MessageAttributes"]["ERROR_CODE"]["StringValue"]
    assert error == "NO_PERMISSIONS"


def test_a_target_whose_role_events_may_not_take_is_dead_lettered(account: RunningAccount) -> None:
    role = create_role(account, "not-for-events", "lambda")
    url, arn = queue(account, "not-taken")
    target = {"Arn": arn, "RoleArn": role, "DeadLetterConfig": {"Arn": arn}}
    _put(account, "not-taken", target)
    error = message(account, url)["MessageAttributes"]["ERROR_CODE"]["StringValue"]
    assert error == "FAILED_TO_ASSUME_ROLE"


def test_a_schedule_whose_role_scheduler_may_not_take_is_refused(account: RunningAccount) -> None:
    role = create_role(account, "not-for-schedules", "events")
    with pytest.raises(ClientError, match="must allow AWS EventBridge Scheduler to assume"):
        account.client("scheduler").create_schedule(
            Name="refused-role",
            ScheduleExpression="rate(1 hour)",
            FlexibleTimeWindow={"Mode": "OFF"},
            Target={"Arn": queue(account, "never")[1], "RoleArn": role},
        )


def test_a_schedule_calls_as_its_role_and_so_are_its_dead_letters_sent(
    account: RunningAccount,
) -> None:
    group = "arn:aws:scheduler:us-east-1:123456789012:schedule-group/default"
    role = create_role(account, "schedules", "scheduler", allow=without("lambda:InvokeFunction"))
    trust = document(
        {"Action": "sts:AssumeRole", "Condition": {"StringEquals": {"aws:SourceArn": group}}},
        "scheduler",
    )
    account.client("iam").update_assume_role_policy(RoleName="schedules", PolicyDocument=trust)
    function = create_function(account, "scheduled")
    allow_invoking(account, function, "events")
    url, letters = queue(account, "schedule-letters")
    account.client("scheduler").create_schedule(
        Name="denied",
        ScheduleExpression="rate(1 hour)",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={
            "Arn": f"arn:aws:lambda:us-east-1:123456789012:function:{function}",
            "RoleArn": role,
            "DeadLetterConfig": {"Arn": letters},
        },
    )
    attributes = message(account, url)["MessageAttributes"]
    assert attributes["RETRY_ATTEMPTS"]["StringValue"] == "0"
    assert "assumed-role/schedules/default" in attributes["ERROR_MESSAGE"]["StringValue"]
    account.client("scheduler").delete_schedule(Name="denied")


def test_a_topic_sends_to_the_queues_that_let_it(account: RunningAccount) -> None:
    sns, sqs = account.client("sns"), account.client("sqs")
    topic = sns.create_topic(Name="to-some")["TopicArn"]
    closed = sqs.create_queue(QueueName="closed")["QueueUrl"]
    opened, arn = queue(account, "opened")
    for endpoint in (arn.replace(":opened", ":closed"), arn):
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=endpoint)
    sns.publish(TopicArn=topic, Message="for some")
    assert json.loads(message(account, opened)["Body"])["Message"] == "for some"
    assert "Messages" not in sqs.receive_message(QueueUrl=closed)
    printed = until(lambda: _lost(account))
    assert "sqs:SendMessage" in printed


def _lost(account: RunningAccount) -> str | None:
    lines = account.log.read_text().splitlines()
    return next((line for line in lines if line.startswith("message lost: ")), None)
