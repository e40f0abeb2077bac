"""Every change that the pipeline may make, going wrong in every way: `make sweep`.

The changes are those that the synthesized roles allow. Whether a run survives is its own
affair; that nothing is lost, left or told twice is not. Only when the answer to a notification is
lost, or its sender dies, can nobody know whether it went out: `AGAIN` says what comes then.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import start_account
from tests.e2e.conftest import Pipeline, deploy
from tests.e2e.images import put_images
from tests.e2e.observed import leftovers, lock, notifications, run_name, serving, subscribe

pytestmark = pytest.mark.sweep

CHANGES = re.compile(r"(Create|Update|Delete|Put|Publish|Start|Stop)\w*")
# What a run does not do by itself: what starts it, and what services do with a role.
BESIDES = {
    *("xray", "logs", "ecr", "kms", "iam", "cloudwatch", "sqs", "scheduler", "events", "lambda"),
}
EFFECTS: dict[str, dict[str, Any]] = {
    "throttled": {"effect": "error", "code": "ThrottlingException", "status": 400},
    "limit": {"effect": "error", "code": "ResourceLimitExceeded", "status": 400},
    "500": {"effect": "error", "code": "InternalFailure", "status": 500},
    "lost": {"effect": "lost"},
    "kill_before": {"effect": "kill_before"},
    "kill_after": {"effect": "kill_after"},
}
AGAIN = {"lost": [False, False], "kill_before": [True], "kill_after": [False, True]}
"""Which notifications say that they may be repeated; the SDK's own second try does not."""
TRIGGERS = ("StartRun", "UploadWatch", "DatasetSealer", "Reconciler", "Timetable")


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory, datasets: Path) -> Iterator[Pipeline]:
    """A pipeline in an account of its own, with a staging endpoint and a subscriber."""
    with start_account(tmp_path_factory.mktemp("swept")) as running:
        deployed = deploy(running, "dev", datasets)
        put_images(deployed)
        subscribe(deployed)
        deployed.upload(datasets / "v1.0", "v1.0")
        deployed.until(deployed.executions)
        deployed.ended(deployed.executions()[0])
        yield deployed


def changes(pipeline: Pipeline) -> Iterator[tuple[str, str, str]]:
    """Yield (role, service, operation) for each change that a run's roles allow."""
    template = pipeline.account.client("cloudformation").get_template(
        StackName=f"{pipeline.name}-{pipeline.env}-training"
    )["TemplateBody"]
    for resource in template["Resources"].values():
        if resource["Type"] != "AWS::IAM::Policy":
            continue
        for role in resource["Properties"]["Roles"]:
            for statement in resource["Properties"]["PolicyDocument"]["Statement"]:
                listed = statement["Action"]
                for action in [listed] if isinstance(listed, str) else listed:
                    service, _, operation = action.partition(":")
                    if service not in BESIDES and CHANGES.fullmatch(operation):
                        yield role["Ref"], service, operation


def test_whatever_goes_wrong_the_invariants_hold(
    swept: Pipeline, capsys: pytest.CaptureFixture[str]
) -> None:
    planned = [
        (role, service, operation, effect)
        for role, service, operation in sorted(set(changes(swept)))
        if not role.startswith(TRIGGERS) and not role.endswith("JobRole")
        for effect in EFFECTS
        if not (effect.startswith("kill") and "Lambda" not in role)
    ]
    broken, ends = [], Counter[str]()
    for number, (role, service, operation, effect) in enumerate(planned):
        fault = {
            "service": service,
            "operation": operation,
            "function": role.partition("Role")[0],
            "times": 1,
            **EFFECTS[effect],
        }
        found, end = outcome(swept, fault, number)
        ends[end] += 1
        broken += [f"{role} {service}:{operation} {effect}: {each}" for each in found]
        with capsys.disabled():
            print(
                f"{number + 1}/{len(planned)} {role} {service}:{operation} {effect} {end} {found}"
            )
    with capsys.disabled():
        print(f"{len(planned)} faults: {dict(ends)}")
    assert broken == []


def outcome(pipeline: Pipeline, fault: dict[str, Any], number: int) -> tuple[list[str], str]:
    """Run once with a fault and return which invariants were broken, and how the run ended."""
    served, versions = serving(pipeline), len(pipeline.versions())
    notifications(pipeline)
    ends_ill = fault["operation"].startswith(("Stop", "Delete", "UpdateModelPackage"))
    refusal = {
        **{"service": "sagemaker", "operation": "InvokeEndpoint", "effect": "error"},
        **{"code": "ModelError", "message": "not today", "status": 424, "times": None},
    }
    with pipeline.account.faults(fault, *([refusal] if ends_ill else [])):
        arn = pipeline.start("v1.0", hyperparameters={"seed": str(1000 + number)})
        client = pipeline.account.client("stepfunctions")
        pipeline.until(lambda: client.describe_execution(executionArn=arn)["status"] != "RUNNING")
        execution = pipeline.ended(arn)
    succeeded = execution["status"] == "SUCCEEDED"
    told = [False] if fault["operation"] != "Publish" else AGAIN.get(fault["effect"], [False])
    added = pipeline.versions()[versions:]
    kept = [each for each in added if each["ModelApprovalStatus"] != "Rejected"]
    subjects = [subject for subject, _ in notifications(pipeline)]
    repeated = sorted(subject.startswith("Repeated: ") for subject in subjects)
    expected = run_name(pipeline, arn) if succeeded else served
    failures = {
        f"notifications repeated {repeated}": repeated != told,
        "the cause does not name the execution": not succeeded
        and arn not in execution.get("cause", ""),
        f"{len(kept)} versions": len(kept) != succeeded,
        "a version has no metrics": not all("ModelMetrics" in each for each in kept),
        f"left {leftovers(pipeline, run_name(pipeline, arn))}": not succeeded
        and leftovers(pipeline, run_name(pipeline, arn)) != [],
        f"staging serves {serving(pipeline)}": serving(pipeline) != expected,
        "staging is held": lock(pipeline) is not None,
        "a dead letter": bool(letters(pipeline)),
    }
    return [name for name, is_broken in failures.items() if is_broken], execution["status"]


def letters(pipeline: Pipeline) -> list[str]:
    sqs, url = pipeline.account.client("sqs"), pipeline.outputs["DeadLetterQueueUrl"]
    found = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
    for message in found:
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return [json.dumps(message["Body"]) for message in found]
