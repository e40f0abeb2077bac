"""One encoding for training, evaluation and serving."""

import numpy as np

from model_code.runtime.contract import Contract
from model_code.runtime.encode import encode, feature_names, labels
from model_code.runtime.tables import read_features, read_rows

ROWS = (
    b"M,0.455,0.365,0.095,0.514,0.2245,0.101,0.15,15\nI,0.33,0.255,0.08,0.205,0.0895,0.0395,0.055,7"
)
FEATURES = b"\n".join(row.rpartition(b",")[0] for row in ROWS.split(b"\n"))


def test_categories_become_one_column_each_in_the_order_of_the_contract(contract: Contract) -> None:
    assert feature_names(contract)[:4] == ("sex=F", "sex=I", "sex=M", "length")
    matrix = encode(contract, read_rows(contract, ROWS, "rows"))
    assert matrix[:, :3].tolist() == [[0, 0, 1], [0, 1, 0]]


def test_features_have_the_declared_shape_and_type(contract: Contract) -> None:
    matrix = encode(contract, read_rows(contract, ROWS, "rows"))
    assert matrix.shape == (2, len(feature_names(contract)))
    assert matrix.dtype == np.float32
    assert matrix[0, 3] == np.float32(0.455)


def test_the_label_is_no_feature(contract: Contract) -> None:
    rows = read_rows(contract, ROWS, "rows")
    assert contract.label not in feature_names(contract)
    assert labels(contract, rows).tolist() == [15, 7]
    without = encode(contract, read_features(contract, FEATURES, "request"))
    assert np.array_equal(encode(contract, rows), without)


def test_a_category_that_does_not_occur_keeps_its_column(contract: Contract) -> None:
    one = encode(contract, read_rows(contract, ROWS.split(b"\n")[0], "rows"))
    assert one.shape[1] == len(feature_names(contract))
