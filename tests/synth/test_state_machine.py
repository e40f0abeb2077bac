"""The state machine: every path leads somewhere, every request is one that AWS knows."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import botocore.session
import pytest
from botocore.model import ListShape, Shape, StringShape, StructureShape
from pydantic import BaseModel

from endpoint_wait.models import Endpoint, EndpointWaitRequest
from evaluation_reader.logic import figures, is_within, summarize
from evaluation_reader.models import Evaluation, EvaluationFile, Limits, ReadEvaluationRequest
from explain_failure.models import ExplainFailureRequest, Failure
from model_registry.models import Gate, ModelVersion, RegisterRequest
from model_test.models import ModelTestRequest, ModelTestResult
from prepare_run.models import PrepareRunRequest, Run
from stacks.settings_file import load_settings
from staging_lock.models import AcquireRequest, Staging
from tests.synth.assembly import ROOT, Assembly, of_type

State = dict[str, Any]
SAGEMAKER = re.compile(r"arn:aws:states:::sagemaker:(\w+?)(?:\.sync)?")
SYNC = {"createTrainingJob", "createProcessingJob"}
WHAT_IS_RETRIED = {
    "lambda": {
        "Lambda.ServiceException",
        "Lambda.AWSLambdaException",
        "Lambda.SdkClientException",
        "Lambda.ClientExecutionTimeoutException",
        "Lambda.TooManyRequestsException",
        "ServiceUnavailable",
        "Lambda.Unknown",
        "Sandbox.Timedout",
        "Runtime.ExitError",
    },
    "sagemaker": {
        "SageMaker.AmazonSageMakerException",
        "SageMaker.ResourceLimitExceededException",
    },
}


@pytest.fixture(params=["dev", "staging"])
def machine(request: pytest.FixtureRequest) -> Assembly:
    """The machine whose gate reports and the one whose gate enforces."""
    assembly: Assembly = request.getfixturevalue(request.param)
    return assembly


def tasks(definition: State) -> Iterator[tuple[str, State]]:
    return ((name, s) for name, s in definition["States"].items() if s["Type"] == "Task")


def targets(state: State) -> Iterator[str]:
    for key in ("Next", "Default"):
        if key in state:
            yield state[key]
    for rule in (*state.get("Choices", ()), *state.get("Catch", ())):
        yield rule["Next"]


def reachable(definition: State) -> set[str]:
    found: set[str] = set()
    waiting = {definition["StartAt"]}
    while waiting:
        name = waiting.pop()
        found.add(name)
        waiting |= set(targets(definition["States"][name])) - found
    return found


def test_every_next_resolves_and_every_state_is_reachable(machine: Assembly) -> None:
    assert reachable(machine.definition) == set(machine.definition["States"])


def test_every_path_ends_in_a_named_state(machine: Assembly) -> None:
    ends = {
        name for name, state in machine.definition["States"].items() if not list(targets(state))
    }
    failed_gate = {"QualityGateFailed"} if machine.environment == "staging" else set()
    assert ends == failed_gate | {
        "Duplicate",
        "NothingToTrain",
        "RunSucceeded",
        "RunFailed",
        "RunFailedUnexplained",
        "MetricsMissing",
    }


def test_the_way_of_a_good_model(staging: Assembly) -> None:
    states = staging.definition["States"]
    way, name = [], staging.definition["StartAt"]
    choices = {
        "CheckQuality": "RecordGatePassed",
        "IsEndpointPresent": "UpdateEndpoint",
        "IsEndpointInService": "TestModel",
        "IsRunNew": "ValidateDataset",
        "IsStagingAcquired": "CreateEndpointConfig",
    }
    while name:
        way.append(name)
        name = choices.get(name) or states[name].get("Next")
    assert way == [
        "PrepareRun",
        "IsRunNew",
        "ValidateDataset",
        "TrainModel",
        "EvaluateModel",
        "ReadEvaluation",
        "CheckQuality",
        "RecordGatePassed",
        "CreateModel",
        "RegisterModelVersion",
        "BeginStaging",
        "AcquireStaging",
        "IsStagingAcquired",
        "CreateEndpointConfig",
        "FindEndpoint",
        "IsEndpointPresent",
        "UpdateEndpoint",
        "WaitForEndpoint",
        "IsEndpointInService",
        "TestModel",
        "RunSucceeded",
    ]


def test_the_machine_and_every_task_are_bounded_in_time(machine: Assembly) -> None:
    longest = machine.definition["TimeoutSeconds"]
    limits = {name: state["TimeoutSeconds"] for name, state in tasks(machine.definition)}
    assert all(0 < seconds < longest for seconds in limits.values())
    jobs = limits["ValidateDataset"] + limits["TrainModel"] + limits["EvaluateModel"]
    assert jobs < longest
    for name in ("ValidateDataset", "TrainModel", "EvaluateModel"):
        stop = machine.definition["States"][name]["Parameters"]["StoppingCondition"]
        assert stop["MaxRuntimeInSeconds"] < limits[name]


def test_every_task_s_error_is_explained_and_keeps_its_context(machine: Assembly) -> None:
    for name, state in tasks(machine.definition):
        (catcher,) = state["Catch"]
        assert catcher["ErrorEquals"] == ["States.ALL"]
        assert catcher["ResultPath"] == f"$.failed.{name}"
        explained = "RunFailedUnexplained" if name == "ExplainFailure" else "ExplainFailure"
        assert catcher["Next"] == explained


def test_only_transient_named_errors_are_retried_and_not_for_ever(machine: Assembly) -> None:
    for name, state in tasks(machine.definition):
        service = state["Resource"].split(":")[5]
        retried = [error for retrier in state["Retry"] for error in retrier["ErrorEquals"]]
        expected = WHAT_IS_RETRIED[service] | (
            {"EndpointBusy"} if name == "FindEndpoint" else set()
        )
        assert set(retried) == expected, name
        for retrier in state["Retry"]:
            assert retrier["JitterStrategy"] == "FULL"
            assert 0 < retrier["MaxAttempts"] <= (20 if "EndpointBusy" in retried else 6)
            assert retrier["IntervalSeconds"] < retrier["MaxDelaySeconds"] <= 300


def delays(retrier: Mapping[str, Any]) -> list[float]:
    """The longest delay before each attempt, jitter left out."""
    interval, rate = retrier["IntervalSeconds"], retrier["BackoffRate"]
    return [
        min(interval * rate**attempt, retrier["MaxDelaySeconds"])
        for attempt in range(retrier["MaxAttempts"])
    ]


def test_the_documented_retries_are_those_of_the_machine(machine: Assembly) -> None:
    found: dict[tuple[tuple[str, ...], int, str], set[str]] = {}
    for name, state in tasks(machine.definition):
        for retrier in state["Retry"]:
            minutes = f"{sum(delays(retrier)) / 60:.1f}"
            key = (tuple(retrier["ErrorEquals"]), retrier["MaxAttempts"], minutes)
            found.setdefault(key, set()).add(name)
    documented = {
        (tuple(re.findall(r"`([\w.]+)`", cells[1])), int(cells[3]), cells[4].strip()): cells[2]
        for line in (ROOT / "docs/failures.md").read_text().splitlines()
        if len(cells := line.split("|")) == 6 and cells[3].strip().isdecimal()
    }
    assert documented.keys() == found.keys()
    (busy,) = (names for (errors, *_), names in found.items() if "EndpointBusy" in errors)
    assert busy == {"FindEndpoint"}


def test_a_run_that_is_retried_everywhere_ends_before_the_machine_s_limit(
    machine: Assembly,
) -> None:
    settings = load_settings(ROOT / "mlops.toml", machine.environment)
    longest = settings.endpoint.lock_timeout_seconds + settings.endpoint.timeout_seconds
    for _, state in tasks(machine.definition):
        limit = state["TimeoutSeconds"]
        refusal = limit if state["Resource"].endswith(":invoke") else 30
        for retrier in state["Retry"]:
            longest += sum(delays(retrier)) + retrier["MaxAttempts"] * refusal
        longest += limit
    assert longest == machine.definition["TimeoutSeconds"] < 24 * 3600


def test_a_wait_is_as_long_as_a_function_says(machine: Assembly) -> None:
    waits = {n: s for n, s in machine.definition["States"].items() if s["Type"] == "Wait"}
    assert {name: (s["SecondsPath"], s["Next"]) for name, s in waits.items()} == {
        "PauseForStaging": ("$.staging.wait_seconds", "AcquireStaging"),
        "PauseBeforeNextLook": ("$.endpoint.wait_seconds", "WaitForEndpoint"),
    }


def problems(shape: Shape, value: Any, path: str) -> Iterator[str]:
    """What botocore's model says against parameters, some of which come at run time."""
    if isinstance(shape, StructureShape):
        given = {name.removesuffix(".$"): item for name, item in value.items()}
        yield from (f"{path}.{name}: unknown" for name in given.keys() - shape.members.keys())
        required = set(shape.required_members)
        yield from (f"{path}.{name}: missing" for name in required - given.keys())
        for name in given.keys() & shape.members.keys():
            if name in value:
                yield from problems(shape.members[name], value[name], f"{path}.{name}")
            elif not given[name].startswith("$"):
                yield f"{path}.{name}: expected a path, found {given[name]!r}"
    elif isinstance(shape, ListShape):
        for index, item in enumerate(value):
            yield from problems(shape.member, item, f"{path}[{index}]")
    elif isinstance(shape, StringShape):
        yield from _string_problems(shape, value, path)
    elif shape.type_name in ("integer", "float") and isinstance(value, str):
        yield f"{path}: expected a number, found {value!r}"


