"""Definitions are refused with AWS's codes, words and places."""

import copy
import json
import random
from collections.abc import Iterator
from typing import Any

import pytest

from local_account.service import ServiceError
from local_account.services.definitions import managed_rules, problems_of_definition, refusal
from local_account.services.state_tests import state_test

State = dict[str, Any]
DONE: State = {"Type": "Succeed"}
PASS: State = {"Type": "Pass", "End": True}


def _machine(states: dict[str, State], **more: Any) -> str:
    return json.dumps({"StartAt": next(iter(states), "Nothing"), "States": states, **more})


def _found(states: dict[str, State], **more: Any) -> list[str]:
    return [str(problem) for problem in problems_of_definition(_machine(states, **more))]


def _task(resource: str, parameters: Any = None, **more: Any) -> State:
    arn = f"arn:aws:states:::{resource}"
    return {"Type": "Task", "Resource": arn, "Parameters": parameters or {}, "End": True, **more}


def test_a_transition_to_a_state_that_is_missing_is_named() -> None:
    found = problems_of_definition(
        _machine({"pass1": {"Type": "Pass", "Next": "pass3"}, "pass2": PASS})
    )
    assert refusal(found) == (
        "Invalid State Machine Definition: 'MISSING_TRANSITION_TARGET: Missing 'Next' target: "
        'pass3 at /States/pass1/Next, MISSING_TRANSITION_TARGET: State "pass2" is not '
        "reachable. at /States/pass2'"
    )


def test_each_place_that_names_a_state_is_looked_at() -> None:
    rule = {"Variable": "$.a", "IsNull": True, "Next": "R"}
    catch = {"ErrorEquals": ["States.ALL"], "Next": "C"}
    task = _task("lambda:invoke", {"FunctionName": "f"}, Catch=[catch])
    choice = {"Type": "Choice", "Choices": [rule], "Default": "D"}
    assert _found({"Choose": choice, "Call": task}, StartAt="S") == [
        "MISSING_TRANSITION_TARGET: Missing 'Next' target: S at /StartAt",
        "MISSING_TRANSITION_TARGET: Missing 'Next' target: D at /States/Choose/Default",
        "MISSING_TRANSITION_TARGET: Missing 'Next' target: R at /States/Choose/Choices[0]/Next",
        "MISSING_TRANSITION_TARGET: Missing 'Next' target: C at /States/Call/Catch[0]/Next",
        'MISSING_TRANSITION_TARGET: State "Choose" is not reachable. at /States/Choose',
        'MISSING_TRANSITION_TARGET: State "Call" is not reachable. at /States/Call',
    ]


def test_a_workflow_must_have_an_end() -> None:
    there, back = {"Type": "Pass", "Next": "Back"}, {"Type": "Pass", "Next": "There"}
    found = _found({"There": there, "Back": back})
    assert found == ["MISSING_END_STATE: Workflow has no terminal state at null"]


def test_branches_are_machines_of_their_own() -> None:
    branch = {"StartAt": "Inner", "States": {"Inner": {"Type": "Pass", "Next": "Done"}}}
    states = {"Both": {"Type": "Parallel", "Branches": [branch], "Next": "Done"}, "Done": DONE}
    assert _found(states)[0] == (
        "MISSING_TRANSITION_TARGET: Missing 'Next' target: Done at "
        "/States/Both/Branches[0]/States/Inner/Next"
    )


@pytest.mark.parametrize(
    ("definition", "said"),
    [
        ("{", "INVALID_JSON_DESCRIPTION: "),
        ("[]", "Value is not a JSON object"),
        ('{"States": {}}', "These fields are required: [StartAt] at null"),
    ],
)
def test_what_is_no_machine_is_refused(definition: str, said: str) -> None:
    assert said in refusal(problems_of_definition(definition))


