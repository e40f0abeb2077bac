"""Rows go to the endpoint in requests it accepts, and answers are one number a row."""

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError

from mlops.commands.predict import read_rows
from mlops.errors import DataSetError, MissingError, ResponseError
from mlops.predictions import batches, predict
from mlops.target import Deployment


def _deployment(answer: str | ClientError, bodies: list[bytes] | None = None) -> Deployment:
    def invoke_endpoint(**request: Any) -> dict[str, Any]:
        if isinstance(answer, ClientError):
            raise answer
        if bodies is not None:
            bodies.append(request["Body"])
        return {"Body": io.BytesIO(answer.encode())}

    runtime = SimpleNamespace(invoke_endpoint=invoke_endpoint)
    target = SimpleNamespace(sagemaker_runtime=runtime)
    return cast("Deployment", SimpleNamespace(env="prod", target=target))


def _error(code: str, **fields: str) -> ClientError:
    details: Any = {"Error": {"Code": code, "Message": "Endpoint x of account"}, **fields}
    return ClientError(details, "InvokeEndpoint")


def test_rows_are_sent_as_they_are() -> None:
    bodies: list[bytes] = []
    assert predict(_deployment("8.5\n9\n", bodies), "e", ["M,1", "F,2"]) == [8.5, 9.0]
    assert bodies == [b"M,1\nF,2\n"]


def test_rows_are_cut_into_requests_below_the_limit() -> None:
    assert list(batches(["aaa", "bbb", "cc"], limit=8)) == [["aaa", "bbb"], ["cc"]]
    assert list(batches([], limit=8)) == []
    with pytest.raises(DataSetError, match="row 2 has 10 bytes"):
        list(batches(["a", "b" * 9], limit=8))


@pytest.mark.parametrize("answer", ["1\n", "1\n2\n3\n", "1\nx\n"])
def test_an_answer_that_does_not_fit_the_rows_is_an_error(answer: str) -> None:
    with pytest.raises(ResponseError, match="endpoint e"):
        predict(_deployment(answer), "e", ["a", "b"])


def test_what_the_container_refuses_is_told_in_its_own_words() -> None:
    refused = _error("ModelError", OriginalMessage="line 1 column 2:\nfound 'x'")
    with pytest.raises(ResponseError, match="refuses: line 1 column 2: found 'x'"):
        predict(_deployment(refused), "e", ["a"])


def test_a_missing_endpoint_is_told_with_what_to_do() -> None:
    with pytest.raises(MissingError, match="A run creates .* runs list --env prod`"):
        predict(_deployment(_error("ValidationError")), "e", ["a"])


def test_rows_come_from_arguments_or_a_file_but_not_both(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("M,1\n\nF,2\n")
    assert read_rows([], str(file)) == ["M,1", "F,2"]
    assert read_rows(["M,1"], "") == ["M,1"]
    for rows, name in (([], ""), (["M,1"], str(file))):
        with pytest.raises(DataSetError, match="as arguments or --file"):
            read_rows(rows, name)
    file.write_text("\n")
    with pytest.raises(DataSetError, match="0 rows"):
        read_rows([], str(file))
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(DataSetError, match="not UTF-8"):
        read_rows([], str(file))
