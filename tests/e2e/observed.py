"""What a run has left in the account, and what was told of it."""

import json
from typing import Any

from tests.account.roles import allow_sending
from tests.e2e.conftest import Pipeline


def subscribe(pipeline: Pipeline) -> None:
    sqs = pipeline.account.client("sqs")
    url = sqs.create_queue(QueueName="pager")["QueueUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
    allow_sending(pipeline.account, url, attributes["QueueArn"], "sns")
    pipeline.account.client("sns").subscribe(
        TopicArn=pipeline.outputs["TopicArn"], Protocol="sqs", Endpoint=attributes["QueueArn"]
    )


def pages(pipeline: Pipeline) -> list[str]:
    """Take the messages that have arrived since the last look."""
    return [message for _, message in notifications(pipeline)]


def notifications(pipeline: Pipeline) -> list[tuple[str, str]]:
    """Take what has arrived since the last look, each with its subject and its message."""
    sqs, found = pipeline.account.client("sqs"), []
    url = sqs.get_queue_url(QueueName="pager")["QueueUrl"]
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        for message in messages:
            body = json.loads(message["Body"])
            found.append((str(body["Subject"]), str(body["Message"])))
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return found


def run_name(pipeline: Pipeline, arn: str) -> str | None:
    """Return the name of what a run creates, once PrepareRun has chosen it."""
    pages = pipeline.account.client("stepfunctions").get_paginator("get_execution_history")
    for page in pages.paginate(executionArn=arn):
        for event in page["events"]:
            details = event.get("stateExitedEventDetails", {})
            if details.get("name") == "PrepareRun":
                run = json.loads(details["output"]).get("run", {})
                return str(run["name"]) if "name" in run else None
    return None


def serving(pipeline: Pipeline) -> str:
    """Return the config of the staging endpoint, which must be in service."""
    endpoint = pipeline.account.client("sagemaker").describe_endpoint(
        EndpointName=pipeline.outputs["StagingEndpointName"]
    )
    assert endpoint["EndpointStatus"] == "InService"
    return str(endpoint["EndpointConfigName"])


def leftovers(pipeline: Pipeline, name: str | None) -> list[str]:
    """List what is there of a run, apart from its jobs and objects."""
    if name is None:
        return []
    client = pipeline.account.client("sagemaker")
    named = {"NameContains": name}
    jobs = [
        *client.list_training_jobs(**named)["TrainingJobSummaries"],
        *client.list_processing_jobs(**named)["ProcessingJobSummaries"],
    ]
    running = [
        job
        for job in jobs
        if job.get("TrainingJobStatus", job.get("ProcessingJobStatus")) == "InProgress"
    ]
    return [
        *(str(job) for job in running),
        *(each["ModelName"] for each in client.list_models(**named)["Models"]),
        *(
            each["EndpointConfigName"]
            for each in client.list_endpoint_configs(**named)["EndpointConfigs"]
        ),
    ]


def lock(pipeline: Pipeline) -> Any:
    return (
        pipeline.account.client("dynamodb")
        .get_item(TableName=pipeline.outputs["RunTableName"], Key={"id": {"S": "staging-lock"}})
        .get("Item")
    )
