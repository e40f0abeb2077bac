"""Who may fetch from CodeCommit's repositories, and push to which branches."""

import gzip
import io
import json
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_account.service import ServiceError
from local_account.services.codecommit.bodies import pushed
from tests.account.git_client import Create, GitClient, create, git, tip
from tests.account.roles import create_role, document
from tests.conftest import RunningAccount

__all__ = ["create", "git"]  # fixtures

ZEROS, ONES = "0" * 40, "1" * 40


def _user(account: RunningAccount, name: str, *statements: dict[str, Any]) -> dict[str, str]:
    """Create a user who may do this much; return the variables of its key."""
    iam = account.client("iam")
    iam.create_user(UserName=name)
    rights = json.dumps({"Version": "2012-10-17", "Statement": statements})
    iam.put_user_policy(UserName=name, PolicyName="git", PolicyDocument=rights)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return {
        "AWS_ACCESS_KEY_ID": key["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"],
    }


def _allow(action: str, name: str, effect: str = "Allow", **more: Any) -> dict[str, Any]:
    resource = f"arn:aws:codecommit:us-east-1:123456789012:{name}"
    return {"Effect": effect, "Action": f"codecommit:{action}", "Resource": resource, **more}


def test_who_may_only_pull_cannot_push(
    account: RunningAccount, git: GitClient, create: Create, tmp_path: Path
) -> None:
    url = create("read-only")
    create("not-theirs")
    git.clone(url)
    git.commit("first", app__py="one")
    git.run("push", "--quiet", "origin", "HEAD:main", at="clone")
    key = _user(account, "puller", _allow("GitPull", "read-only"))
    reader = GitClient(account, tmp_path, key)
    assert (reader.clone(url, "theirs") / "app.py").read_text() == "one"
    reader.commit("second", at="theirs", app__py="two")
    pushed = reader.run("push", "origin", "HEAD:main", at="theirs", check=False)
    assert "403" in pushed.stderr
    other = reader.run("clone", f"{account.url}/v1/repos/not-theirs", check=False)
    assert "403" in other.stderr


def test_a_branch_can_be_kept_from_those_who_may_push(
    account: RunningAccount, create: Create, tmp_path: Path
) -> None:
    condition = {
        "StringEqualsIfExists": {"codecommit:References": ["refs/heads/main"]},
        "Null": {"codecommit:References": "false"},
    }
    allowed = _allow("*", "kept")
    denied = _allow("GitPush", "kept", "Deny", Condition=condition)
    denied["Action"] = ["codecommit:GitPush", "codecommit:PutFile"]
    key = _user(account, "contributor", allowed, denied)
    theirs = GitClient(account, tmp_path, key)
    theirs.clone(create("kept"))
    theirs.commit("first", app__py="one")
    to_main = theirs.run("push", "origin", "HEAD:main", at="clone", check=False)
    assert "403" in to_main.stderr
    theirs.run("push", "--quiet", "origin", "HEAD:topic", at="clone")
    listed = account.client("codecommit").list_branches(repositoryName="kept")
    assert listed["branches"] == ["topic"]
    client = account.client("codecommit", *key.values())
    put = {"repositoryName": "kept", "filePath": "b.py", "fileContent": b"two"}
    parent = tip(account, "kept", "topic")
    client.put_file(**put, branchName="topic", parentCommitId=parent)
    with pytest.raises(ClientError, match="AccessDeniedException"):
        client.put_file(**put, branchName="main", parentCommitId=parent)


@pytest.mark.parametrize(
    "lines",
    [
        ["push-cert\0report-status\n", f"{ZEROS} {ONES} refs/heads/main\n", "push-cert-end\n"],
        ["shallow " + ONES],
        [f"{ZEROS} {ONES} refs/heads/main more"],
        [f"{ZEROS} {ONES} refs/heads/topic", f"{ZEROS} {ONES}  refs/heads/main"],
        [],
    ],
)
def test_a_push_that_hides_its_references_is_refused(lines: list[str]) -> None:
    body = "".join(f"{len(line) + 4:04x}{line}" for line in lines)
    with pytest.raises(ServiceError, match="does not begin with the references") as error:
        pushed(io.BytesIO(f"{body}0000PACK".encode()), "")
    assert error.value.status == 400


def test_a_push_s_references_are_those_that_git_reads() -> None:
    lines = [
        f"shallow {ONES}",
        f"{ZEROS} {ONES} refs/heads/a\0report-status agent=git",
        f"{ONES} {ZEROS} refs/heads/b\n",
    ]
    body = "".join(f"{len(line) + 4:04x}{line}" for line in lines).encode() + b"0000PACK"
    expected = ["refs/heads/a", "refs/heads/b"]
    assert pushed(io.BytesIO(body), "") == expected
    assert pushed(io.BytesIO(gzip.compress(body)), "gzip") == expected
    assert pushed(io.BytesIO(b"0000"), "") == []


def test_a_session_of_a_role_signs_in_with_its_token(
    account: RunningAccount, create: Create, tmp_path: Path
) -> None:
    url = create("by-role")
    role = create_role(account, "git-role", "codebuild", allow=[_allow("Git*", "by-role")])
    trust = {"Action": "sts:AssumeRole", "Principal": {"AWS": "123456789012"}}
    policy = document(trust, "unused")
    account.client("iam").update_assume_role_policy(RoleName="git-role", PolicyDocument=policy)
    assumed = account.client("sts").assume_role(RoleArn=role, RoleSessionName="builder")
    key = assumed["Credentials"]
    names = {
        "AWS_ACCESS_KEY_ID": key["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"],
        "AWS_SESSION_TOKEN": key["SessionToken"],
    }
    theirs = GitClient(account, tmp_path, names)
    theirs.clone(url)
    commit = theirs.commit("first", app__py="one")
    theirs.run("push", "--quiet", "origin", "HEAD:main", at="clone")
    assert tip(account, "by-role") == commit
    forged = {**names, "AWS_SESSION_TOKEN": "another"}
    refused = GitClient(account, tmp_path, forged).run("ls-remote", url, check=False)
    assert "403" in refused.stderr
