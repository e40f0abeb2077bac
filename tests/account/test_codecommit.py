"""CodeCommit and connections, as clients and templates of a running account find them."""

import io
import json
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.account.event_shapes import differences, shapes
from tests.account.git_client import GitClient
from tests.account.roles import ANYTHING, create_role
from tests.account.sagemaker_fixture import until
from tests.account.stacks import change, events, outputs, resource
from tests.account.workloads import queue
from tests.conftest import RunningAccount

CHANGE = "CodeCommit Repository State Change"
BUCKET = "codecommit-seeds"
SEED = {"app.py": "one", "pipeline/run.sh": "two"}


class Listener:
    """A queue that receives the events of CodeCommit."""

    def __init__(self, account: RunningAccount) -> None:
        self._sqs = account.client("sqs")
        self._url, arn = queue(account, "codecommit-events")
        rules, pattern = account.client("events"), {"source": ["aws.codecommit"]}
        rules.put_rule(Name="codecommit-events", EventPattern=json.dumps(pattern))
        rules.put_targets(Rule="codecommit-events", Targets=[{"Id": "1", "Arn": arn}])

    def next(self) -> dict[str, Any]:
        asked = {"QueueUrl": self._url, "MaxNumberOfMessages": 1}
        (message,) = until(lambda: self._sqs.receive_message(**asked).get("Messages"))
        self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])
        event: dict[str, Any] = json.loads(message["Body"])
        assert list(differences(event, shapes()[CHANGE])) == []
        return event


def test_each_push_and_each_commit_by_the_api_is_told(
    account: RunningAccount, tmp_path: Path, record_property: Any
) -> None:
    codecommit, git, listener = (
        account.client("codecommit"),
        GitClient(account, tmp_path),
        Listener(account),
    )
    made = codecommit.create_repository(repositoryName="heard")["repositoryMetadata"]
    git.clone(made["cloneUrlHttp"])
    first = git.commit("first", app__py="one")
    git.run("push", "--quiet", "origin", "HEAD:main", at="clone")
    ended = time.monotonic()
    event = listener.next()
    record_property("measured", f"push to event: {time.monotonic() - ended:.3f} s after git ended")
    assert event["detail"] == {
        "event": "referenceCreated",
        "repositoryName": "heard",
        "repositoryId": made["repositoryId"],
        "referenceType": "branch",
        "referenceName": "main",
        "referenceFullName": "refs/heads/main",
        "commitId": first,
        "callerUserArn": "arn:aws:iam::123456789012:root",
    }
    put = {"repositoryName": "heard", "branchName": "main", "parentCommitId": first}
    second = codecommit.put_file(**put, filePath="b.py", fileContent=b"two")["commitId"]
    told = listener.next()["detail"]
    assert (told["event"], told["commitId"], told["oldCommitId"]) == (
        *("referenceUpdated", second, first),
    )
    git.run("tag", "v1", at="clone")
    git.run("push", "--quiet", "origin", "v1", at="clone")
    told = listener.next()["detail"]
    assert (told["referenceType"], told["referenceName"], told["commitId"]) == ("tag", "v1", first)
    git.run("push", "--quiet", "origin", ":v1", at="clone")
    told = listener.next()["detail"]
    assert (told["event"], told["oldCommitId"]) == ("referenceDeleted", first)


def test_the_aws_cli_makes_a_repository_and_reads_a_file(account: RunningAccount) -> None:
    def aws(*words: str) -> Any:
        done = account.run("aws", "codecommit", *words, "--output", "json")
        return json.loads(done.stdout)

    made = aws("create-repository", "--repository-name", "by-cli")["repositoryMetadata"]
    assert made["cloneUrlHttp"] == f"{account.url}/v1/repos/by-cli"
    named = ("--repository-name", "by-cli")
    file = ("--branch-name", "main", "--file-path", "a.txt", "--file-content", "abc")
    commit = aws("put-file", *named, *file)["commitId"]
    read = aws("get-file", *named, "--file-path", "a.txt", "--commit-specifier", "main")
    assert (read["commitId"], read["fileContent"]) == (commit, "YWJj")


