"""CodeCommit: repositories, their settings and tags."""

import re
import shutil
import time
import uuid

from local_account.service import ServiceError
from local_account.services.codecommit.git import Bare
from local_account.services.codecommit.plane import NO_PAGE, Params, Plane, Repository
from local_account.services.paging import page

_NAME = re.compile(r"[\w.-]{1,100}", re.ASCII)
_PER_PAGE, _MOST_NAMES, _MOST_TAGS = 1000, 25, 50


class Repositories(Plane):
    """Creates, describes, changes and deletes repositories."""

    def create_repository(self, params: Params) -> Params:
        """Create an empty repository."""
        name, repository_id = params["repositoryName"], str(uuid.uuid4())
        _require_name(name)
        made = Repository(
            name,
            repository_id,
            self.account.arn("codecommit", name),
            # by its id: a name may look like a path, and may change
            Bare(self.account.state / "codecommit" / f"{repository_id}.git"),
            params.get("repositoryDescription", ""),
            params.get("kmsKeyId", ""),
        )
        _tag(made, params.get("tags", {}))
        with self._lock:
            self._require_free(name)
            made.bare.create()
            self._rows[name] = made
        return {"repositoryMetadata": self._metadata(made)}

    def get_repository(self, params: Params) -> Params:
        """Return what is known of a repository."""
        return {"repositoryMetadata": self._metadata(self.repository(params["repositoryName"]))}

    def batch_get_repositories(self, params: Params) -> Params:
        """Return what is known of several repositories, and which of them are none."""
        names = list(dict.fromkeys(params["repositoryNames"]))
        if not names:
            raise ServiceError("RepositoryNamesRequiredException", "A repository name is required.")
        if len(names) > _MOST_NAMES:
            message = f"{len(names)} repository names, expected at most {_MOST_NAMES}."
            raise ServiceError("MaximumRepositoryNamesExceededException", message)
        found = {name: self._rows[name] for name in names if name in self._rows}
        absent = [name for name in names if name not in found]
        code = "RepositoryDoesNotExistException"
        return {
            "repositories": [self._metadata(each) for each in found.values()],
            "repositoriesNotFound": absent,
            "errors": [
                {
                    "repositoryName": name,
                    "errorCode": code,
                    "errorMessage": f"{name} does not exist",
                }
                for name in absent
            ],
        }

    def list_repositories(self, params: Params) -> Params:
        """List the repositories by name or by their last change."""
        rows = sorted(self._rows.values(), key=lambda each: each.name)
        if params.get("sortBy") == "lastModifiedDate":
            rows.sort(key=lambda each: each.modified)
        if params.get("order") == "descending":
            rows.reverse()
        shown = [{"repositoryName": each.name, "repositoryId": each.id} for each in rows]
        items, token = page(shown, params.get("nextToken"), _PER_PAGE, NO_PAGE)
        return {"repositories": items, "nextToken": token}

    def delete_repository(self, params: Params) -> Params:
        """Delete a repository with its commits; one that is gone already is fine."""
        found = self._rows.get(params["repositoryName"])
        if found is None:
            return {}
        with found.changing, self._lock:
            self._rows.pop(found.name, None)
            shutil.rmtree(found.bare.folder, ignore_errors=True)
        return {"repositoryId": found.id}

    def update_repository_description(self, params: Params) -> None:
        """Set what a repository is for."""
        found = self.repository(params["repositoryName"])
        found.description, found.modified = params.get("repositoryDescription", ""), time.time()

    def update_repository_name(self, params: Params) -> None:
        """Give a repository another name, and so another ARN and clone URL."""
        found = self.repository(params["oldName"])
        _require_name(params["newName"])
        with found.changing, self._lock:
            self._require_free(params["newName"])
            del self._rows[found.name]
            found.name, found.modified = params["newName"], time.time()
            found.arn = self.account.arn("codecommit", found.name)
            self._rows[found.name] = found

    def update_repository_encryption_key(self, params: Params) -> Params:
        """Set the key that a repository is said to be encrypted with."""
        found = self.repository(params["repositoryName"])
        former, found.key_id = found.key_id, params["kmsKeyId"]
        return {"repositoryId": found.id, "kmsKeyId": found.key_id, "originalKmsKeyId": former}

    def tag_resource(self, params: Params) -> None:
        """Add tags to a repository, or replace their values."""
        _tag(self._with_arn(params["resourceArn"]), params["tags"])

    def untag_resource(self, params: Params) -> None:
        """Remove tags by key."""
        found = self._with_arn(params["resourceArn"])
        found.tags = {key: found.tags[key] for key in found.tags if key not in params["tagKeys"]}

    def list_tags_for_resource(self, params: Params) -> Params:
        """Return the tags of a repository."""
        return {"tags": self._with_arn(params["resourceArn"]).tags}

    def _with_arn(self, arn: str) -> Repository:
        prefix = self.account.arn("codecommit", "")
        if not arn.startswith(prefix):
            message = f"{arn} is not the ARN of a repository of this account ({prefix}NAME)."
            raise ServiceError("InvalidResourceArnException", message)
        return self.repository(arn.removeprefix(prefix))

    def _require_free(self, name: str) -> None:
        if name in self._rows:
            message = f"Repository named {name} already exists"
            raise ServiceError("RepositoryNameExistsException", message)

    def _metadata(self, found: Repository) -> Params:
        return {
            "accountId": self.account.account_id,
            "repositoryId": found.id,
            "repositoryName": found.name,
            "repositoryDescription": found.description or None,
            "defaultBranch": found.bare.default_branch or None,
            "lastModifiedDate": found.modified,
            "creationDate": found.created,
            "cloneUrlHttp": f"{self.account.url}/v1/repos/{found.name}",
            "cloneUrlSsh": f"ssh://localhost/v1/repos/{found.name}",
            "Arn": found.arn,
            "kmsKeyId": found.key_id or None,
        }


def _require_name(name: str) -> None:
    if not _NAME.fullmatch(name) or name.endswith(".git") or name in (".", ".."):
        message = (
            f"The repository name {name!r} is not valid: expected letters, digits and any of ._- "
            "(at most 100), and not the suffix .git."
        )
        raise ServiceError("InvalidRepositoryNameException", message)


def _tag(repository: Repository, tags: dict[str, str]) -> None:
    if any(key.lower().startswith("aws:") for key in tags):
        message = "Keys of tags may not begin with aws:."
        raise ServiceError("InvalidSystemTagUsageException", message)
    merged = repository.tags | tags
    if len(merged) > _MOST_TAGS:
        message = f"{repository.name} would have {len(merged)} tags, expected at most {_MOST_TAGS}."
        raise ServiceError("TooManyTagsException", message)
    repository.tags = merged
