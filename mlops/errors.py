"""Errors of the command line, each one line: what was found, where, what to do.

MlopsError
├── ProjectError      a file of the project: whoever edits the project mends it
├── TargetError       credentials, region or endpoint: whoever set the environment mends it
├── AccountError      the embedded account's process or folder
├── ToolError         a program (cdk, node, docker …) is absent or failed
├── RegistryError     a container registry does not answer, or does not have an image
├── DataSetError      a data set that must not be published as it is
├── BudgetError       what would cost more than it may, or nobody knows how much
├── RequestError      what is asked for cannot be done as it is asked
├── MissingError      a stack, run, version or endpoint that the target does not have
├── ResponseError     a service's answer is not what its contract promises
├── MismatchError     data, code or a model is not the one that a run used
├── RunFailedError    an execution of the state machine ended in failure
└── PipelineError     an execution of the code pipeline did not succeed
"""

from __future__ import annotations


class MlopsError(Exception):
    """Root of everything that is reported as one line without a traceback."""


class ProjectError(MlopsError):
    """A file of the project is absent or wrong."""


class TargetError(MlopsError):
    """The AWS environment names no account that can be used."""


class AccountError(MlopsError):
    """The embedded account cannot be started, reached or stopped."""


class ToolError(MlopsError):
    """A program the command needs is absent or ended with an error."""


class RegistryError(MlopsError):
    """A container registry cannot be asked, or does not have what it is asked for."""


class DataSetError(MlopsError):
    """A data set is refused before anything is uploaded."""


class RequestError(MlopsError):
    """A command asks for something that cannot be done; nothing was started."""


class BudgetError(MlopsError):
    """Something costs more than it may."""


class MissingError(MlopsError):
    """The target does not have what the command asks for."""


class ResponseError(MlopsError):
    """A service or a stored document answered something unexpected."""


class MismatchError(MlopsError):
    """Something is not the one that a run used, so the run cannot be done again with it."""


class RunFailedError(MlopsError):
    """An execution did not succeed."""


class PipelineError(MlopsError):
    """An execution of the code pipeline failed, was stopped, or was superseded."""


def explain(error: BaseException) -> str:
    """Put any exception into one line that says what to do."""
    if isinstance(error, MlopsError):
        return one_line(str(error))
    if type(error).__module__.startswith(("botocore.", "boto3.")):
        # botocore is slow to import, and an exception of its own proves that it is imported
        from mlops.aws_errors import explain_aws_error

        return one_line(explain_aws_error(error))
    if isinstance(error, OSError):
        return one_line(f"{error.strerror or error}: {error.filename or 'no file named'}")
    return one_line(
        f"unexpected {type(error).__name__}: {error}. "
        "Run again as `.venv/bin/mlops --debug …` to see the traceback."
    )


def one_line(text: str) -> str:
    """Join the lines and squeeze the white space of a message."""
    return " ".join(text.split())