ONE = "This object should have only one of the following fields: [Next, End] at /States/A"
BOTH = "There should only be one of the following fields: [Next, End] at /States/A"
CALL = "must be a valid JSONPath or a valid intrinsic function call at /States/A/Parameters"
RULES = "[And, Or, Not, Variable, Condition] at /States/A/Choices[0]"


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ({"Type": "Pas", "End": True}, "Value must be one of [Choice, Fail, Map, Parallel"),
        ({**PASS, "Nxt": "B"}, "Field 'Nxt' is not supported at /States/A"),
        ({**PASS, "TimeoutSeconds": 3}, "Field 'TimeoutSeconds' is not supported at /States/A"),
        ({"Type": "Pass"}, ONE),
        ({**PASS, "Next": "A"}, BOTH),
        ({"Type": "Task", "End": True}, "These fields are required: [Resource] at /States/A"),
        ({**PASS, "InputPath": "a"}, "Value must be a valid JSONPath. at /States/A/InputPath"),
        ({**PASS, "OutputPath": "$.a["}, "Value must be a valid JSONPath. at /States/A/OutputPath"),
        ({**PASS, "ResultPath": "$.a[*]"}, "Value is not a Reference Path at /States/A/ResultPath"),
        ({**PASS, "Parameters": {"a.$": "b"}}, f"The value for the field 'a.$' {CALL}"),
        ({**PASS, "Parameters": {"a": [{"b.$": "States.Now()"}]}}, f"'b.$' {CALL}"),
        ({**PASS, "QueryLanguage": "JSONata"}, "does not model the query language JSONata"),
        ({"Type": "Choice", "Choices": []}, "Value cannot be empty at /States/A/Choices"),
        (
            {"Type": "Choice", "Choices": [{"Variable": "$.a", "IsNull": True}]},
            "These fields are required: [Next] at /States/A/Choices[0]",
        ),
        (
            {"Type": "Choice", "Choices": [{"Variable": "$.a", "IsNul": True, "Next": "A"}]},
            "Field 'IsNul' is not supported at /States/A/Choices[0]",
        ),
        (
            {
                "Type": "Choice",
                "Choices": [{"Not": {"Variable": "a", "IsNull": True}, "Next": "A"}],
            },
            "Value is not a Reference Path at /States/A/Choices[0]/Not[0]/Variable",
        ),
        ({"Type": "Choice", "Choices": [{"Variable": "$.a", "Next": "A"}]}, RULES),
    ],
)
def test_a_state_is_refused_for_its_fields(state: State, said: str) -> None:
    assert any(said in problem for problem in _found({"A": state})), _found({"A": state})


def test_states_all_is_alone_and_last() -> None:
    retriers = [{"ErrorEquals": ["States.ALL", "Mine"]}, {"ErrorEquals": ["Yours"]}]
    found = _found({"A": _task("lambda:invoke", {"FunctionName": "f"}, Retry=retriers)})
    assert found == [
        "SCHEMA_VALIDATION_FAILED: States.ALL must appear alone and at end of list at "
        "/States/A/Retry[0]/ErrorEquals"
    ]


@pytest.mark.parametrize(
    ("fields", "at"),
    [
        ({"Assign": {"a": 1}}, "Assign"),
        ({"InputPath": "$mine"}, "InputPath"),
        ({"Parameters": {"a.$": "$mine.b"}}, "Parameters"),
        ({"Parameters": {"a.$": "States.Format('$yours {}', $mine)"}}, "Parameters"),
    ],
)
def test_variables_are_refused_by_name(fields: State, at: str) -> None:
    said = f"The embedded account does not model variables at /States/A/{at}"
    assert _found({"A": {**PASS, **fields}}) == [f"SCHEMA_VALIDATION_FAILED: {said}"]


def test_variables_are_refused_in_rules_and_catchers() -> None:
    rule = {"Variable": "$mine", "StringEqualsPath": "$yours", "Next": "A", "Assign": {}}
    choice = {"Type": "Choice", "Choices": [rule]}
    catch = {"ErrorEquals": ["States.ALL"], "Next": "A", "Assign": {"a": 1}}
    task = _task("lambda:invoke", {"FunctionName": "f"}, Catch=[catch])
    found = _found({"A": choice, "B": task})
    assert [problem.partition("model ")[2] for problem in found] == [
        "variables at /States/A/Choices[0]/Variable",
        "variables at /States/A/Choices[0]/StringEqualsPath",
        "variables at /States/A/Choices[0]/Assign",
        "variables at /States/B/Catch[0]/Assign",
    ]


def test_what_looks_like_a_variable_in_a_text_is_none() -> None:
    assert _found({"A": {**PASS, "Parameters": {"a.$": "States.Format('$a {}', $.b)"}}}) == []


@pytest.mark.parametrize(
    "path",
    [
        "$.a[?(@.b in ['x', 'y'])]",
        "$.a[?(@.b =~ /x.*/i)]",
        "$.a.length()",
    ],
)
def test_a_path_that_only_aws_can_read_is_not_called_wrong(path: str) -> None:
    said = f"The embedded account does not model the JSONPath {path} at /States/A"
    for fields, at in (({"InputPath": path}, "InputPath"), ({"Parameters": {"a.$": path}}, "")):
        (found,) = _found({"A": {**PASS, **fields}})
        assert found.startswith(f"SCHEMA_VALIDATION_FAILED: {said}/{at}")


