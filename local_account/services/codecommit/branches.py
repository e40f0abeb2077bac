"""CodeCommit: branches."""

from local_account.service import ServiceError
from local_account.services.codecommit.git import NO_COMMIT, is_reference
from local_account.services.codecommit.plane import NO_PAGE, Params, Plane, Repository
from local_account.services.paging import page

_PER_PAGE = 1000


class Branches(Plane):
    """Creates, describes and deletes branches."""

    def get_branch(self, params: Params) -> Params:
        """Return the commit that a branch points to."""
        repository, name = self.repository(params.get("repositoryName")), _named(params)
        return {"branch": {"branchName": name, "commitId": existing_tip(repository, name)}}

    def list_branches(self, params: Params) -> Params:
        """List the branches by name."""
        references = self.repository(params["repositoryName"]).bare.references()
        prefix = "refs/heads/"
        names = [name.removeprefix(prefix) for name in references if name.startswith(prefix)]
        items, token = page(names, params.get("nextToken"), _PER_PAGE, NO_PAGE)
        return {"branches": items, "nextToken": token}

    def create_branch(self, params: Params) -> None:
        """Let a new branch point to a commit."""
        repository, name = self.repository(params["repositoryName"]), _named(params)
        require_branch_name(name)
        commit_id = repository.commit_of(params["commitId"])
        with self.changing(repository):
            if repository.tip(name):
                message = f"The branch {name} already exists in {repository.name}."
                raise ServiceError("BranchNameExistsException", message)
            repository.bare.move(f"refs/heads/{name}", commit_id, NO_COMMIT)

    def delete_branch(self, params: Params) -> Params:
        """Delete a branch, unless it is the default one; one that is gone already is fine."""
        repository, name = self.repository(params["repositoryName"]), _named(params)
        with self.changing(repository):
            if name == repository.bare.default_branch:
                message = f"{name} is the default branch of {repository.name}; choose another first"
                raise ServiceError("DefaultBranchCannotBeDeletedException", f"{message}.")
            tip = repository.tip(name)
            if not tip:
                return {}
            repository.bare.move(f"refs/heads/{name}", NO_COMMIT, tip)
        return {"deletedBranch": {"branchName": name, "commitId": tip}}

    def update_default_branch(self, params: Params) -> None:
        """Choose the branch that a clone checks out."""
        repository, name = self.repository(params["repositoryName"]), params["defaultBranchName"]
        existing_tip(repository, name)
        repository.bare.set_default_branch(name)


def existing_tip(repository: Repository, branch: str) -> str:
    """Return the commit that a branch points to.

    Raises
    ------
    ServiceError
        If there is no such branch.
    """
    if tip := repository.tip(branch):
        return tip
    message = f"Branch {branch} does not exist in {repository.name}"
    raise ServiceError("BranchDoesNotExistException", message)


def require_branch_name(name: str) -> None:
    """Refuse a name that git has no branch under."""
    if not is_reference(name) or name.startswith("refs/"):
        message = f"The branch name {name!r} is not valid."
        raise ServiceError("InvalidBranchNameException", message)


def _named(params: Params) -> str:
    name: str = params.get("branchName", "")
    if not name:
        raise ServiceError("BranchNameRequiredException", "A branch name is required.")
    return name
