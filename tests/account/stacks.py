"""Stacks of the embedded account, as tests make and look at them."""

import json
from typing import Any

from tests.conftest import RunningAccount

Template = dict[str, Any]


def resource(kind: str, more: dict[str, Any] | None = None, **properties: Any) -> dict[str, Any]:
    """Return a resource of a template; `more` are its attributes besides properties."""
    return {"Type": kind, "Properties": properties, **(more or {})}


def queue(seconds: int = 0, **properties: Any) -> dict[str, Any]:
    """Return a queue, told apart by its delay."""
    return resource("AWS::SQS::Queue", DelaySeconds=seconds, **properties)


def broken(*needs: str) -> dict[str, Any]:
    """Return a resource that cannot be created, after those that it needs."""
    policy = {"Version": "2012-10-17", "Statement": []}
    properties = {"Bucket": "no-such-bucket", "PolicyDocument": policy}
    return resource("AWS::S3::BucketPolicy", {"DependsOn": list(needs)}, **properties)


def change(
    account: RunningAccount, stack: str, template: Template, kind: str = "UPDATE", **more: Any
) -> dict[str, Any]:
    """Create or update a stack through a change set; return what became of it."""
    cloudformation = account.client("cloudformation")
    executed = {each: more.pop(each) for each in ("DisableRollback",) if each in more}
    change_set = cloudformation.create_change_set(
        StackName=stack,
        ChangeSetName=f"change-{kind}",
        ChangeSetType=kind,
        TemplateBody=json.dumps(template),
        Capabilities=["CAPABILITY_NAMED_IAM"],
        **more,
    )
    cloudformation.execute_change_set(ChangeSetName=change_set["Id"], **executed)
    cloudformation.delete_change_set(ChangeSetName=change_set["Id"])
    found: dict[str, Any] = cloudformation.describe_stacks(StackName=change_set["StackId"])
    shown: dict[str, Any] = found["Stacks"][0]
    return shown


def outputs(stack: dict[str, Any]) -> dict[str, str]:
    """Return the outputs of a stack by key."""
    return {each["OutputKey"]: each["OutputValue"] for each in stack.get("Outputs", [])}


def events(account: RunningAccount, stack: str) -> list[tuple[str, str, str]]:
    """Return the events of a stack, the first one first: what, its status, the reason."""
    pages = account.client("cloudformation").get_paginator("describe_stack_events")
    found = [each for page in pages.paginate(StackName=stack) for each in page["StackEvents"]]
    return [
        (each["LogicalResourceId"], each["ResourceStatus"], each.get("ResourceStatusReason", ""))
        for each in reversed(found)
    ]


def delays(account: RunningAccount, prefix: str) -> list[str]:
    """Return the delays of the queues whose names begin with a prefix."""
    sqs = account.client("sqs")
    urls = sqs.list_queues(QueueNamePrefix=prefix).get("QueueUrls", [])
    return sorted(
        sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["DelaySeconds"])["Attributes"][
            "DelaySeconds"
        ]
        for url in urls
    )