def test_a_name_is_one_states_of_the_whole_machine() -> None:
    branch = {"StartAt": "Same", "States": {"Same": PASS}}
    both = {"Type": "Parallel", "Branches": [branch, branch], "Next": "Same"}
    found = _found({"Both": both, "Same": DONE})
    same = "DUPLICATE_STATE_NAME: Duplicate State name: Same at /States/Both/Branches"
    assert found == [f"{same}[0]/States/Same", f"{same}[1]/States/Same"]
    twice = '{"StartAt": "A", "States": {"A": {"Type": "Succeed"}, "A": {"Type": "Succeed"}}}'
    (problem,) = problems_of_definition(twice)
    assert str(problem) == "DUPLICATE_STATE_NAME: Duplicate State name: A at /States/A"


@pytest.mark.parametrize(
    ("resource", "said"),
    [
        ("sagemaker:createModel.sync", "is not recognized"),
        ("sagemaker:describeModel", "is not recognized"),
        ("lambda:invoke.sync", "is not recognized"),
        ("aws-sdk:s3:getObjet", "is not recognized"),
        ("aws-sdk:s3:GetObject", "is not recognized"),
        ("aws-sdk:sagemaker:createTrainingJob.sync", "is not recognized"),
        ("aws-sdk:events:putEvents", "is not recognized"),
        ("aws-sdk:logs:createLogStream", "is not recognized"),
        ("aws-sdk:stepfunctions:startExecution", "is not recognized"),
        ("aws-sdk:ec2:describeVpcs", "does not model the integration"),
        ("sagemaker:createTransformJob.sync", "does not model the integration"),
        ("glue:startJobRun.sync", "does not model the integration"),
        ("lambda", "Value is not a valid resource ARN"),
        ("activity:a", "does not model activities"),
    ],
)
def test_an_integration_that_does_not_exist_is_refused(resource: str, said: str) -> None:
    (problem,) = problems_of_definition(_machine({"A": _task(resource)}))
    assert said in problem.message
    assert problem.location == "/States/A/Resource"


def test_parameters_have_the_names_and_kinds_of_the_service() -> None:
    parameters = {
        "ModelName.$": "$.name",
        "ExecutionRoleArn": "role",
        "PrimaryContainer": {"Image.$": "$.image", "Enviroment": {}},
        "Tags": [{"key": "a", "Value": "b"}],
        "VpcConfig": "none",
    }
    found = _found({"A": _task("sagemaker:createModel", parameters)})
    at = "at /States/A/Parameters"
    assert [problem.partition(": ")[2] for problem in found] == [
        f'The field "Enviroment" is not supported by Step Functions {at}',
        f"The field 'Key' is required but was missing {at}",
        f'The field "key" is not supported by Step Functions {at}',
        f"The value of the field 'VpcConfig' has an invalid format {at}",
    ]
    missing = _found({"A": _task("lambda:invoke", {"Payload": [1]})})
    assert missing == [
        f"SCHEMA_VALIDATION_FAILED: The field 'FunctionName' is required but was missing {at}"
    ]


def test_what_runs_is_not_refused() -> None:
    item = {"id": {"S.$": "$.id"}, "n": {"N": "1"}}
    states = {
        "Put": _task("dynamodb:putItem", {"TableName": "t", "Item": item}),
        "Call": {"Type": "Task", "Resource": "arn:aws:lambda:us-east-1:1:function:f", "End": True},
        "Own": {
            **PASS,
            "InputPath": "$$.Execution.Input",
            "ResultPath": None,
            "Parameters": {
                "all.$": "$..a",
                "some.$": "$.a[?(@.b==1)].c",
                "index.$": "$.a[0]['b c']",
                "text.$": "States.Format('{}', $.a)",
            },
        },
        "Read": _task("aws-sdk:sagemaker:describeModel", {"ModelName": "m"}),
        "Send": _task("aws-sdk:eventbridge:putEvents", {"Entries": []}),
        "Log": _task("aws-sdk:cloudwatchlogs:describeLogGroups"),
        "Start": _task("aws-sdk:sfn:startExecution", {"StateMachineArn": "a"}),
        "Ask": _task("aws-sdk:sagemakerruntime:invokeEndpoint", {"EndpointName": "e", "Body": {}}),
        "Child": _task("states:startExecution.sync:2", {"StateMachineArn": "a", "Input": {"a": 1}}),
    }
    for name, state in states.items():
        assert _found({name: state}) == []


