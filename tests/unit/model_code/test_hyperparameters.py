"""Hyperparameters arrive as strings and are refused by name."""

import json
from pathlib import Path

import pytest

from model_code.model import HYPERPARAMETERS
from model_code.runtime.errors import HyperparameterError
from model_code.runtime.hyperparameters import Number, read_hyperparameters


def read(folder: Path, content: object) -> dict[str, Number]:
    path = folder / "hyperparameters.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return read_hyperparameters(path, HYPERPARAMETERS)


def test_a_job_without_hyperparameters_gets_the_tuned_defaults(tmp_path: Path) -> None:
    defaults = read_hyperparameters(tmp_path / "hyperparameters.json", HYPERPARAMETERS)
    assert defaults == read(tmp_path, {})
    assert (defaults["max_depth"], defaults["eta"], defaults["num_round"]) == (5, 0.03, 250)


def test_a_given_value_replaces_the_default_with_its_type(tmp_path: Path) -> None:
    values = read(tmp_path, {"num_round": "50", "eta": "1e-1"})
    assert (values["num_round"], values["eta"]) == (50, 0.1)
    assert isinstance(values["num_round"], int)


def test_what_a_tuning_job_adds_is_left_aside(tmp_path: Path) -> None:
    assert read(tmp_path, {"_tuning_objective_metric": "validation:rmse"}) == read(tmp_path, {})


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"max_dept": "5"}, "Hyperparameter 'max_dept' is unknown; expected one of"),
        ({"max_dept": "5"}, "Did you mean 'max_depth'?"),
        ({"eta": 0.1}, "Hyperparameter 'eta': found a JSON float, expected a string"),
        ({"eta": None}, "found a JSON NoneType, expected a string"),
        ({"eta": "-1"}, "Hyperparameter 'eta': found '-1', expected a number between 0.0001 and 1"),
        ({"eta": "NaN"}, "found 'NaN'"),
        ({"lambda": "inf"}, "found 'inf'"),
        ({"num_round": "0"}, "found '0', expected a whole number between 1 and 10000"),
        ({"num_round": "2.5"}, "found '2.5', expected a whole number"),
        ({"num_round": "9" * 5000}, "found 5000 characters, expected a whole number"),
        ({"eta": ""}, "found ''"),
        ({f"name{number}": "1" for number in range(101)}, "expected at most 100"),
        ([], "expected a JSON object"),
        ("{", "found no valid JSON"),
        ('{"eta": "0.1", "eta": "0.2"}', "a name occurs twice"),
    ],
)
def test_what_the_model_does_not_accept_is_refused(
    tmp_path: Path, content: object, expected: str
) -> None:
    with pytest.raises(HyperparameterError) as caught:
        read(tmp_path, content)
    assert expected in str(caught.value)


def test_a_long_value_is_not_repeated_in_the_message(tmp_path: Path) -> None:
    secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"  # pragma: allowlist secret
    for name in ("eta", "password"):
        with pytest.raises(HyperparameterError) as caught:
            read(tmp_path, {name: secret})
        assert secret not in str(caught.value)
