"""CodeCommit by its API, and CodeConnections."""

from typing import Any

import pytest

from tests.contract.account import Aws, refused

AUTHOR = {"authorName": "Ada", "email": "ada@example.com"}


def _repository(aws: Aws, end: str = "repository") -> tuple[Any, dict[str, str]]:
    """Create a repository; return the client, and the parameter that names it."""
    client, named = aws.client("codecommit"), {"repositoryName": aws.name(end)}
    client.create_repository(**named, tags={"team": "one"})
    aws.later(client.delete_repository, **named)
    return client, named


def _put(path: str, text: str) -> dict[str, Any]:
    return {"filePath": path, "fileContent": text.encode()}


def _first_commit(client: Any, named: dict[str, str], **files: str) -> str:
    put = [_put(f"{name}.txt", text) for name, text in files.items()]
    made = client.create_commit(**named, branchName="main", putFiles=put, **AUTHOR)
    return str(made["commitId"])


@pytest.mark.contract(
    *("codecommit:CreateRepository", "codecommit:GetRepository", "codecommit:ListRepositories"),
    *("codecommit:BatchGetRepositories", "codecommit:DeleteRepository"),
    *("codecommit:UpdateRepositoryDescription", "codecommit:UpdateRepositoryName"),
)
def test_a_repository_from_creation_to_deletion(aws: Aws) -> None:
    client, named = _repository(aws)
    name = named["repositoryName"]
    made = client.get_repository(**named)["repositoryMetadata"]
    assert (made["Arn"], made["accountId"]) == (aws.arn("codecommit", name), aws.account_id)
    assert made["cloneUrlHttp"].endswith(f"/v1/repos/{name}")
    assert "defaultBranch" not in made
    assert refused(client.create_repository, **named) == "RepositoryNameExistsException"
    client.update_repository_description(**named, repositoryDescription="why")
    other = {"repositoryName": aws.name("renamed")}
    client.update_repository_name(oldName=name, newName=other["repositoryName"])
    aws.later(client.delete_repository, **other)
    asked = [name, other["repositoryName"]]
    several = client.batch_get_repositories(repositoryNames=asked)
    (found,) = several["repositories"]
    assert several["repositoriesNotFound"] == [name]
    assert (found["repositoryId"], found["repositoryDescription"]) == (made["repositoryId"], "why")
    pages = client.get_paginator("list_repositories").paginate()
    listed = {
        each["repositoryId"]: each["repositoryName"] for p in pages for each in p["repositories"]
    }
    assert listed[made["repositoryId"]] == other["repositoryName"]
    assert client.delete_repository(**other)["repositoryId"] == made["repositoryId"]
    assert "repositoryId" not in client.delete_repository(**other)
    assert refused(client.get_repository, **other) == "RepositoryDoesNotExistException"


@pytest.mark.contract(
    "codecommit:TagResource", "codecommit:UntagResource", "codecommit:ListTagsForResource"
)
def test_a_repository_has_tags(aws: Aws) -> None:
    client, named = _repository(aws)
    arn = aws.arn("codecommit", named["repositoryName"])
    client.tag_resource(resourceArn=arn, tags={"team": "two", "more": "x"})
    assert client.list_tags_for_resource(resourceArn=arn)["tags"] == {"team": "two", "more": "x"}
    client.untag_resource(resourceArn=arn, tagKeys=["team"])
    assert client.list_tags_for_resource(resourceArn=arn)["tags"] == {"more": "x"}


@pytest.mark.contract(
    *("codecommit:CreateBranch", "codecommit:GetBranch", "codecommit:ListBranches"),
    *("codecommit:DeleteBranch", "codecommit:UpdateDefaultBranch"),
)
def test_branches_of_a_repository(aws: Aws) -> None:
    client, named = _repository(aws)
    first = _first_commit(client, named, app="one")
    assert client.get_repository(**named)["repositoryMetadata"]["defaultBranch"] == "main"
    main, topic = {**named, "branchName": "main"}, {**named, "branchName": "topic"}
    client.create_branch(**topic, commitId=first)
    assert client.get_branch(**topic)["branch"] == {"branchName": "topic", "commitId": first}
    assert refused(client.create_branch, **topic, commitId=first) == "BranchNameExistsException"
    assert sorted(client.list_branches(**named)["branches"]) == ["main", "topic"]
    assert refused(client.delete_branch, **main) == "DefaultBranchCannotBeDeletedException"
    client.update_default_branch(**named, defaultBranchName="topic")
    assert client.delete_branch(**main)["deletedBranch"]["commitId"] == first
    assert refused(client.get_branch, **main) == "BranchDoesNotExistException"


