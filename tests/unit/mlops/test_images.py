"""The images that runs use are those that the last build put into the parameter."""

import json
from types import SimpleNamespace
from typing import Any

import pytest

from mlops.errors import ResponseError
from mlops.images import images_in_use
from tests.unit.mlops.pipeline_factories import COMMIT, answer, deployment

NAME = "/example/dev/image"
DIGEST = "sha256:" + "ab" * 32


class Absent(Exception):
    """The parameter does not exist."""


def _in_use(value: str | None) -> Any:
    def get_parameter(Name: str) -> Any:
        assert Name == NAME
        if value is None:
            raise Absent
        return answer("ssm", "GetParameter", {"Parameter": {"Name": Name, "Value": value}})

    outputs = {"ImageParameterName": NAME}
    exceptions = SimpleNamespace(ParameterNotFound=Absent)
    parameters = SimpleNamespace(get_parameter=get_parameter, exceptions=exceptions)
    return images_in_use(deployment(stack_outputs=lambda stack: outputs, ssm=parameters))


def test_before_the_first_build_there_are_none() -> None:
    assert _in_use(None) is None


def test_a_build_names_both_images_and_its_commit() -> None:
    uri = f"123456789012.dkr.ecr.us-east-1.amazonaws.com/models@{DIGEST}"
    document = {"training": uri, "processing": uri, "commit": COMMIT, "author": "A <a@b>"}
    found = _in_use(json.dumps(document))
    assert (found.digest, found.commit, found.message) == (DIGEST, COMMIT, "")


@pytest.mark.parametrize("value", ["", "[]", "{}", '"x"', "not json"])
def test_anything_else_is_told_with_what_writes_it_anew(value: str) -> None:
    with pytest.raises(ResponseError, match=rf"parameter {NAME} is .*mlops pipelines start`"):
        _in_use(value)