def _string_problems(shape: StringShape, value: Any, path: str) -> Iterator[str]:
    if not isinstance(value, str):
        yield f"{path}: expected a string, found {value!r}"
    elif shape.enum and value not in shape.enum:
        yield f"{path}: {value!r} is not in {shape.name}"
    elif len(value) > shape.metadata.get("max", len(value)):
        yield f"{path}: longer than {shape.metadata['max']}"
    elif value.startswith("$"):
        yield f"{path}: {value!r} looks like a path, but the name lacks '.$'"


def test_every_sagemaker_request_has_the_api_s_shape(machine: Assembly) -> None:
    model = botocore.session.get_session().get_service_model("sagemaker")
    operations = {name[0].lower() + name[1:]: name for name in model.operation_names}
    checked = []
    for name, state in tasks(machine.definition):
        if match := SAGEMAKER.fullmatch(state["Resource"]):
            action = match[1]
            shape = model.operation_model(operations[action]).input_shape
            assert shape is not None
            assert list(problems(shape, state["Parameters"], name)) == []
            assert state["Resource"].endswith(".sync") == (action in SYNC)
            checked.append(action)
    assert sorted(checked) == [
        "createEndpoint",
        "createEndpointConfig",
        "createModel",
        "createProcessingJob",
        "createProcessingJob",
        "createTrainingJob",
        "updateEndpoint",
    ]


