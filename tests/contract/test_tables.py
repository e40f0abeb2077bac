"""The tables, the tests and PARITY.md say the same."""

import pytest

from local_account import parity
from local_account.parity.document import names
from tests.contract.proofs import ROOT, VERIFIED, collected, document

ROWS = dict(names())


def test_every_name_that_a_test_proves_is_in_the_tables() -> None:
    answered = {name for name, row in ROWS.items() if row.level != parity.REFUSED}
    unknown = sorted(set(collected()) - answered)
    assert unknown == [], f"correct the marker, or add rows: {unknown}"


def test_whatever_is_real_has_a_contract_test() -> None:
    real = {name for name, row in ROWS.items() if row.level == parity.REAL}
    unproven = sorted(real - set(collected()))
    assert unproven == [], f"write a contract test, or say the difference: {unproven}"


def test_whatever_is_not_real_says_the_difference_in_words() -> None:
    silent = [name for name, row in ROWS.items() if (row.level == parity.REAL) != (row.words == "")]
    assert silent == []


def test_parity_md_is_fresh() -> None:
    assert (ROOT / parity.DOCUMENT).read_text(encoding="utf-8") == document(), "run `make parity`"


def test_the_readme_says_whether_contract_tests_have_run_on_aws() -> None:
    never = "Neither has ever run on AWS." in (ROOT / "README.md").read_text(encoding="utf-8")
    assert never != VERIFIED.exists(), f"README and {VERIFIED.name} contradict each other"


@pytest.mark.parametrize(
    ("service", "operation", "expected"),
    [
        ("s3", "GetObject", None),
        ("s3", "SelectObjectContent", "does not model s3:SelectObjectContent"),
        ("glue", "CreateJob", "does not model glue; expected one of budgets, "),
        ("sagemaker", "InvokeEndpointAsync", "asynchronous endpoints are not modelled"),
        ("s3", "", "does not model s3:this request"),
    ],
)
def test_an_operation_outside_of_the_table_is_refused_by_name(
    service: str, operation: str, expected: str | None
) -> None:
    refusal = parity.refused_operation(service, operation)
    assert refusal == expected or (expected and expected in (refusal or ""))


@pytest.mark.parametrize(
    ("type_name", "properties", "expected"),
    [
        ("AWS::SQS::Queue", {"QueueName": "q", "Tags": [{"Key": "k", "Value": "v"}]}, None),
        ("AWS::SQS::Queue", {"Colour": "red"}, "property Colour of AWS::SQS::Queue; expected one"),
        ("AWS::S3::Bucket", {"VersioningConfiguration": {"Status": "Enabled"}}, None),
        (
            "AWS::S3::Bucket",
            {"VersioningConfiguration": {"MfaDelete": "x"}},
            "VersioningConfiguration.MfaDelete of AWS::S3::Bucket; expected one of Status",
        ),
        ("AWS::S3::Bucket", {"VersioningConfiguration": {"Fn::If": ["C", {}, {}]}}, None),
        ("AWS::EC2::Instance", {}, "does not model AWS::EC2::Instance"),
    ],
)
def test_a_property_outside_of_the_table_is_refused_by_name(
    type_name: str, properties: dict[str, object], expected: str | None
) -> None:
    refusal = parity.refused_properties(type_name, properties)
    assert refusal == expected or (expected and expected in (refusal or ""))