@pytest.mark.contract(
    *("codecommit:CreateCommit", "codecommit:PutFile", "codecommit:DeleteFile"),
    *("codecommit:GetCommit", "codecommit:BatchGetCommits"),
)
def test_commits_by_the_api(aws: Aws) -> None:
    client, named = _repository(aws)
    first = _first_commit(client, named, app="one", old="old")
    on_main = {**named, "branchName": "main"}
    put = client.put_file(
        **on_main, parentCommitId=first, **_put("app.txt", "two"), commitMessage="second", name="Bo"
    )
    deleted = client.delete_file(**on_main, parentCommitId=put["commitId"], filePath="old.txt")
    assert deleted["filePath"] == "old.txt"
    told = client.get_commit(**named, commitId=put["commitId"])["commit"]
    assert (told["parents"], told["treeId"]) == ([first], put["treeId"])
    assert (told["author"]["name"], told["message"].strip()) == ("Bo", "second")
    several = client.batch_get_commits(**named, commitIds=[first, "0" * 40])
    assert [each["commitId"] for each in several["commits"]] == [first]
    assert [each["commitId"] for each in several["errors"]] == ["0" * 40]
    late = {**on_main, "parentCommitId": first, **_put("app.txt", "three")}
    assert refused(client.put_file, **late) == "ParentCommitIdOutdatedException"
    same = {**on_main, "parentCommitId": deleted["commitId"], **_put("app.txt", "two")}
    assert refused(client.put_file, **same) == "SameFileContentException"
    assert refused(client.get_commit, **named, commitId="x") == "InvalidCommitIdException"
    absent = refused(client.get_commit, **named, commitId="0" * 40)
    assert absent == "CommitIdDoesNotExistException"


@pytest.mark.contract(
    *("codecommit:GetFile", "codecommit:GetFolder", "codecommit:GetBlob"),
    "codecommit:GetDifferences",
)
def test_what_a_commit_holds(aws: Aws) -> None:
    client, named = _repository(aws)
    first = _first_commit(client, named, app="one")
    put = [_put("d/a.txt", "a"), _put("app.txt", "two")]
    on_main = {**named, "branchName": "main", "parentCommitId": first}
    second = client.create_commit(**on_main, putFiles=put)["commitId"]
    file = client.get_file(**named, commitSpecifier="main", filePath="d/a.txt")
    assert (file["fileContent"], file["fileMode"], file["commitId"]) == (b"a", "NORMAL", second)
    assert client.get_blob(**named, blobId=file["blobId"])["content"] == b"a"
    folder = client.get_folder(**named, folderPath="d")
    assert [each["relativePath"] for each in folder["files"]] == ["a.txt"]
    asked = {"beforeCommitSpecifier": first, "afterCommitSpecifier": "main"}
    found = client.get_differences(**named, **asked)["differences"]
    assert sorted((each["changeType"], each["afterBlob"]["path"]) for each in found) == [
        *[("A", "d/a.txt"), ("M", "app.txt")],
    ]
    absent = {**named, "filePath": "none"}
    assert refused(client.get_file, **absent) == "FileDoesNotExistException"
    other = {**named, "filePath": "app.txt", "commitSpecifier": "none"}
    assert refused(client.get_file, **other) == "CommitDoesNotExistException"


@pytest.mark.contract(
    *("codeconnections:CreateConnection", "codeconnections:GetConnection"),
    *("codeconnections:ListConnections", "codeconnections:ListTagsForResource"),
    "codeconnections:DeleteConnection",
)
def test_a_connection_is_pending_until_somebody_finishes_it(aws: Aws) -> None:
    client, name = aws.client("codeconnections"), aws.name("c")
    tags = [{"Key": "team", "Value": "one"}]
    made = client.create_connection(ConnectionName=name, ProviderType="GitHub", Tags=tags)
    arn = made["ConnectionArn"]
    aws.later(client.delete_connection, ConnectionArn=arn)
    found = client.get_connection(ConnectionArn=arn)["Connection"]
    assert (found["ConnectionStatus"], found["ConnectionName"]) == ("PENDING", name)
    listed = client.list_connections(ProviderTypeFilter="GitHub", MaxResults=100)["Connections"]
    assert arn in [each["ConnectionArn"] for each in listed]
    assert client.list_tags_for_resource(ResourceArn=arn)["Tags"] == tags
    client.delete_connection(ConnectionArn=arn)
    assert refused(client.get_connection, ConnectionArn=arn) == "ResourceNotFoundException"