def test_every_lambda_task_invokes_one_of_the_stack_s_functions(machine: Assembly) -> None:
    functions = {
        logical_id
        for logical_id, resource in machine.training["Resources"].items()
        if resource["Type"] == "AWS::Lambda::Function"
    }
    invoked = set()
    for name, state in tasks(machine.definition):
        if state["Resource"].endswith("lambda:invoke"):
            logical_id = state["Parameters"]["FunctionName"].rpartition(":")[2].removesuffix("Arn")
            assert logical_id in functions, name
            invoked.add(logical_id)
    assert invoked == {
        "PrepareRunLambda",
        "EvaluationReaderLambda",
        "ModelRegistryLambda",
        "StagingLockLambda",
        "EndpointWaitLambda",
        "ModelTestLambda",
        "FailureLambda",
    }
    assert functions - invoked == {
        "StartRunLambda",
        "UploadWatchLambda",
        "DatasetSealerLambda",
        "RunEndedLambda",
        "ReconcilerLambda",
    }


MODELS: dict[str, tuple[type[BaseModel], type[BaseModel]]] = {
    "PrepareRun": (PrepareRunRequest, Run),
    "ReadEvaluation": (ReadEvaluationRequest, Evaluation),
    "RegisterModelVersion": (RegisterRequest, ModelVersion),
    "AcquireStaging": (AcquireRequest, Staging),
    "FindEndpoint": (EndpointWaitRequest, Endpoint),
    "WaitForEndpoint": (EndpointWaitRequest, Endpoint),
    "TestModel": (ModelTestRequest, ModelTestResult),
    "ExplainFailure": (ExplainFailureRequest, Failure),
}


