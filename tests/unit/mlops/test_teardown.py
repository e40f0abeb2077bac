"""What runs left goes before the stacks; what the stacks retain or did not create stays."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar, cast

import pytest
from botocore.exceptions import ClientError

from mlops import teardown
from mlops.errors import ToolError
from mlops.kept import deleted_repositories, kept
from mlops.ownership import Owner
from mlops.project import Project
from mlops.run_report import Ending
from mlops.stack_resources import stack_resources
from mlops.target import Deployment, Target
from mlops.teardown import clear, leftovers, stop_executions
from mlops.teardown_steps import Leftover, remove
from tests.unit.mlops.factories import NAME, START, run

RUN = "example-v1-0-0123456789-1"
OTHERS = "example-two-v1-0-0123456789-1"
MACHINE = "arn:aws:states:us-east-1:123456789012:stateMachine:m"
STORAGE_OUTPUTS = {
    "BucketName": "bucket",
    "KeyArn": "arn:key",
    "RepositoryName": "models",
    "ModelPackageGroupName": "group",
    "ImageParameterName": "/example/dev/image",
}


def _resource(kind: str, policy: str = "Delete") -> dict[str, Any]:
    return {"Type": kind, "DeletionPolicy": policy}


class CloudFormation:
    """Two stacks, each with a template and the names of what it created."""

    def __init__(self, storage: dict[str, Any], names: dict[str, str]) -> None:
        group = {"Schedules": _resource("AWS::Scheduler::ScheduleGroup")}
        reconcile = {"Reconcile": _resource("AWS::Scheduler::Schedule")}
        training = {"Resources": {**group, **reconcile}}
        self.templates = {
            "example-dev-storage": {"Resources": storage},
            "example-dev-training": training,
        }
        self.names = {"Schedules": "example-dev-training", "Reconcile": "reconcile", **names}

    def get_template(self, StackName: str) -> dict[str, Any]:
        return {"TemplateBody": self.templates[StackName]}

    def get_paginator(self, name: str) -> "CloudFormation":
        return self

    def paginate(self, StackName: str) -> list[dict[str, Any]]:
        summaries = [
            {"LogicalResourceId": name, "PhysicalResourceId": self.names.get(name, "")}
            for name in self.templates[StackName]["Resources"]
        ]
        return [{"StackResourceSummaries": summaries}]


class Lists:
    """Any service's paginators, by the operation's name."""

    def __init__(self, **pages: list[dict[str, Any]]) -> None:
        self.pages = pages

    def get_paginator(self, name: str) -> Any:
        return SimpleNamespace(paginate=lambda **request: self.pages[name])


class SageMaker(Lists):
    """SageMaker with a run's things of this project, and of one whose name begins with ours."""

    tags: ClassVar = {RUN: "example", OTHERS: "example-two"}

    def __init__(self, *gone: str, **pages: list[dict[str, Any]]) -> None:
        super().__init__(**pages)
        self.gone = gone

    def get_paginator(self, name: str) -> Any:
        if name != "list_tags":
            return super().get_paginator(name)
        return SimpleNamespace(paginate=self._tags)

    def _tags(self, ResourceArn: str) -> list[dict[str, Any]]:
        return [{"Tags": [{"Key": "project", "Value": self.tags[ResourceArn]}]}]

    def describe_training_job(self, TrainingJobName: str) -> dict[str, Any]:
        return {"OutputDataConfig": {"S3OutputPath": _uri(TrainingJobName)}}

    def describe_processing_job(self, ProcessingJobName: str) -> dict[str, Any]:
        output = {"S3Output": {"S3Uri": _uri(ProcessingJobName)}}
        return {"ProcessingOutputConfig": {"Outputs": [output]}}

    def describe_model(self, ModelName: str) -> dict[str, Any]:
        if ModelName in self.gone:
            message = 'Could not find model "x".'
            error: Any = {"Error": {"Code": "ValidationException", "Message": message}}
            raise ClientError(error, "DescribeModel")
        return {"PrimaryContainer": {"ModelDataUrl": _uri(ModelName)}}

    def describe_endpoint_config(self, EndpointConfigName: str) -> dict[str, Any]:
        variant = {"ModelName": EndpointConfigName}
        return {"EndpointConfigArn": EndpointConfigName, "ProductionVariants": [variant]}