def _seeded(account: RunningAccount, key: str, files: dict[str, str], mode: int = 0o100755) -> str:
    """Put an archive into the bucket of seeds; return its key."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, text in files.items():
            member = zipfile.ZipInfo(name)
            member.external_attr = mode << 16
            archive.writestr(member, text)
    s3 = account.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    s3.put_object(Bucket=BUCKET, Key=key, Body=content.getvalue())
    return key


def _template(name: str, **properties: Any) -> dict[str, Any]:
    it = resource("AWS::CodeCommit::Repository", RepositoryName=name, **properties)
    told = ("Arn", "CloneUrlHttp", "CloneUrlSsh", "Name")
    values = {each: {"Value": {"Fn::GetAtt": ["It", each]}} for each in told}
    return {"Resources": {"It": it}, "Outputs": {**values, "Ref": {"Value": {"Ref": "It"}}}}


def _code(key: str, **more: Any) -> dict[str, Any]:
    return {"S3": {"Bucket": BUCKET, "Key": key}, **more}


def test_a_stack_makes_a_repository_with_its_first_commit(
    account: RunningAccount, tmp_path: Path
) -> None:
    codecommit = account.client("codecommit")
    code = _code(_seeded(account, "seed.zip", SEED), BranchName="trunk")
    template = _template("seeded", Code=code, Tags=[{"Key": "team", "Value": "one"}])
    told = outputs(change(account, "seeded", template, "CREATE"))
    found = codecommit.get_repository(repositoryName="seeded")["repositoryMetadata"]
    assert told == {
        "Arn": found["Arn"],
        "CloneUrlHttp": found["cloneUrlHttp"],
        "CloneUrlSsh": found["cloneUrlSsh"],
        "Name": "seeded",
        "Ref": found["repositoryId"],
    }
    assert found["defaultBranch"] == "trunk"
    clone = GitClient(account, tmp_path).clone(told["CloneUrlHttp"])
    assert {name: (clone / name).read_text() for name in SEED} == SEED
    assert (clone / "pipeline/run.sh").stat().st_mode & 0o100
    tags = codecommit.list_tags_for_resource(resourceArn=found["Arn"])["tags"]
    assert tags["team"] == "one"

    tip = codecommit.get_branch(repositoryName="seeded", branchName="trunk")["branch"]["commitId"]
    other = _code(_seeded(account, "other.zip", {"b.py": "other"}))
    changed = _template("renamed", Code=other, RepositoryDescription="why")
    change(account, "seeded", changed)
    same = codecommit.get_repository(repositoryName="renamed")["repositoryMetadata"]
    assert (same["repositoryId"], same["repositoryDescription"]) == (found["repositoryId"], "why")
    branch = codecommit.get_branch(repositoryName="renamed", branchName="trunk")["branch"]
    assert branch["commitId"] == tip
    assert codecommit.list_tags_for_resource(resourceArn=same["Arn"])["tags"] == {}

    account.client("cloudformation").delete_stack(StackName="seeded")
    listed = codecommit.list_repositories()["repositories"]
    assert found["repositoryId"] not in [each["repositoryId"] for each in listed]


@pytest.mark.parametrize(
    ("files", "mode", "why"),
    [
        ({"../out": "x"}, 0o100644, "leads out of its folder"),
        ({".git/config": "x"}, 0o100644, "The path '.git/config' is not valid"),
        ({"link": "/etc/passwd"}, 0o120777, "is neither a file nor a folder"),
    ],
)
def test_a_seed_that_is_none_fails_the_stack_and_leaves_nothing(
    account: RunningAccount, files: dict[str, str], mode: int, why: str
) -> None:
    name = f"no-seed-{len(why)}"
    code = _code(_seeded(account, f"{name}.zip", files, mode))
    stack = change(account, name, _template(name, Code=code), "CREATE")
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    assert any(why in each for _, _, each in events(account, name))
    with pytest.raises(ClientError, match="RepositoryDoesNotExistException"):
        account.client("codecommit").get_repository(repositoryName=name)


def test_a_large_seed_is_committed_in_parts(account: RunningAccount) -> None:
    """A request to CodeCommit takes at most 100 files."""
    files = {f"{number:03}.txt": str(number) for number in range(101)}
    code = _code(_seeded(account, "many.zip", files))
    change(account, "many-files", _template("many-files", Code=code), "CREATE")
    named = {"repositoryName": "many-files"}
    codecommit = account.client("codecommit")
    found = codecommit.get_folder(**named, folderPath="/")
    assert [each["absolutePath"] for each in found["files"]] == sorted(files)
    commit = codecommit.get_commit(**named, commitId=found["commitId"])["commit"]
    assert len(commit["parents"]) == 1
    account.client("cloudformation").delete_stack(StackName="many-files")


@pytest.mark.parametrize("denied", ["s3:GetObject", "codecommit:CreateCommit"])
def test_a_seed_is_committed_with_the_rights_of_the_stacks_role(
    account: RunningAccount, denied: str
) -> None:
    name = denied.replace(":", "-")
    code = _code(_seeded(account, "rights.zip", SEED))
    limit = {"Effect": "Deny", "Action": denied, "Resource": "*"}
    role = create_role(account, name, "cloudformation", allow=[ANYTHING, limit])
    stack = change(account, name, _template(name, Code=code), "CREATE", RoleARN=role)
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    reasons = [why for _, status, why in events(account, name) if "FAILED" in status]
    assert any(denied in why for why in reasons), reasons
    with pytest.raises(ClientError, match="RepositoryDoesNotExistException"):
        account.client("codecommit").get_repository(repositoryName=name)


@pytest.mark.parametrize(
    ("kind", "service"),
    [
        ("AWS::CodeConnections::Connection", "codeconnections"),
        ("AWS::CodeStarConnections::Connection", "codestar-connections"),
    ],
)
def test_a_connection_waits_to_be_finished(
    account: RunningAccount, kind: str, service: str
) -> None:
    it = resource(
        kind, ConnectionName=service, ProviderType="GitHub", Tags=[{"Key": "a", "Value": "b"}]
    )
    names = ("ConnectionArn", "ConnectionStatus", "OwnerAccountId")
    told = {each: {"Value": {"Fn::GetAtt": ["It", each]}} for each in names}
    stack = change(account, service, {"Resources": {"It": it}, "Outputs": told}, "CREATE")
    found = outputs(stack)
    arn = found["ConnectionArn"]
    assert arn.startswith(f"arn:aws:{service}:us-east-1:123456789012:connection/")
    assert (found["ConnectionStatus"], found["OwnerAccountId"]) == ("PENDING", "123456789012")
    for each in ("codeconnections", "codestar-connections"):  # two names of one service
        client = account.client(each)
        shown = client.get_connection(ConnectionArn=arn)["Connection"]
        assert (shown["ConnectionName"], shown["ProviderType"]) == (service, "GitHub")
        listed = client.list_connections(ProviderTypeFilter="GitHub")["Connections"]
        assert arn in [connection["ConnectionArn"] for connection in listed]
        assert client.list_tags_for_resource(ResourceArn=arn)["Tags"] == [
            {"Key": "a", "Value": "b"}
        ]
    account.client("cloudformation").delete_stack(StackName=service)
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        account.client(service).get_connection(ConnectionArn=arn)


def test_a_connection_is_to_a_provider_or_by_a_host(account: RunningAccount) -> None:
    client = account.client("codeconnections")
    with pytest.raises(ClientError, match="Exactly one of ProviderType and HostArn"):
        client.create_connection(ConnectionName="neither")
