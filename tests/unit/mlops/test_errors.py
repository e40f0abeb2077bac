"""Whatever goes wrong becomes one line that says what to do; --debug shows the traceback."""

import pytest
from botocore import exceptions as aws
from typer.testing import CliRunner

from mlops.cli import app
from mlops.commands import runs
from mlops.errors import MlopsError, explain


def _client_error(code: str, message: str = "some words") -> aws.ClientError:
    return aws.ClientError({"Error": {"Code": code, "Message": message}}, "DescribeStacks")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (_client_error("ExpiredToken"), "have expired (ExpiredToken). Renew them"),
        (_client_error("InvalidClientTokenId"), "does not know this access key"),
        (_client_error("AccessDenied", "no"), "DescribeStacks is denied: no. Use a principal"),
        (_client_error("Throttling"), "is throttled after the SDK's own retries"),
        (_client_error("Odd", "text"), "DescribeStacks failed with Odd: text"),
        (aws.NoCredentialsError(), "no AWS credentials found"),
        (aws.NoRegionError(), "Set AWS_DEFAULT_REGION"),
        (aws.ProfileNotFound(profile="nope"), "(nope) could not be found. Check the AWS"),
        (aws.EndpointConnectionError(endpoint_url="http://127.0.0.1:1"), "at http://127.0.0.1:1."),
        (aws.PartialCredentialsError(provider="env", cred_var="key"), "Check the AWS environment"),
        (aws.UnknownServiceError(service_name="x", known_service_names="y"), "UnknownServiceError"),
        (MlopsError("one\n  line"), "one line"),
        (FileNotFoundError(2, "No such file", "rows.csv"), "No such file: rows.csv"),
        (ValueError("odd"), "unexpected ValueError: odd. Run again as `.venv/bin/mlops --debug"),
    ],
)
def test_an_error_is_explained_in_one_line(error: Exception, words: str) -> None:
    line = explain(error)
    assert words in line
    assert "\n" not in line


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    def connect(*_: object) -> None:
        raise MlopsError("the stack\nis not there")

    monkeypatch.setattr(runs, "connect", connect)
    return CliRunner()


def test_a_command_that_fails_prints_one_line_and_ends_with_1(broken: CliRunner) -> None:
    result = broken.invoke(app, ["runs", "list"])
    assert result.exit_code == 1
    assert result.stderr == "error: the stack is not there\n"
    assert result.stdout == ""


def test_debug_lets_the_traceback_through(broken: CliRunner) -> None:
    result = broken.invoke(app, ["--debug", "runs", "list"])
    assert isinstance(result.exception, MlopsError)


def test_a_wrong_option_ends_with_2(broken: CliRunner) -> None:
    result = broken.invoke(app, ["runs", "list", "--nope"])
    assert result.exit_code == 2
    assert "No such option" in result.stderr