class ParameterNotFound(ClientError):
    """SSM has no such parameter."""


class Parameters:
    """SSM with the images in use, if any were built."""

    exceptions: ClassVar = SimpleNamespace(ParameterNotFound=ParameterNotFound)

    def __init__(self, built: bool) -> None:
        self.built = built

    def get_parameter(self, Name: str) -> None:
        assert Name == STORAGE_OUTPUTS["ImageParameterName"]
        if not self.built:
            raise ParameterNotFound({"Error": {"Code": "ParameterNotFound"}}, "Parameter")

    def delete_parameter(self, Name: str) -> None:
        self.get_parameter(Name)
        self.built = False


def _uri(name: str) -> str:
    return f"s3://{'bucket-two' if name.startswith(OTHERS) else 'bucket'}/runs/0123/1/training"


def _sagemaker(*gone: str) -> SageMaker:
    names = (RUN, "example-other", f"other-{RUN}-x", OTHERS)
    return SageMaker(
        *gone,
        list_training_jobs=[{"TrainingJobSummaries": [{"TrainingJobName": n} for n in names]}],
        list_processing_jobs=[
            {"ProcessingJobSummaries": [{"ProcessingJobName": f"{n}-evaluate"} for n in names]}
        ],
        list_endpoints=[
            {"Endpoints": [{"EndpointName": n} for n in ("staging", "staging-of-others")]}
        ],
        list_endpoint_configs=[{"EndpointConfigs": [{"EndpointConfigName": n} for n in names]}],
        list_models=[{"Models": [{"ModelName": n} for n in names]}],
        list_model_packages=[{"ModelPackageSummaryList": [{"ModelPackageArn": "arn:group/1"}]}],
    )


def _deployment(
    storage: dict[str, Any],
    names: dict[str, str],
    gone: tuple[str, ...] = (),
    *,
    built: bool = True,
    **more: Any,
) -> Deployment:
    outputs = {
        "example-dev-storage": STORAGE_OUTPUTS,
        "example-dev-training": {"StateMachineArn": MACHINE, "StagingEndpointName": "staging"},
    }
    schedules = [{"Name": "reconcile"}, {"Name": "quiet-v1-0"}]
    versions = {"Versions": [{"Key": "k", "VersionId": "1"}]}
    target = SimpleNamespace(
        stack_outputs=outputs.get,
        cloudformation=CloudFormation(storage, names),
        sagemaker=_sagemaker(*gone),
        scheduler=Lists(list_schedules=[{"Schedules": schedules}]),
        stepfunctions=Lists(list_executions=[{"executions": [{"executionArn": "arn:run"}]}]),
        s3=SimpleNamespace(list_object_versions=lambda **request: versions),
        ssm=Parameters(built),
        **more,
    )
    root = Path(teardown.__file__).parents[1]
    return Deployment(Project(root, "example"), "dev", cast("Target", target))


OWN = {
    "Bucket": _resource("AWS::S3::Bucket"),
    "Group": _resource("AWS::SageMaker::ModelPackageGroup"),
    "Key": _resource("AWS::KMS::Key"),
    "Repository": _resource("AWS::ECR::Repository"),
}
OWN_NAMES = {"Bucket": "bucket", "Key": "key", "Repository": "models", "Group": "arn:x/group"}


def test_what_goes_is_listed_in_the_order_in_which_it_can_go() -> None:
    listed = [str(each) for each in leftovers(_deployment(OWN, OWN_NAMES))]
    assert listed == [
        "execution arn:run",
        f"training job {RUN}",
        f"processing job {RUN}-evaluate",
        "schedule example-dev-training/quiet-v1-0",
        "endpoint staging",
        f"endpoint configuration {RUN}",
        f"model {RUN}",
        "model package version arn:group/1",
        "all objects in bucket bucket",
        "image parameter /example/dev/image",
    ]


def test_before_the_first_build_there_is_no_parameter_to_delete() -> None:
    kinds = {each.kind for each in leftovers(_deployment(OWN, OWN_NAMES, built=False))}
    assert "image parameter" not in kinds