def test_functions_get_what_they_read_and_all_they_return_is_kept(machine: Assembly) -> None:
    """ResultSelector fails the execution, uncaught, where a field is missing."""
    invoked = {n: s for n, s in tasks(machine.definition) if s["Resource"].endswith(":invoke")}
    assert invoked.keys() == MODELS.keys()
    for name, state in invoked.items():
        request, result = MODELS[name]
        given = {field.removesuffix(".$") for field in state["Parameters"]["Payload"]}
        required = {n for n, field in request.model_fields.items() if field.is_required()}
        assert required <= given <= request.model_fields.keys(), name
        kept = {f"{field}.$": f"$.Payload.{field}" for field in result.model_fields}
        assert state["ResultSelector"] == kept, name


def test_a_state_waits_longer_than_the_function_that_it_invokes(machine: Assembly) -> None:
    functions = of_type(machine.training, "AWS::Lambda::Function")
    for name, state in tasks(machine.definition):
        if state["Resource"].endswith(":invoke"):
            invoked = state["Parameters"]["FunctionName"].rpartition(":")[2].removesuffix("Arn")
            assert state["TimeoutSeconds"] > functions[invoked]["Timeout"], name


PATHS = {
    "ValidateDataset": {
        "ProcessingJobName": "$.run.validation_job_name",
        "AppSpecification.ImageUri": "$.run.image.training",
        "ProcessingInputs.dataset": "$.run.dataset.uri",
        "ProcessingOutputConfig.Outputs.validation": "$.run.validation_uri",
    },
    "TrainModel": {
        "TrainingJobName": "$.run.name",
        "AlgorithmSpecification.TrainingImage": "$.run.image.training",
        "HyperParameters": "$.run.hyperparameters",
        "InputDataConfig.train.ContentType": "$.run.dataset.content_type",
        "InputDataConfig.train": "$.run.dataset.train_uri",
        "InputDataConfig.validation.ContentType": "$.run.dataset.content_type",
        "InputDataConfig.validation": "$.run.dataset.validation_uri",
        "OutputDataConfig.S3OutputPath": "$.run.training_uri",
    },
    "EvaluateModel": {
        "ProcessingJobName": "$.run.evaluation_job_name",
        "AppSpecification.ImageUri": "$.run.image.processing",
        "ProcessingInputs.model": "$.training.model_data_url",
        "ProcessingInputs.train": "$.run.dataset.train_uri",
        "ProcessingInputs.validation": "$.run.dataset.validation_uri",
        "ProcessingOutputConfig.Outputs.evaluation": "$.run.evaluation_uri",
    },
    "CreateModel": {
        "ModelName": "$.run.name",
        "PrimaryContainer.Image": "$.run.image.training",
        "PrimaryContainer.ModelDataUrl": "$.training.model_data_url",
    },
    "CreateEndpointConfig": {
        "EndpointConfigName": "$.run.name",
        "ProductionVariants.AllTraffic.ModelName": "$.run.name",
    },
    "CreateEndpoint": {"EndpointConfigName": "$.run.name"},
    "UpdateEndpoint": {"EndpointConfigName": "$.run.name"},
}
# Names of list items, and the members between an item and the place of its data.
ITEM_NAMES = ("InputName", "OutputName", "ChannelName", "VariantName")
PLACES = re.compile(r"\.(S3Input|S3Output|DataSource\.S3DataSource)\.S3Uri$")


