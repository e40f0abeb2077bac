"""CodeCommit: commits that are made by its API, without a clone."""

import base64
import binascii
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from local_account.service import ServiceError
from local_account.services.codecommit.branches import existing_tip, require_branch_name
from local_account.services.codecommit.contents import MODES, MOST_BYTES, path_of, read_commit
from local_account.services.codecommit.git import NO_COMMIT, Bare, Difference, NewCommit
from local_account.services.codecommit.plane import Params, Plane, Repository

_GIT_MODES = {name: mode for mode, name in MODES.items()}
_MOST_FILES, _MOST_BYTES_IN_ALL = 100, 7 * 1024**2
_KEPT = ".gitkeep"


@dataclass
class _Changes:
    """What a commit is to change of the files of its parent, which has modes and ids by path."""

    files: dict[str, tuple[str, str]]
    put: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    removed: set[str] = field(default_factory=set)

    def existing(self, path: str) -> str:
        """Return the blob of a file that is there."""
        if path not in self.files:
            raise ServiceError("FileDoesNotExistException", f"The file {path} does not exist.")
        return self.files[path][1]

    def remove(self, path: str) -> None:
        """Remove a file that is there."""
        self.existing(path)
        self.removed.add(path)

    def keep_folders(self) -> None:
        """Leave a file in each folder that would be left empty."""
        left = (self.files.keys() - self.removed) | self.put.keys()
        for folder in {path.rpartition("/")[0] for path in self.removed} - {""}:
            if not any(path.startswith(f"{folder}/") for path in left):
                self.put[f"{folder}/{_KEPT}"] = (_GIT_MODES["NORMAL"], b"")

    def require_no_conflict(self) -> None:
        """Refuse a file where a folder is, or the other way round."""
        kept = (self.files.keys() - self.removed) | self.put.keys()
        folders = {parent for path in kept for parent in _parents(path)}
        for path in sorted(self.put):
            if path in folders:
                code = "FileNameConflictsWithDirectoryNameException"
                raise ServiceError(code, f"{path} is a folder, expected none of that name.")
            for parent in _parents(path):
                if parent in kept:
                    code = "DirectoryNameConflictsWithFileNameException"
                    raise ServiceError(code, f"{parent} is a file, expected a folder.")


@dataclass(frozen=True)
class _Made:
    """A commit that was made, and what it changed."""

    id: str
    tree: str
    differences: list[Difference]


class Commits(Plane):
    """Commits files to the tip of a branch."""

    def put_file(self, params: Params) -> Params:
        """Commit one new or changed file."""
        path = path_of(params["filePath"])

        def change(changes: _Changes, bare: Bare) -> None:
            changes.put[path] = (_mode(changes, path, params), _decoded(params["fileContent"]))

        named = {**params, "authorName": params.get("name")}
        made = self._commit(named, f"Put {path}", change, "SameFileContentException")
        (blob,) = (each.after_id for each in made.differences if each.path == path)
        return {"commitId": made.id, "blobId": blob, "treeId": made.tree}

    def delete_file(self, params: Params) -> Params:
        """Commit the removal of one file."""
        path = path_of(params["filePath"])
        named = {**params, "authorName": params.get("name")}
        made = self._commit(
            named,
            f"Deleted {path}",
            lambda changes, bare: changes.remove(path),
            "NoChangeException",
        )
        (blob,) = (each.before_id for each in made.differences if each.path == path)
        return {"commitId": made.id, "blobId": blob, "treeId": made.tree, "filePath": path}

    def create_commit(self, params: Params) -> Params:
        """Commit several new, changed, moved and removed files at once."""
        _require_entries(params)

        def change(changes: _Changes, bare: Bare) -> None:
            for entry in params.get("putFiles", []):
                _put(changes, bare, entry)
            for entry in params.get("deleteFiles", []):
                changes.remove(path_of(entry["filePath"]))
            for entry in params.get("setFileModes", []):
                path = path_of(entry["filePath"])
                content = bare.read("blob", changes.existing(path))
                changes.put[path] = (_GIT_MODES[entry["fileMode"]], content)

        made = self._commit(params, "Changed files", change, "NoChangeException")
        listed = {"filesAdded": "A", "filesUpdated": "MT", "filesDeleted": "D"}
        return {
            "commitId": made.id,
            "treeId": made.tree,
            **{name: list(_changed(made, kinds)) for name, kinds in listed.items()},
        }

    def _commit(
        self, params: Params, message: str, change: Callable[[_Changes, Bare], None], same: str
    ) -> _Made:
        """Commit to a branch, unless nothing would change: then refuse under the code `same`."""
        repository, branch = self.repository(params["repositoryName"]), params["branchName"]
        bare = repository.bare
        with self.changing(repository):
            parent = _parent(repository, branch, params.get("parentCommitId", ""))
            changes = _Changes(_files(bare, parent))
            change(changes, bare)
            if params.get("keepEmptyFolders"):
                changes.keep_folders()
            changes.require_no_conflict()
            new = NewCommit(
                params.get("authorName") or self.caller.rpartition("/")[2].rpartition(":")[2],
                params.get("email", ""),
                int(time.time()),
                params.get("commitMessage") or message,
                changes.put,
                sorted(changes.removed - changes.put.keys()),
            )
            commit_id = bare.prepare(parent, new)
            differences = bare.differences(parent, commit_id)
            if not differences:
                raise ServiceError(same, f"The commit would change nothing in {branch}.")
            bare.move(f"refs/heads/{branch}", commit_id, parent or NO_COMMIT)
        return _Made(commit_id, read_commit(bare, commit_id).tree, differences)