def test_the_parameter_is_deleted_and_may_be_gone() -> None:
    parameters = Parameters(built=True)
    target = cast("Target", SimpleNamespace(ssm=parameters))
    for _ in range(2):
        remove(target, Leftover("image parameter", "/example/dev/image"))
    assert not parameters.built


def test_of_a_model_that_is_gone_the_tag_tells_whose_its_configuration_is() -> None:
    listed = [str(each) for each in leftovers(_deployment(OWN, OWN_NAMES, gone=(RUN, OTHERS)))]
    assert f"endpoint configuration {RUN}" in listed
    assert not any(each == "model " + RUN or OTHERS in each for each in listed)


def test_a_configuration_of_own_and_others_models_stays() -> None:
    deployment = _deployment(OWN, OWN_NAMES)
    variants = [{"ModelName": RUN}, {"ModelName": OTHERS}]
    config = {"EndpointConfigArn": RUN, "ProductionVariants": variants}
    mixed: Any = deployment.target.sagemaker
    mixed.describe_endpoint_config = lambda **request: config
    assert not Owner(deployment).has_config(RUN)


def test_what_is_retained_keeps_its_content() -> None:
    storage = {name: {**each, "DeletionPolicy": "Retain"} for name, each in OWN.items()}
    deployment = _deployment(storage, OWN_NAMES)
    kinds = {each.kind for each in leftovers(deployment)}
    assert kinds.isdisjoint({"model package version", "all objects in bucket"})
    stays = {each.name for each in kept(deployment) if "DeletionPolicy" in each.reason}
    assert stays == {"bucket", "key", "models", "arn:x/group"}


def test_an_existing_bucket_is_not_emptied_although_the_stack_has_another() -> None:
    storage = {"Logs": _resource("AWS::S3::Bucket"), "Group": OWN["Group"]}
    deployment = _deployment(storage, {"Logs": "a-bucket-for-logs", "Group": "arn:x/group"})
    assert "all objects in bucket" not in {each.kind for each in leftovers(deployment)}


def test_repositories_are_named_unless_they_are_retained_or_not_the_stacks() -> None:
    storage = {
        "Code": {
            **_resource("AWS::CodeCommit::Repository"),
            "Properties": {"RepositoryName": "ModelCode"},
        },
        "Images": _resource("AWS::ECR::Repository"),
        "Old": _resource("AWS::ECR::Repository", "Retain"),
    }
    names = {"Code": "0f6b2c1e", "Images": "models", "Old": "old-models"}
    listed = [str(each) for each in deleted_repositories(_deployment(storage, names))]
    assert listed == [
        "git repository with its commits ModelCode",
        "repository with its images models",
    ]
    assert deleted_repositories(_deployment({"Group": OWN["Group"]}, OWN_NAMES)) == []


def test_what_the_stack_did_not_create_stays_and_says_so() -> None:
    deployment = _deployment({"Group": OWN["Group"]}, OWN_NAMES)
    stays = {each.name: each.reason for each in kept(deployment)}
    for name in ("bucket", "arn:key", "models"):
        assert "this project did not create it" in stays[name]


def test_a_key_that_goes_is_said_to_wait() -> None:
    reasons = {each.name: each.reason for each in kept(_deployment(OWN, OWN_NAMES))}
    assert "waiting period" in reasons["key"]


def test_a_stack_that_was_never_created_leaves_nothing() -> None:
    deployment = _deployment(OWN, OWN_NAMES)
    target = SimpleNamespace(**{**vars(deployment.target), "stack_outputs": lambda stack: {}})
    empty = Deployment(deployment.project, "dev", cast("Target", target))
    assert leftovers(empty) == []


def test_a_resource_that_is_gone_is_not_listed() -> None:
    resources = stack_resources(_deployment(OWN, {"Bucket": "bucket"}), "storage")
    assert [each.physical_id for each in resources] == ["bucket"]


