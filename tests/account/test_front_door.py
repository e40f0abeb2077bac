"""Only clients of this machine that hold the account's credentials come in."""

import http.client
import json
import urllib.error
import urllib.request
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.conftest import RunningAccount

SIGNED = (
    "AWS4-HMAC-SHA256 Credential={}/20260101/us-east-1/sts/aws4_request, "
    "SignedHeaders=host;x-amz-date, Signature=0"
)


def _request(account: RunningAccount, path: str = "/", **headers: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection(account.url.removeprefix("http://"))
    signed = SIGNED.format(account.contact["access_key_id"])
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request("GET", path, headers={"Authorization": signed, **given})
    response = connection.getresponse()
    return response.status, response.read().decode()


@pytest.mark.parametrize(
    ("path", "headers", "why"),
    [
        ("/", {"Host": "evil.example"}, "Host"),
        ("/", {"Origin": "http://127.0.0.1"}, "Web pages"),
        ("/moto-api/data.json", {}, "Web pages"),
        ("/", {"Authorization": ""}, "not signed"),
        ("/", {"Authorization": SIGNED.format("AKIANOBODYKNOWSTHIS0")}, "invalid"),
    ],
)
def test_a_request_that_may_not_come_in_is_refused(
    account: RunningAccount, path: str, headers: dict[str, str], why: str
) -> None:
    status, body = _request(account, path, **headers)
    assert status == 403
    assert why in json.loads(body)["message"]


def test_a_request_with_the_accounts_key_comes_in(account: RunningAccount) -> None:
    assert account.client("sts").get_caller_identity()["Account"] == account.contact["account_id"]


@pytest.mark.parametrize(
    ("service", "call", "named"),
    [
        ("sagemaker", lambda client: client.list_apps(), "sagemaker:ListApps"),
        ("cloudtrail", lambda client: client.lookup_events(), "cloudtrail"),
        ("qbusiness", lambda client: client.list_applications(), "qbusiness"),
        (
            "sagemaker-runtime",
            lambda client: client.invoke_endpoint_async(
                EndpointName="any", InputLocation="s3://a/b"
            ),
            "sagemaker:InvokeEndpointAsync",
        ),
    ],
)
def test_an_api_that_is_not_modelled_is_refused_by_name(
    account: RunningAccount, service: str, call: Any, named: str
) -> None:
    with pytest.raises(ClientError) as refused:
        call(account.client(service))
    assert refused.value.response["Error"]["Code"] == "UnsupportedOperation"
    assert named in refused.value.response["Error"]["Message"]


def test_a_body_that_is_not_json_is_refused(account: RunningAccount) -> None:
    sagemaker = account.client("sagemaker")

    def spoil(request: Any, **_: Any) -> None:
        request.data = b"{spoilt"

    sagemaker.meta.events.register("before-sign.sagemaker.ListModels", spoil)
    with pytest.raises(ClientError) as refused:
        sagemaker.list_models()
    assert refused.value.response["Error"]["Code"] == "SerializationException"


@pytest.mark.parametrize("version", ["s3", "s3v4"])
def test_a_presigned_url_comes_in(account: RunningAccount, version: str) -> None:
    s3, signer = account.client("s3"), account.client("s3", signature_version=version)
    where = {"Bucket": f"presigned-{version}", "Key": "a"}
    s3.create_bucket(Bucket=where["Bucket"])
    s3.put_object(**where, Body=b"content")
    url = signer.generate_presigned_url("get_object", Params=where)
    with urllib.request.urlopen(url) as answer:  # noqa: S310 - the account's own
        assert answer.read() == b"content"


@pytest.mark.parametrize("version", ["s3", "s3v4"])
@pytest.mark.parametrize("spoil", ["Signature=", "Expires="])
def test_a_presigned_url_that_was_changed_does_not_come_in(
    account: RunningAccount, version: str, spoil: str
) -> None:
    signer = account.client("s3", signature_version=version)
    url = signer.generate_presigned_url("get_object", {"Bucket": "changed", "Key": "a"})
    before, _, after = url.partition(spoil)
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{before}{spoil}9{after}")  # noqa: S310 - the account's own
    assert refused.value.code == 403
    assert b"SignatureDoesNotMatch" in refused.value.read()


def test_a_presigned_url_expires(account: RunningAccount) -> None:
    signer = account.client("s3", signature_version="s3v4")
    where = {"Bucket": "expired", "Key": "a"}
    url = signer.generate_presigned_url("get_object", where, ExpiresIn=-1)
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(url)  # noqa: S310 - the account's own
    assert refused.value.code == 403
    refused.value.close()


@pytest.mark.parametrize("service", ["sts", "s3", "dynamodb", "lambda"])
def test_a_wrong_secret_is_refused(account: RunningAccount, service: str) -> None:
    calls = {
        "sts": "get_caller_identity",
        "s3": "list_buckets",
        "dynamodb": "list_tables",
        "lambda": "list_functions",
    }
    forger = account.client(service, account.contact["access_key_id"], "a guess")
    with pytest.raises(ClientError) as refused:
        getattr(forger, calls[service])()
    assert refused.value.response["Error"]["Code"] == "SignatureDoesNotMatch"


@pytest.mark.parametrize("service", ["sts", "s3", "stepfunctions", "lambda", "sqs"])
def test_a_refusal_is_worded_in_the_protocol_of_the_service(
    account: RunningAccount, service: str
) -> None:
    calls = {
        "sts": "get_caller_identity",
        "s3": "list_buckets",
        "stepfunctions": "list_state_machines",
        "lambda": "list_functions",
        "sqs": "list_queues",
    }
    stranger = account.client(service, "AKIANOBODYKNOWSTHIS0", "secret")
    with pytest.raises(ClientError) as refused:
        getattr(stranger, calls[service])()
    assert refused.value.response["Error"]["Code"] == "InvalidClientTokenId"
    assert "mlops account env" in refused.value.response["Error"]["Message"]


def test_a_user_can_do_only_what_its_policies_allow(account: RunningAccount) -> None:
    s3, iam = account.client("s3"), account.client("iam")
    s3.create_bucket(Bucket="front-door")
    iam.create_user(UserName="uploader")
    allowed = {"Effect": "Allow", "Action": "s3:PutObject", "Resource": "arn:aws:s3:::front-door/*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    iam.put_user_policy(UserName="uploader", PolicyName="put", PolicyDocument=document)
    key = iam.create_access_key(UserName="uploader")["AccessKey"]
    credentials = (key["AccessKeyId"], key["SecretAccessKey"])

    account.client("s3", *credentials).put_object(Bucket="front-door", Key="a", Body=b"x")
    for service, operation, parameters in (
        ("s3", "get_object", {"Bucket": "front-door", "Key": "a"}),
        ("stepfunctions", "list_state_machines", {}),
        ("sagemaker", "list_models", {}),
    ):
        with pytest.raises(ClientError) as error:
            getattr(account.client(service, *credentials), operation)(**parameters)
        assert error.value.response["Error"]["Code"] in {"AccessDenied", "AccessDeniedException"}