MANY: dict[str, State] = {
    "Call": _task(
        "lambda:invoke",
        {"FunctionName": "f", "Payload.$": "States.Format('{}', $.a)"},
        Retry=[{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 1, "BackoffRate": 2.0}],
        Catch=[{"ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": "Fail"}],
        ResultSelector={"a.$": "$.Payload.a"},
    ),
    "Choose": {
        "Type": "Choice",
        "InputPath": "$.a",
        "Choices": [
            {"And": [{"Variable": "$.a", "IsNull": True}], "Next": "Call"},
            {"Not": {"Variable": "$.a", "StringEqualsPath": "$.b"}, "Next": "Both"},
        ],
        "Default": "Each",
    },
    "Both": {
        "Type": "Parallel",
        "Branches": [{"StartAt": "Inner", "States": {"Inner": PASS}}],
        "Next": "Choose",
    },
    "Each": {
        "Type": "Map",
        "ItemsPath": "$.list",
        "ItemProcessor": {"StartAt": "One", "States": {"One": {**PASS, "Result": [1]}}},
        "Next": "Train",
    },
    "Train": _task("sagemaker:createTrainingJob.sync", {"Tags": [{"Key": "a", "Value": "b"}]}),
    "Fail": {"Type": "Fail", "Error": "Mine"},
}
ODD: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    1.5,
    "",
    "$",
    "$.a[",
    "$v",
    "A",
    [],
    [None],
    {},
    {"": None},
    [[]],
)


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield each container in a value with each of its keys or numbers."""
    keys = value if isinstance(value, dict) else range(len(value))
    for key in list(keys):
        yield value, key
        if isinstance(value[key], dict | list):
            yield from _places(value[key])


def _broken(chance: random.Random) -> Any:
    """Return a definition some of whose parts are others, gone, or elsewhere."""
    definition = {"StartAt": "Choose", "States": copy.deepcopy(MANY)}
    for _ in range(chance.randint(1, 3)):
        container, key = chance.choice(list(_places(definition)) or [(definition, "States")])
        what = chance.randrange(3)
        if what == 0:
            container.pop(key, None) if isinstance(container, dict) else container.pop(key)
        elif what == 1:
            container[key] = copy.deepcopy(chance.choice(ODD))
        else:
            container[key] = copy.deepcopy(chance.choice(list(MANY.values())))
    return definition


def test_whatever_is_broken_is_a_problem_and_no_error() -> None:
    chance, refused = random.Random(7), 0  # noqa: S311 - the same mistakes each time
    for _ in range(3000):
        definition = json.dumps(_broken(chance))
        problems = problems_of_definition(definition)
        refused += bool(problems)
        if not problems:
            managed_rules(definition)
        name = chance.choice([{}, *({"stateName": name} for name in MANY)])
        mock = {"errorOutput": {"error": "A"}} if chance.randrange(2) else {"result": "[]"}
        try:
            state_test({"definition": definition, "mock": mock, **name})
        except ServiceError as error:
            assert error.code in (
                "InvalidDefinition",
                "ValidationException",
                "UnsupportedOperation",
            )
    assert 2000 < refused < 3000


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"InputPath": ["$"]}, "Value is not a JSON string at /States/A/InputPath"),
        ({"Type": "Choice", "Choices": {}}, "Value is not a JSON array at /States/A/Choices"),
        ({"Retry": None}, "Value is not a JSON array at /States/A/Retry"),
        ({"Retry": [{"ErrorEquals": None}]}, "JSON array at /States/A/Retry[0]/ErrorEquals"),
        ({"Catch": [{"ErrorEquals": [1]}]}, "JSON string at /States/A/Catch[0]/ErrorEquals"),
        ({"Branches": [3]}, "Value is not a JSON object at /States/A/Branches[0]"),
        ({"End": "true"}, "Value is not a JSON boolean at /States/A/End"),
    ],
)
def test_a_part_of_another_kind_is_one_problem(fields: State, said: str) -> None:
    (found,) = _found({"A": {**PASS, **fields}})
    assert said in found


@pytest.mark.parametrize("states", [[], "A", None, {"A": []}, {"A": None}])
def test_states_of_another_kind_are_one_problem(states: Any) -> None:
    (found,) = problems_of_definition(json.dumps({"StartAt": "A", "States": states}))
    assert "Value is not a JSON object" in found.message


@pytest.mark.parametrize("depth", [200, 100_000])
def test_a_definition_is_not_nested_without_end(depth: int) -> None:
    (found,) = problems_of_definition("[" * depth + "]" * depth)
    assert found.code == "INVALID_JSON_DESCRIPTION"
    assert "levels deep" in found.message


def test_the_rules_that_sync_needs_are_those_of_its_jobs() -> None:
    states = {"A": _task("sagemaker:createTrainingJob.sync"), "B": _task("lambda:invoke")}
    assert managed_rules(_machine(states)) == {"StepFunctionsGetEventsForSageMakerTrainingJobsRule"}
    here = {**states["A"], "Resource": "arn:aws:states:::sagemaker:createProcessingJob.sync"}
    branches = [{"StartAt": "A", "States": {"A": here}}]
    both = {"A": states["A"], "Both": {"Type": "Parallel", "Branches": branches, "End": True}}
    assert len(managed_rules(_machine(both))) == 2, "a state is not taken for its namesake"
