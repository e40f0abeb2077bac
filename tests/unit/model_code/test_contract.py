"""A contract file that cannot be meant is refused; the real one is what the rest relies on."""

from pathlib import Path

import pytest

from model_code.runtime.contract import Contract, read_contract
from model_code.runtime.errors import ContractError

SMALL = """
schema = 1
task = "regression"
metric = "rmse"
label = "y"
[minimum_rows]
train = 5
[[columns]]
name = "kind"
type = "category"
categories = ["a", "b"]
[[columns]]
name = "y"
type = "number"
minimum = 0
maximum = 1
"""


def read(folder: Path, text: str) -> Contract:
    (folder / "contract.toml").write_text(text)
    return read_contract(folder / "contract.toml")


def test_the_label_is_the_last_column_and_no_feature(contract: Contract) -> None:
    assert contract.columns[-1].name == contract.label == "rings"
    assert [column.name for column in contract.features][0] == "sex"
    assert len(contract.features) == 8


def test_a_small_contract_is_read(tmp_path: Path) -> None:
    contract = read(tmp_path, SMALL)
    assert contract.columns[0].expected == "one of a, b"
    assert contract.columns[1].expected == "a number between 0 and 1"
    assert contract.minimum_rows == {"train": 5}


def test_its_identity_is_its_bytes(tmp_path: Path) -> None:
    assert read(tmp_path, SMALL).sha256 != read(tmp_path, SMALL + "\n").sha256


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("schema = 1", "schema = 2", "found schema 2, expected 1"),
        ("schema = 1", "schema =", "no readable TOML"),
        ("regression", "clustering", "found task 'clustering', expected one of regression"),
        ('"rmse"', '"auc"', "found metric 'auc'"),
        ('label = "y"', 'label = "z"', "found label 'z'"),
        ('label = "y"', 'label = "kind"', "must be a number"),
        ('label = "y"', 'lable = "y"', "'lable' is unknown"),
        ('"category"', '"text"', "column 'kind': found type 'text'"),
        ('["a", "b"]', "[]", "column 'kind': expected categories"),
        ('["a", "b"]', '["a", "a"]', "a category occurs twice"),
        ('["a", "b"]', '["a[1]", "b"]', "found the name 'a[1]'"),
        ("minimum = 0", 'minimum = "0"', "column 'y': found minimum '0'"),
        ("minimum = 0", "minimum = 2", "minimum 2 is not below 1"),
        ("maximum = 1", "maximum = inf", "found maximum inf"),
        ("maximum = 1", "maximum = 1\nunit = 'mm'", "column 'y': 'unit' is unknown"),
        ('name = "kind"', 'name = "y"', "a column name occurs twice"),
        ("train = 5", "train = 0", "minimum_rows.train: found 0"),
        ("train = 5", "test = 5", "minimum_rows: 'test' is unknown"),
    ],
)
def test_a_contradictory_contract_is_refused_by_name(
    tmp_path: Path, old: str, new: str, expected: str
) -> None:
    assert old in SMALL
    with pytest.raises(ContractError) as caught:
        read(tmp_path, SMALL.replace(old, new))
    assert expected in str(caught.value)
    assert str(caught.value).startswith("contract.toml: ")


def test_a_missing_contract_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match=r"contract\.toml"):
        read_contract(tmp_path / "contract.toml")