def paths(value: Any, place: str = "") -> Iterator[tuple[str, str]]:
    """Every parameter that comes from the execution's state; items of lists by their names."""
    if isinstance(value, list):
        for item in value:
            if isinstance(item, dict):
                name = next((item[key] for key in ITEM_NAMES if key in item), "")
                yield from paths(item, f"{place}.{name}")
    elif isinstance(value, dict):
        for key, item in value.items():
            if key.endswith(".$"):
                yield PLACES.sub("", f"{place}.{key[:-2]}").removeprefix("."), item
            else:
                yield from paths(item, f"{place}.{key}")


def test_requests_take_names_images_and_data_from_the_run(machine: Assembly) -> None:
    found = {
        name: dict(paths(state["Parameters"]))
        for name, state in tasks(machine.definition)
        if SAGEMAKER.fullmatch(state["Resource"])
    }
    assert found == PATHS


def test_training_s_metrics_are_found_in_the_line_that_it_prints(machine: Assembly) -> None:
    training = machine.definition["States"]["TrainModel"]["Parameters"]
    line = "train-rmse=1.88311 validation-rmse=2.2e+00"
    found = {
        metric["Name"]: [float(value) for value in re.findall(metric["Regex"], line)]
        for metric in training["AlgorithmSpecification"]["MetricDefinitions"]
    }
    assert found == {"train:rmse": [1.88311], "validation:rmse": [2.2]}


def test_the_model_test_s_tolerance_is_the_setting(machine: Assembly) -> None:
    payload = machine.definition["States"]["TestModel"]["Parameters"]["Payload"]
    settings = load_settings(ROOT / "mlops.toml", machine.environment)
    assert payload["tolerance"] == settings.quality.model_test_tolerance


def test_jobs_are_isolated_and_encrypted(machine: Assembly) -> None:
    states = machine.definition["States"]
    training = states["TrainModel"]["Parameters"]
    assert training["EnableNetworkIsolation"] is True
    key = training["ResourceConfig"]["VolumeKmsKeyId"]
    assert training["OutputDataConfig"]["KmsKeyId"] == key
    for name in ("ValidateDataset", "EvaluateModel"):
        job = states[name]["Parameters"]
        assert job["NetworkConfig"]["EnableNetworkIsolation"] is True
        assert job["ProcessingOutputConfig"]["KmsKeyId"] == key
        assert job["ProcessingResources"]["ClusterConfig"]["VolumeKmsKeyId"] == key
        (output,) = job["ProcessingOutputConfig"]["Outputs"]
        assert output["S3Output"]["S3UploadMode"] == "EndOfJob"
    assert states["CreateModel"]["Parameters"]["EnableNetworkIsolation"] is True
    assert states["CreateEndpointConfig"]["Parameters"]["KmsKeyId"] == key


# ── the quality gate ────────────────────────────────────────────────────────────────────────

GOOD = {"rmse": 2.35, "r2": 0.5, "rmse_difference_lower_bound": 0.0}
COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "NumericLessThan": lambda value, limit: value < limit,
    "NumericLessThanEquals": lambda value, limit: value <= limit,
    "NumericGreaterThan": lambda value, limit: value > limit,
    "NumericGreaterThanEquals": lambda value, limit: value >= limit,
}