def test_executions_are_stopped_before_anything_is_deleted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done: list[str] = []
    rounds = [
        [Leftover("execution", "arn:run"), Leftover("model", RUN)],
        [Leftover("model", RUN), Leftover("model", "made-meanwhile")],
        [],
    ]
    monkeypatch.setattr(teardown, "leftovers", lambda deployment: rounds.pop(0))
    monkeypatch.setattr(
        teardown, "stop_executions", lambda deployment, runs, note: done.append(str(runs[0]))
    )
    monkeypatch.setattr(teardown, "remove", lambda target, each: done.append(str(each)))
    clear(_deployment(OWN, OWN_NAMES), lambda note: None)
    assert done == ["execution arn:run", f"model {RUN}", "model made-meanwhile"]


def _stop(monkeypatch: pytest.MonkeyPatch, completed: bool) -> list[str]:
    notes: list[str] = []
    running = replace(run(), status="RUNNING", stopped=None)
    monkeypatch.setattr(teardown, "describe_run", lambda target, arn: running)
    monkeypatch.setattr(teardown, "stop_run", lambda *_: run())
    monkeypatch.setattr(teardown, "_EMBEDDED_CLEANING_SECONDS", 0.0)
    ended = Ending(START, START if completed else None)
    monkeypatch.setattr(teardown, "ending", lambda *_: ended)
    target = SimpleNamespace(embedded=True, poll_seconds=0.0)
    deployment = cast("Deployment", SimpleNamespace(target=target, run_table="t"))
    stop_executions(deployment, [Leftover("execution", "arn:run")], notes.append)
    return notes


def test_runs_whose_end_was_not_waited_for_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    *_, last = _stop(monkeypatch, completed=False)
    assert last.startswith(f"going on, although RunEnded has not finished after 0 s: {NAME};")


def test_runs_that_were_cleaned_up_after_need_no_note(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _stop(monkeypatch, completed=True) == [
        "stopped: execution arn:run",
        "waiting for RunEnded, which cleans up after them",
    ]


def test_what_comes_again_and_again_ends_in_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    left = [Leftover("model", RUN)]
    monkeypatch.setattr(teardown, "leftovers", lambda deployment: left)
    monkeypatch.setattr(teardown, "remove", lambda target, each: None)
    with pytest.raises(ToolError, match=f"something goes on creating model {RUN}"):
        clear(_deployment(OWN, OWN_NAMES), lambda note: None)


def _refusing(code: str, message: str) -> Target:
    def refuse(**request: Any) -> None:
        raise ClientError({"Error": {"Code": code, "Message": message}}, "Delete")

    sagemaker = SimpleNamespace(delete_model=refuse, stop_training_job=refuse)
    return cast("Target", SimpleNamespace(sagemaker=sagemaker))


def test_what_is_gone_already_is_fine_and_what_is_denied_is_not() -> None:
    gone = _refusing("ValidationException", 'Could not find model "arn:x".')
    remove(gone, Leftover("model", RUN))
    ended = "The request was rejected because the training job is in status Completed."
    remove(_refusing("ValidationException", ended), Leftover("training job", RUN))
    with pytest.raises(ClientError):
        remove(_refusing("AccessDeniedException", "no"), Leftover("model", RUN))


class Endpoint:
    """An endpoint that is being updated when it is to be deleted."""

    def __init__(self) -> None:
        self.statuses = ["Updating", "InService", "Deleting", ""]
        self.deleted_in = ""

    def describe_endpoint(self, EndpointName: str) -> dict[str, str]:
        self.status = self.statuses.pop(0)
        if not self.status:
            raise ClientError(
                {"Error": {"Code": "ValidationException", "Message": "Could not find endpoint"}},
                "DescribeEndpoint",
            )
        return {"EndpointStatus": self.status}

    def delete_endpoint(self, EndpointName: str) -> None:
        assert not self.deleted_in
        self.deleted_in = self.status


def test_an_endpoint_that_changes_is_waited_for() -> None:
    endpoint = Endpoint()
    target = cast("Target", SimpleNamespace(sagemaker=endpoint, poll_seconds=0.0))
    remove(target, Leftover("endpoint", "staging"))
    assert endpoint.deleted_in == "InService"


def test_what_is_stopped_is_not_said_to_be_deleted() -> None:
    assert (Leftover("execution", "a").action, Leftover("model", "a").action) == ("stop", "delete")
