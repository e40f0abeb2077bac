"""The unmodified AWS CLI and CDK CLI, as processes, on the account."""

import json
import sys
from pathlib import Path

from tests.conftest import RunningAccount
from tests.e2e.conftest import synthesizing

CDK = (sys.executable, "-m", "mlops.cdk")


def test_the_aws_cli_uploads_and_downloads_what_was_uploaded(
    account: RunningAccount, tmp_path: Path
) -> None:
    content = bytes(range(256)) * 48_000  # 12 MB: more than one part
    sent, received = tmp_path / "sent", tmp_path / "received"
    sent.write_bytes(content)
    account.run("aws", "s3", "mb", "s3://aws-cli")
    account.run("aws", "s3", "cp", "--quiet", str(sent), "s3://aws-cli/a folder/ü+1.bin")
    account.run("aws", "s3", "cp", "--quiet", "s3://aws-cli/a folder/ü+1.bin", str(received))
    assert received.read_bytes() == content


def test_the_aws_cli_shows_what_is_refused(account: RunningAccount) -> None:
    done = account.run("aws", "sagemaker", "list-apps", check=False)
    assert done.returncode != 0
    assert "does not model sagemaker:ListApps" in done.stderr


def test_the_aws_cli_tests_a_state(account: RunningAccount) -> None:
    state = {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "End": True}
    definition = json.dumps({**state, "Parameters": {"FunctionName": "absent"}})
    mock = json.dumps({"result": json.dumps({"StatusCode": 200, "Payload": {"a": 1}})})
    asked = ("--definition", definition, "--input", "{}", "--mock", mock)
    done = account.run("aws", "stepfunctions", "test-state", *asked)
    assert json.loads(done.stdout)["status"] == "SUCCEEDED"


def test_the_cdk_cli_bootstraps_and_finds_nothing_to_do_the_second_time(
    account: RunningAccount,
) -> None:
    target = f"aws://{account.contact['account_id']}/{account.contact['region']}"
    with synthesizing():
        account.run(*CDK, "bootstrap", target)
        again = account.run(*CDK, "bootstrap", target)
    assert "(no changes)" in again.stdout + again.stderr


def test_the_cdk_cli_says_which_resource_failed_and_why(
    account: RunningAccount, tmp_path: Path
) -> None:
    target = f"aws://{account.contact['account_id']}/{account.contact['region']}"
    with synthesizing():
        account.run(*CDK, "bootstrap", target)
    policy = {"Bucket": "nobody-has-this-bucket", "PolicyDocument": {"Statement": []}}
    resources = {"Policy": {"Type": "AWS::S3::BucketPolicy", "Properties": policy}}
    (tmp_path / "failing.template.json").write_text(json.dumps({"Resources": resources}))
    stack = {
        "type": "aws:cloudformation:stack",
        "environment": "aws://unknown-account/unknown-region",
        "properties": {"templateFile": "failing.template.json"},
    }
    manifest = {"version": "36.0.0", "artifacts": {"cdk-failing": stack}}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    done = account.run(
        *CDK, "deploy", "--all", "--app", str(tmp_path), "--require-approval", "never", check=False
    )
    assert done.returncode != 0
    assert "CREATE_FAILED" in done.stdout + done.stderr
    assert "bucket does not exist" in done.stdout + done.stderr
