"""CloudFormation: git repositories with their first commit, and connections to those elsewhere."""

import io
import stat
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from local_account.archives import ArchiveError, extract_zip
from local_account.limits import MIB
from local_account.service import Account
from local_account.services.cloudformation.resource_type import (
    Created,
    Properties,
    ResourceType,
    deletes,
    retag,
    tags_of,
)
from local_account.services.codecommit.branches import require_branch_name
from local_account.services.codecommit.contents import MOST_BYTES, path_of

_MOST_BYTES_PACKED, _MOST_BYTES_UNPACKED = 20 * MIB, 400 * MIB
_MOST_FILES = 100  # in one commit
_AUTHOR, _MESSAGE = "AWS CodeCommit", "Initial commit by AWS CodeCommit"

_Files = dict[str, tuple[str, bytes]]


def _create_repository(account: Account, _: str, properties: Properties) -> Created:
    # the name is required, and not the resource's identity: it can be changed
    client, name = account.client("codecommit"), properties.get("RepositoryName", "")
    code = properties.get("Code")
    seed = _seed(account, code) if code else {}
    branch = code.get("BranchName", "main") if code else ""
    if branch:
        require_branch_name(branch)
    settings = {
        "repositoryDescription": properties.get("RepositoryDescription"),
        "kmsKeyId": properties.get("KmsKeyId"),
        "tags": tags_of(properties),
    }
    given = {key: value for key, value in settings.items() if value}
    made = client.create_repository(repositoryName=name, **given)["repositoryMetadata"]
    with ExitStack() as undo:
        undo.callback(client.delete_repository, repositoryName=name)
        _commit(client, name, branch, seed)
        undo.pop_all()
    urls = {f"CloneUrl{kind}": made[f"cloneUrl{kind}"] for kind in ("Http", "Ssh")}
    return Created(made["repositoryId"], {"Arn": made["Arn"], "Name": name, **urls})


def _seed(account: Account, code: Properties) -> _Files:
    """Return the files that a repository begins with, read with the rights of who deploys."""
    where = code["S3"]
    version = {"VersionId": where["ObjectVersion"]} if where.get("ObjectVersion") else {}
    source = f"s3://{where['Bucket']}/{where['Key']}"
    answer = account.client("s3").get_object(Bucket=where["Bucket"], Key=where["Key"], **version)
    if answer["ContentLength"] > _MOST_BYTES_PACKED:
        found = f"{source} has {answer['ContentLength']} bytes"
        raise ValueError(f"{found}, expected an archive of at most {_MOST_BYTES_PACKED}.")
    content = answer["Body"].read()
    with tempfile.TemporaryDirectory(dir=account.state) as folder:
        archive, unpacked = Path(folder) / "seed.zip", Path(folder) / "files"
        archive.write_bytes(content)
        try:
            extract_zip(archive, unpacked, _MOST_BYTES_UNPACKED)
        except ArchiveError as error:
            raise ValueError(f"{source} is no seed of a repository: {error}.") from error
        with zipfile.ZipFile(io.BytesIO(content)) as opened:
            files = {
                path_of(member.filename): (_mode(member), (unpacked / member.filename).read_bytes())
                for member in opened.infolist()
                if not member.is_dir()
            }
    if large := [path for path, (_, content) in files.items() if len(content) > MOST_BYTES]:
        expected = f"expected files of at most {MOST_BYTES} bytes"
        raise ValueError(f"{source} is no seed of a repository: {expected}, {large[0]} has more.")
    return files


def _mode(member: zipfile.ZipInfo) -> str:
    return "EXECUTABLE" if member.external_attr >> 16 & stat.S_IXUSR else "NORMAL"


def _batches(files: _Files) -> Iterator[list[dict[str, Any]]]:
    """Yield the files in as few commits as requests may make of them."""
    batch: list[dict[str, Any]] = []
    size = 0
    for path, (mode, content) in files.items():
        if batch and (len(batch) == _MOST_FILES or size + len(content) > MOST_BYTES):
            yield batch
            batch, size = [], 0
        batch.append({"filePath": path, "fileMode": mode, "fileContent": content})
        size += len(content)
    if batch:
        yield batch


def _commit(client: Any, name: str, branch: str, files: _Files) -> None:
    parent: dict[str, str] = {}
    for batch in _batches(files):
        made = client.create_commit(
            repositoryName=name,
            branchName=branch,
            authorName=_AUTHOR,
            commitMessage=_MESSAGE,
            putFiles=batch,
            **parent,
        )
        parent = {"parentCommitId": made["commitId"]}


def _update_repository(
    account: Account, repository_id: str, properties: Properties, former: Properties
) -> None:
    client, name = account.client("codecommit"), properties["RepositoryName"]
    had = _name_of(client, repository_id)
    if name != had:
        client.update_repository_name(oldName=had, newName=name)
    description = properties.get("RepositoryDescription", "")
    if description != former.get("RepositoryDescription", ""):
        client.update_repository_description(repositoryName=name, repositoryDescription=description)
    key = properties.get("KmsKeyId")
    if key and key != former.get("KmsKeyId"):
        client.update_repository_encryption_key(repositoryName=name, kmsKeyId=key)
    retag(client, properties, former, resourceArn=account.arn("codecommit", name))


def _delete_repository(account: Account, repository_id: str, _: Properties) -> None:
    client = account.client("codecommit")
    if name := _name_of(client, repository_id):
        client.delete_repository(repositoryName=name)


def _name_of(client: Any, repository_id: str) -> str:
    """Return the name that a repository has now, or nothing."""
    pages = client.get_paginator("list_repositories").paginate()
    found = (each for page in pages for each in page["repositories"])
    names = (each["repositoryName"] for each in found if each["repositoryId"] == repository_id)
    return next(names, "")


def _connections(service: str) -> ResourceType:
    """Return the type of connections, which a service has under two names."""

    def create(account: Account, name: str, properties: Properties) -> Created:
        sources = ("ProviderType", "HostArn")
        given: Properties = {key: properties[key] for key in sources if key in properties}
        tags = [{"Key": key, "Value": value} for key, value in tags_of(properties).items()]
        if tags:
            given["Tags"] = tags
        client = account.client(service)
        arn = client.create_connection(ConnectionName=name, **given)["ConnectionArn"]
        told = client.get_connection(ConnectionArn=arn)["Connection"]
        attributes = {key: told[key] for key in ("ConnectionStatus", "OwnerAccountId")}
        return Created(arn, {"ConnectionArn": arn, **attributes})

    def tag(account: Account, arn: str, properties: Properties, former: Properties) -> None:
        retag(account.client(service), properties, former, ResourceArn=arn)

    return ResourceType(
        create,
        deletes(service, "delete_connection", "ConnectionArn"),
        tag,
        name_property="ConnectionName",
        attributes=frozenset({"ConnectionArn", "ConnectionStatus", "OwnerAccountId"}),
        replaced_by=frozenset({"ConnectionName", "HostArn", "ProviderType"}),
    )


RESOURCE_TYPES = {
    "AWS::CodeCommit::Repository": ResourceType(
        _create_repository,
        _delete_repository,
        _update_repository,
        attributes=frozenset({"Arn", "CloneUrlHttp", "CloneUrlSsh", "Name"}),
    ),
    "AWS::CodeConnections::Connection": _connections("codeconnections"),
    "AWS::CodeStarConnections::Connection": _connections("codestar-connections"),
}
