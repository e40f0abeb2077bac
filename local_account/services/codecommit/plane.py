"""What the parts of CodeCommit share: repositories, who asks, and what is told of changes."""

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, field
from typing import Any, Self

from local_account.authorization.principals import Credentials
from local_account.service import Account, JsonService, ServiceError
from local_account.services.codecommit.git import Bare
from local_account.services.eventbridge import Event, new_event

Params = dict[str, Any]
NO_PAGE = "InvalidContinuationTokenException"

_STATE_CHANGE = "CodeCommit Repository State Change"
# what the names of errors call a member of a request, where that is not the member's own name
_NOUNS = {
    "afterCommitSpecifier": "Commit",
    "beforeCommitSpecifier": "Commit",
    "commitSpecifier": "Commit",
    "defaultBranchName": "BranchName",
    "filePath": "Path",
    "folderPath": "Path",
    "newName": "RepositoryName",
    "oldName": "RepositoryName",
    "tagKeys": "TagKeysList",
    "tags": "TagsMap",
}
_CODES = {"InvalidFileContentException": "FileContentSizeLimitExceededException"}


@dataclass
class Repository:
    """One repository: what the API tells of it, and where its commits are."""

    name: str
    id: str
    arn: str
    bare: Bare
    description: str = ""
    key_id: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    created: float = field(default_factory=time.time)
    modified: float = field(default_factory=time.time)
    changing: threading.Lock = field(default_factory=threading.Lock)

    def commit_of(self, specifier: str) -> str:
        """Return the id of the commit that a request means.

        Raises
        ------
        ServiceError
            If there is none.
        """
        found = self.bare.commit_of(specifier)
        if not found:
            message = f"The commit {specifier!r} does not exist in {self.name}."
            raise ServiceError("CommitDoesNotExistException", message)
        return found

    def tip(self, branch: str) -> str:
        """Return the commit that a branch points to, or nothing."""
        return self.bare.references().get(f"refs/heads/{branch}", "")


class Plane(JsonService):
    """The account's CodeCommit, as each part of it sees it."""

    service_name = "codecommit"

    def __init__(self, account: Account, emit: Callable[[Event], None]) -> None:
        super().__init__(account)
        self.caller = f"arn:aws:iam::{account.account_id}:root"
        self._emit = emit
        self._rows: dict[str, Repository] = {}
        self._lock = threading.Lock()

    def asked_by(self, caller: Credentials) -> Self:
        """Return the service as it acts for a caller, who is named in events and commits."""
        found = self.account.identities.identify(caller.access_key_id)
        return self.called_by(found[0].arn) if found else self

    def called_by(self, arn: str) -> Self:
        """Return the service as it acts for the principal with an ARN."""
        service = copy(self)
        service.caller = arn
        return service

    def repository(self, name: str | None) -> Repository:
        """Return a repository.

        Raises
        ------
        ServiceError
            If there is none with that name.
        """
        if not name:
            raise ServiceError("RepositoryNameRequiredException", "A repository name is required.")
        found = self._rows.get(name)
        if found is None:
            raise ServiceError("RepositoryDoesNotExistException", f"{name} does not exist")
        return found

    @contextmanager
    def changing(self, repository: Repository) -> Iterator[None]:
        """Let references change, of one repository one after the other; tell of each that did."""
        with repository.changing:
            self.repository(repository.name)  # it may be gone by now
            before = repository.bare.references()
            try:
                yield
            finally:
                after = repository.bare.references()
                if before != after:
                    self._changed(repository, before, after)

    def _changed(
        self, repository: Repository, before: dict[str, str], after: dict[str, str]
    ) -> None:
        repository.modified = time.time()
        branches = [name.removeprefix("refs/heads/") for name in after if "refs/heads/" in name]
        if branches and not repository.bare.default_branch:
            repository.bare.set_default_branch("main" if "main" in branches else branches[0])
        for name in sorted(before.keys() | after.keys()):
            if before.get(name) != after.get(name):
                detail = _change(name, before.get(name), after.get(name))
                self._tell(repository, detail)

    def _tell(self, repository: Repository, change: Params) -> None:
        detail = {
            **change,
            "repositoryName": repository.name,
            "repositoryId": repository.id,
            "callerUserArn": self.caller,
        }
        resources = [repository.arn]
        event = new_event(self.account, "aws.codecommit", _STATE_CHANGE, resources, detail)
        self._emit(event)

    def _validate(self, params: Params, shape: Any) -> None:
        """Refuse what breaks the model under the code that CodeCommit has for that member."""
        try:
            super()._validate(params, shape)
        except ServiceError as error:
            member = re.findall(r" at '[\w.]*?(\w+)' failed", error.message)
            name = member[0] if member else ""
            noun = _NOUNS.get(name, name[:1].upper() + name[1:])
            missing = "must not be null" in error.message.partition(";")[0]
            code = f"{noun}RequiredException" if missing else f"Invalid{noun}Exception"
            code = _CODES.get(code, code)
            if code not in self._model.shape_names:
                raise
            raise ServiceError(code, error.message) from error


def _change(full_name: str, before: str | None, after: str | None) -> Params:
    """Return what an event says of a reference that was created, updated or deleted."""
    _, folder, name = full_name.split("/", 2)
    verb = "Updated" if before and after else "Created" if after else "Deleted"
    commits = {"commitId": after} if after else {}
    former = {"oldCommitId": before} if before else {}
    return {
        "event": f"reference{verb}",
        "referenceType": "tag" if folder == "tags" else "branch",
        "referenceName": name,
        "referenceFullName": full_name,
        **commits,
        **former,
    }
