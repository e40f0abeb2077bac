"""Source actions: a commit of a CodeCommit repository; connections, which are never finished here.

Source of the texts of errors: public logs.
"""

from datetime import UTC, datetime
from typing import Any, Protocol

from botocore.exceptions import ClientError

from local_account.service import ServiceError
from local_account.services.codepipeline import artifacts
from local_account.services.codepipeline.records import ActionFailed, Result, Revision
from local_account.services.codepipeline.work import Work

_LONGEST_SUMMARY = 2048
_AGAIN = "and then try again. Error:"


class Repositories(Protocol):
    """What gives the files of a commit."""

    def archive(self, repository: str, commit_id: str) -> bytes:
        """Return a zip of a commit's tree."""


def from_connection(work: Work) -> Result:
    """Fail as an action does whose connection is not finished, if the role may use it at all."""
    configuration = work.run.configuration
    arn = configuration["ConnectionArn"]
    service = arn.split(":")[2]
    context = {f"{service}:FullRepositoryId": configuration["FullRepositoryId"]}
    try:
        work.role.require(f"{service}:UseConnection", arn, context)
    except ServiceError as error:
        message = f"Unable to use Connection: {arn}. {error.message}"
        raise ActionFailed("PermissionError", message) from error
    raise ActionFailed(
        "ConfigurationError",
        f"The connection {arn} is in status PENDING, expected AVAILABLE; finish it in the console",
    )


class CodeCommitSources:
    """Source actions of CodeCommit."""

    def __init__(self, repositories: Repositories) -> None:
        self._repositories = repositories

    def __call__(self, work: Work) -> Result:
        """Put the files of a commit into the store; the branch's newest unless told which."""
        repository = work.run.configuration["RepositoryName"]
        branch = work.run.configuration["BranchName"]
        try:
            found = _commit(work, repository, branch)
            for action in ("UploadArchive", "GetUploadArchiveStatus"):
                work.role.require(
                    f"codecommit:{action}", work.account.arn("codecommit", repository)
                )
            content = self._repositories.archive(repository, found["commitId"])
        except (ClientError, ServiceError) as error:
            raise _failed(error, repository, branch) from error
        definition = work.execution.definition
        for artifact in work.run.outputs:
            key = artifacts.key_id(definition)
            artifacts.write(work.role.client("s3"), artifact, content, key)
        return _result(work, found, repository, branch)


def _commit(work: Work, repository: str, branch: str) -> dict[str, Any]:
    codecommit = work.role.client("codecommit")
    commit_id = work.execution.overrides.get(work.run.name)
    if commit_id is None:
        answer = codecommit.get_branch(repositoryName=repository, branchName=branch)
        commit_id = answer["branch"]["commitId"]
    found = codecommit.get_commit(repositoryName=repository, commitId=commit_id)
    commit: dict[str, Any] = found["commit"]
    return commit


def _result(work: Work, commit: dict[str, Any], repository: str, branch: str) -> Result:
    region, commit_id, message = work.account.region, commit["commitId"], commit["message"]
    url = (
        f"https://{region}.console.aws.amazon.com/codecommit/home#/repository/{repository}/commit/"
        f"{commit_id}"
    )
    summary = message.strip()[:_LONGEST_SUMMARY]
    return Result(
        external_id=commit_id,
        summary=summary,
        url=url,
        variables={
            "AuthorDate": _date(commit["author"]["date"]),
            "BranchName": branch,
            "CommitId": commit_id,
            "CommitMessage": message,
            "CommitterDate": _date(commit["committer"]["date"]),
            "RepositoryName": repository,
        },
        revision=Revision(work.run.name, commit_id, summary, url),
    )


def _date(text: str) -> str:
    """Write a date of GetCommit, seconds and a time zone, as the variables have it."""
    try:
        moment = datetime.fromtimestamp(int(text.split()[0]), UTC)
    except (ValueError, OverflowError):  # git takes any number for a date
        moment = datetime.fromtimestamp(0, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _failed(error: ClientError | ServiceError, repository: str, branch: str) -> ActionFailed:
    if isinstance(error, ServiceError):
        code, message = error.code, error.message
    else:
        code, message = (error.response["Error"][name] for name in ("Code", "Message"))
    if code == "BranchDoesNotExistException":
        return ActionFailed(
            "ConfigurationError",
            f"The action failed because no branch named {branch} was found in the selected AWS "
            f"CodeCommit repository {repository}. Make sure you are using the correct branch "
            f"name, {_AGAIN} null",
        )
    if code == "RepositoryDoesNotExistException":
        return ActionFailed(
            "ConfigurationError",
            f"The action failed because no AWS CodeCommit repository named {repository} was "
            f"found. Make sure you are using the correct repository name, {_AGAIN} null",
        )
    if code in ("AccessDenied", "AccessDeniedException"):
        return ActionFailed(
            "PermissionError",
            "The service role or action role doesn’t have the permissions required to access the "
            f"AWS CodeCommit repository named {repository}. Update the IAM role permissions, "
            f"{_AGAIN} {message}",
        )
    return ActionFailed("ConfigurationError", f"{code}: {message}")
