"""Event patterns match what EventBridge's do, and are refused where it refuses them."""

from typing import Any

import pytest

from local_account.services.event_patterns import matches, problems

EVENT: dict[str, Any] = {
    "source": "aws.s3",
    "detail": {
        "key": "Raw/Batch 1.csv",
        "size": 300,
        "ratio": 1.0,
        "last": True,
        "reason": None,
        "empty": "",
        "star": "a*b",
        "ip": "10.20.30.40",
        "names": ["one", "two"],
        "none": [],
        "containers": [{"name": "a", "code": 0}, {"name": "b", "code": 1}],
    },
}


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"key": ["Raw/Batch 1.csv"]}, True),
        ({"key": ["raw/batch 1.csv"]}, False),
        ({"key": [{"equals-ignore-case": "raw/batch 1.CSV"}]}, True),
        ({"key": [{"prefix": "Raw/"}]}, True),
        ({"key": [{"prefix": {"equals-ignore-case": "RAW/"}}]}, True),
        ({"key": [{"suffix": ".CSV"}]}, False),
        ({"key": [{"suffix": {"equals-ignore-case": ".CSV"}}]}, True),
        ({"key": [{"wildcard": "R*/*.csv"}]}, True),
        ({"key": [{"wildcard": "R*.json"}]}, False),
        ({"star": [{"wildcard": "a\\*b"}]}, True),
        ({"key": [{"wildcard": "Raw\\*"}]}, False),
        ({"key": [{"anything-but": "x"}]}, True),
        ({"key": [{"anything-but": ["x", "Raw/Batch 1.csv"]}]}, False),
        ({"key": [{"anything-but": {"prefix": "Raw"}}]}, False),
        ({"key": [{"anything-but": {"suffix": [".json", ".csv"]}}]}, False),
        ({"key": [{"anything-but": {"wildcard": ["*.json", "*.txt"]}}]}, True),
        ({"key": [{"anything-but": {"equals-ignore-case": ["RAW/BATCH 1.CSV"]}}]}, False),
        ({"absent": [{"anything-but": "x"}]}, False),
        ({"size": [300]}, True),
        ({"size": [300.0]}, False),
        ({"size": ["300"]}, False),
        ({"size": [{"anything-but": [200, 300]}]}, False),
        ({"size": [{"numeric": [">", 0, "<=", 300]}]}, True),
        ({"size": [{"numeric": ["=", 3e2]}]}, True),
        ({"key": [{"numeric": [">", 0]}]}, False),
        ({"last": [{"numeric": ["=", 1]}]}, False),
        ({"last": [True]}, True),
        ({"last": [1]}, False),
        ({"ratio": [True]}, False),
        ({"reason": [None]}, True),
        ({"empty": [""]}, True),
        ({"empty": [None]}, False),
        ({"ip": [{"cidr": "10.20.0.0/16"}]}, True),
        ({"ip": [{"cidr": "10.21.0.0/16"}]}, False),
        ({"names": ["two", "three"]}, True),
        ({"names": [{"anything-but": "one"}]}, True),
        ({"names": ["three"]}, False),
        ({"absent": [{"exists": False}]}, True),
        ({"absent": {"deep": [{"exists": False}]}}, True),
        ({"absent": [{"exists": True}]}, False),
        ({"reason": [{"exists": True}]}, True),
        ({"none": [{"exists": True}]}, False),
        ({"containers": [{"exists": True}]}, False),
        ({"containers": {"name": ["b"], "code": [1]}}, True),
        ({"containers": {"name": ["a"], "code": [1]}}, False),
        ({"$or": [{"size": [1]}, {"last": [True]}]}, True),
        ({"$or": [{"size": [1]}, {"last": [False]}], "key": [{"exists": True}]}, False),
        ({"key": ["x", {"prefix": "Raw"}], "size": [300]}, True),
    ],
)
def test_a_pattern_matches(wanted: dict[str, Any], expected: bool) -> None:
    assert not list(problems({"detail": wanted}))
    assert matches({"source": ["aws.s3"], "detail": wanted}, EVENT) is expected


@pytest.mark.parametrize(
    "leaf",
    [
        "text",
        [],
        [["nested"]],
        [{"prefix": ["a", "b"]}],
        [{"prefix": 1}],
        [{"suffix": {"prefix": "a"}}],
        [{"equals-ignore-case": ["a"]}],
        [{"Prefix": "a"}],
        [{"wildcard": "a**b"}],
        [{"wildcard": ["a"]}],
        [{"prefix": "a", "suffix": "b"}],
        [{"anything-but": []}],
        [{"anything-but": {"prefix": {"equals-ignore-case": "a"}}}],
        [{"anything-but": {"numeric": ["=", 1]}}],
        [{"anything-but": {"wildcard": "a**"}}],
        [{"anything-but": ["a", 1]}],
        [{"anything-but": [["a"]]}],
        [{"numeric": []}],
        [{"numeric": [">", "1"]}],
        [{"numeric": ["==", 1]}],
        [{"numeric": [">", 5, "<", 1]}],
        [{"numeric": ["<", 5, ">", 1]}],
        [{"numeric": [">", True]}],
        [{"exists": "true"}],
        [{"cidr": "10.0.0.0/33"}],
        [{"cidr": 10}],
        {},
    ],
    ids=str,
)
def test_a_pattern_that_is_none_is_refused(leaf: Any) -> None:
    assert list(problems({"detail": {"key": leaf}}))