def holds(rule: Mapping[str, Any], metrics: Mapping[str, Any]) -> bool:
    """Evaluate a choice rule as Step Functions does, which fails on a path that is missing."""
    if "And" in rule:
        return all(holds(part, metrics) for part in rule["And"])
    if "Not" in rule:
        return not holds(rule["Not"], metrics)
    name = rule["Variable"].removeprefix("$.evaluation.metrics.")
    if "IsPresent" in rule:
        return (name in metrics) is rule["IsPresent"]
    if "IsNumeric" in rule:
        number = isinstance(metrics[name], (int, float)) and not isinstance(metrics[name], bool)
        return number is rule["IsNumeric"]
    (comparison,) = rule.keys() & COMPARISONS.keys()
    return COMPARISONS[comparison](metrics[name], rule[comparison])


def gate(definition: State, metrics: Mapping[str, Any]) -> str:
    choice = definition["States"]["CheckQuality"]
    chosen = (rule["Next"] for rule in choice["Choices"] if holds(rule, metrics))
    return str(next(chosen, choice["Default"]))


def test_a_model_at_the_limit_passes(machine: Assembly) -> None:
    assert gate(machine.definition, GOOD) == "RecordGatePassed"


@pytest.mark.parametrize(
    "bad", [{"rmse": 2.3501}, {"r2": 0.0}, {"rmse_difference_lower_bound": 1e-9}]
)
def test_a_model_beyond_any_limit_fails_the_gate(machine: Assembly, bad: dict[str, float]) -> None:
    failed = "QualityGateFailed" if machine.environment == "staging" else "RecordGateFailed"
    assert gate(machine.definition, GOOD | bad) == failed


@pytest.mark.parametrize("name", sorted(GOOD))
@pytest.mark.parametrize("value", [None, "2.0", True])
def test_a_metric_that_is_missing_or_no_number_never_passes(
    machine: Assembly, name: str, value: Any
) -> None:
    metrics: dict[str, Any] = dict(GOOD)
    del metrics[name]
    assert gate(machine.definition, metrics) == "MetricsMissing"
    assert gate(machine.definition, metrics | {name: value}) == "MetricsMissing"


def test_missing_metrics_end_the_run_with_the_reader_s_words(machine: Assembly) -> None:
    missing = machine.definition["States"]["MetricsMissing"]
    assert (missing["Type"], missing["CausePath"]) == ("Fail", "$.evaluation.summary")


def test_an_enforcing_gate_ends_the_run_before_anything_is_created(staging: Assembly) -> None:
    failed = staging.definition["States"]["QualityGateFailed"]
    assert failed["Type"] == "Fail"
    assert failed["Error"] == "QualityGateFailed"
    assert failed["CausePath"] == "$.evaluation.summary"


def test_a_reporting_gate_goes_on_with_the_failure_on_record(dev: Assembly) -> None:
    failed = dev.definition["States"]["RecordGateFailed"]
    assert failed["Parameters"]["verdict"] == "failed"
    assert {name.removesuffix(".$") for name in failed["Parameters"]} == Gate.model_fields.keys()
    assert failed["Next"] == "CreateModel"


@pytest.mark.parametrize(
    "metrics", [GOOD, GOOD | {"rmse": 2.36}, GOOD | {"r2": 0.0}, GOOD | {"r2": 1e-12}]
)
def test_the_gate_and_the_reader_s_summary_agree(
    staging: Assembly, metrics: dict[str, float]
) -> None:
    limits: Limits = staging.definition["States"]["ReadEvaluation"]["Parameters"]["Payload"][
        "limits"
    ]
    passed = gate(staging.definition, metrics) == "RecordGatePassed"
    assert passed is all(
        is_within(metrics[name], kind, limit)
        for name, bounds in limits.items()
        for kind, limit in bounds.items()
    )
    assert ("expected" not in summarize(metrics, limits, "uri")) is passed


def test_the_reader_gives_figures_the_names_that_the_gate_tests(staging: Assembly) -> None:
    file = EvaluationFile(
        task="regression",
        metric="rmse",
        metrics={"rmse": 2.1, "r2": 0.5},
        baseline={"rmse": 2.2},
        comparison={"rmse_difference": -0.1, "lower_bound_95": -0.2},
        model={"sha256": "a" * 64},
    )
    assert gate(staging.definition, figures(file)) == "RecordGatePassed"