def _parent(repository: Repository, branch: str, given: str) -> str:
    """Return the commit on which a new one is made: the tip, which the request must know."""
    references = repository.bare.references()
    if not any(name.startswith("refs/heads/") for name in references) and not given:
        require_branch_name(branch)
        return ""
    tip = existing_tip(repository, branch)
    if not given:
        message = f"{branch} has commits: expected its tip as the parent commit id."
        raise ServiceError("ParentCommitIdRequiredException", message)
    if not re.fullmatch(r"[0-9a-f]{40}", given):
        message = f"{given!r} is not a full commit id (40 hexadecimal digits)."
        raise ServiceError("InvalidParentCommitIdException", message)
    if given != tip:
        there = repository.bare.kind_of(given)[0] == "commit"
        code = "ParentCommitIdOutdatedException" if there else "ParentCommitDoesNotExistException"
        message = f"The parent commit {given} is not the tip of {branch}, which is {tip}."
        raise ServiceError(code, message)
    return tip


def _files(bare: Bare, commit_id: str) -> dict[str, tuple[str, str]]:
    added = bare.differences("", commit_id) if commit_id else []
    return {each.path: (each.after_mode, each.after_id) for each in added}


def _require_entries(params: Params) -> None:
    entries = [
        entry
        for name in ("putFiles", "deleteFiles", "setFileModes")
        for entry in params.get(name, [])
    ]
    if not entries:
        raise ServiceError("FileEntryRequiredException", "The commit names no file to change.")
    if len(entries) > _MOST_FILES:
        message = (
            f"The commit changes {len(entries)} files, at most {_MOST_FILES} expected: use git."
        )
        raise ServiceError("MaximumFileEntriesExceededException", message)
    paths = [path_of(entry["filePath"]) for entry in entries]
    if twice := sorted({path for path in paths if paths.count(path) > 1}):
        raise ServiceError("SamePathRequestException", f"The commit names {twice[0]} twice.")
    total = sum(
        len(entry.get("fileContent") or "") * 3 // 4 for entry in params.get("putFiles", [])
    )
    if total > _MOST_BYTES_IN_ALL:
        message = f"The files have {total} bytes in all, at most {_MOST_BYTES_IN_ALL} expected."
        raise ServiceError("FileContentSizeLimitExceededException", message)


def _put(changes: _Changes, bare: Bare, entry: Params) -> None:
    path, source = path_of(entry["filePath"]), entry.get("sourceFile")
    given = entry.get("fileContent")
    if given is not None and source is not None:
        message = f"{path} has both content and a source file."
        raise ServiceError("FileContentAndSourceFileSpecifiedException", message)
    if source is None:
        if given is None:
            message = f"{path} has neither content nor a source file."
            raise ServiceError("SourceFileOrContentRequiredException", message)
        changes.put[path] = (_mode(changes, path, entry), _decoded(given))
        return
    origin = path_of(source["filePath"])
    content = bare.read("blob", changes.existing(origin))
    changes.put[path] = (_mode(changes, origin, entry), content)
    if source.get("isMove"):
        changes.remove(origin)


def _mode(changes: _Changes, path: str, entry: Params) -> str:
    known = changes.files.get(path, ("100644", ""))[0]
    return _GIT_MODES.get(entry.get("fileMode", ""), known)


def _decoded(content: str) -> bytes:
    try:
        decoded = base64.b64decode(content, validate=True)
    except binascii.Error as error:
        raise ServiceError(
            "SerializationException", f"fileContent is no base64: {error}"
        ) from error
    if len(decoded) > MOST_BYTES:
        message = f"The file has {len(decoded)} bytes, expected at most {MOST_BYTES}: use git."
        raise ServiceError("FileContentSizeLimitExceededException", message)
    return decoded


def _parents(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:count]) for count in range(1, len(parts))]


def _changed(made: _Made, kinds: str) -> Iterator[Params]:
    for each in made.differences:
        if each.change in kinds:
            gone = each.change == "D"
            mode, blob = (
                (each.before_mode, each.before_id) if gone else (each.after_mode, each.after_id)
            )
            yield {"absolutePath": each.path, "blobId": blob, "fileMode": MODES.get(mode)}
