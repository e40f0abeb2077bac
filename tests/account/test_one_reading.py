"""What is judged is what is carried out: no request is read in two ways, none is forged."""

import gzip
import json
from typing import Any
from urllib.parse import urlencode

import pytest
from botocore.credentials import Credentials
from werkzeug.test import create_environ

from local_account.operations import call_of
from local_account.rewriting import rewritten
from tests.account.roles import create_role
from tests.account.signing import Asked, send, signed, signer
from tests.conftest import RunningAccount

ACCOUNT = "123456789012"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
JSON = "application/x-amz-json-1.1"
ADMIN = f"arn:aws:iam::{ACCOUNT}:role/one-admin"
ASSUME = {
    "Action": "AssumeRole",
    "RoleArn": ADMIN,
    "RoleSessionName": "got",
    "Version": "2011-06-15",
}
WHO = {"Action": "GetCallerIdentity", "Version": "2011-06-15"}
SECRET = "the secret text"  # pragma: allowlist secret


def _ssm(operation: str, query: str = "", **params: Any) -> Asked:
    headers = {"Content-Type": JSON, "X-Amz-Target": f"AmazonSSM.{operation}"}
    return Asked("ssm", "POST", f"/{query}", headers, json.dumps(params).encode())


def _target(name: str) -> dict[str, str]:
    return {"X-Amz-Target": name}


def _form(**values: str) -> bytes:
    return urlencode(values).encode()


@pytest.fixture(scope="module")
def key(account: RunningAccount) -> Credentials:
    """A session of a role that may read and write what is open, and nothing else."""
    s3, ssm, sts = (account.client(name) for name in ("s3", "ssm", "sts"))
    for bucket in ("one-open", "one-secret"):
        s3.create_bucket(Bucket=bucket)
        s3.put_object(Bucket=bucket, Key="key", Body=SECRET.encode())
    ssm.put_parameter(Name="/one/secret", Value=SECRET, Type="String")
    ssm.put_parameter(Name="/one/open", Value="open", Type="String")
    anyone = json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": {
                "Effect": "Allow",
                "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
                "Action": "sts:AssumeRole",
            },
        }
    )
    create_role(account, "one-admin")
    can = {"Effect": "Allow", "Action": ["ssm:GetParameter", "ssm:PutParameter"]}
    parameter = f"arn:aws:ssm:us-east-1:{ACCOUNT}:parameter/one/open"
    listing = {
        "Effect": "Allow",
        "Action": ["s3:ListMultipartUploadParts", "s3:ListAllMyBuckets"],
        "Resource": "*",
    }
    allowed = [{**can, "Resource": parameter}, listing]
    nobody = create_role(account, "one-nobody", allow=allowed)
    for name in ("one-admin", "one-nobody"):
        account.client("iam").update_assume_role_policy(RoleName=name, PolicyDocument=anyone)
    given = sts.assume_role(RoleArn=nobody, RoleSessionName="tested")["Credentials"]
    return Credentials(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])


OPEN = {"Name": "/one/open"}
CONFUSED = {
    "a target where the service has none": Asked(
        "sts", "POST", f"/?{urlencode(ASSUME)}", _target("x.GetCallerIdentity")
    ),
    "an action in the query besides the form": Asked(
        "sts", "POST", f"/?{urlencode(ASSUME)}", FORM, _form(**WHO)
    ),
    "two actions in the form": Asked(
        "sts", "POST", "/", FORM, _form(**ASSUME) + b"&" + _form(**WHO)
    ),
    "two roles in the form": Asked(
        "sts", "POST", "/", FORM, _form(**ASSUME) + b"&RoleArn=arn:aws:iam::1:role/x"
    ),
    "a target at S3": Asked("s3", "GET", "/one-secret/key", _target("x.ListBuckets")),
    "a form at S3": Asked("s3", "GET", "/one-secret/key", FORM, _form(**WHO)),
    "parameters of a query in a form": Asked(
        "s3", "PUT", "/one-secret/key", FORM, b"Action=ListBuckets"
    ),
    "an empty upload": Asked("s3", "GET", "/one-secret/key?uploadId="),
    "an upload twice": Asked("s3", "GET", "/one-secret/key?uploadId=&uploadId=u"),
    "a query that the operation has not": Asked("s3", "GET", "/one-secret/key?list-type=2"),
    "a slash in the bucket": Asked("s3", "GET", "/one-secret%2Fkey"),
    "no bucket before the path": Asked("s3", "GET", "//one-secret/key"),
    "another method in a header": Asked(
        "s3", "HEAD", "/one-secret", {"X-HTTP-Method-Override": "GET"}
    ),
    "an operation in the query of a JSON service": _ssm(
        "GetParameter", "?Action=DescribeParameters", **OPEN
    ),
    "a parameter in the query of a JSON service": _ssm("GetParameter", "?Name=/one/secret", **OPEN),
    "a target of another service": Asked(
        "ssm",
        "POST",
        "/",
        {"Content-Type": JSON, **_target("AmazonSSN.GetParameter")},
        json.dumps(OPEN).encode(),
    ),
    "two targets": Asked(
        "ssm",
        "POST",
        "/",
        {"Content-Type": JSON, **_target("AmazonSSM.GetParameter,AmazonSSM.DeleteParameter")},
        json.dumps(OPEN).encode(),
    ),
    "the binary protocol": Asked(
        "monitoring",
        "POST",
        "/service/GraniteServiceVersion20100801/operation/ListMetrics",
        {"Content-Type": "application/cbor", "Smithy-Protocol": "rpc-v2-cbor"},
        b"\xa0",
    ),
    "what is not gzip": Asked(
        "ssm",
        "POST",
        "/",
        {"Content-Type": JSON, "Content-Encoding": "gzip", **_target("AmazonSSM.GetParameter")},
        b"{}",
    ),
    "the metadata of a machine": Asked("s3", "GET", "/latest/meta-data/iam/"),
    "the control of S3": Asked("s3", "GET", "/v20180820/accesspoint"),
}


@pytest.mark.parametrize("how", CONFUSED)
def test_a_request_that_could_be_read_in_two_ways_is_refused(
    account: RunningAccount, key: Credentials, how: str
) -> None:
    asked = CONFUSED[how]
    headers = signed(account, key, asked)
    status, text = send(account, asked.method, asked.uri, headers, asked.body)
    assert 400 <= status < 500 or status == 501, text
    assert "NotImplementedError" not in text
    assert SECRET not in text


HIDDEN: dict[str, dict[str, Any]] = {
    "in a value": {**OPEN, "Type": "String", "Overwrite": True, "Value": "&Name=/one/secret&x="},
    "an operation in a value": {
        **OPEN,
        "Type": "String",
        "Overwrite": True,
        "Value": "&Action=DeleteParameter&Name=/one/secret&x=",
    },
}


@pytest.mark.parametrize("how", HIDDEN)
def test_a_value_is_no_parameter(account: RunningAccount, key: Credentials, how: str) -> None:
    asked = _ssm("PutParameter", **HIDDEN[how])
    status, text = send(account, "POST", "/", signed(account, key, asked), asked.body)
    assert status == 200, text
    found = account.client("ssm").get_parameters(Names=["/one/open", "/one/secret"])["Parameters"]
    values = {each["Name"]: each["Value"] for each in found}
    assert values == {"/one/open": HIDDEN[how]["Value"], "/one/secret": SECRET}


@pytest.mark.parametrize(
    "body",
    [b'{"Name": "/one/secret", "Name": "/one/open"}', b'{"Name": "/one/open"}'],
    ids=["the last of two names", "gzip"],
)
def test_what_has_one_reading_is_answered(
    account: RunningAccount, key: Credentials, body: bytes
) -> None:
    headers = _target("AmazonSSM.GetParameter") | {"Content-Type": JSON, "Name": "/one/secret"}
    asked = Asked("ssm", "POST", "/", headers, body)
    if b"secret" not in body:
        asked = Asked(
            "ssm", "POST", "/", {**headers, "Content-Encoding": "gzip"}, gzip.compress(body)
        )
    status, text = send(account, "POST", "/", signed(account, key, asked), asked.body)
    assert (status, SECRET in text) == (200, False)


@pytest.mark.parametrize(
    ("path", "written"),
    [
        ("/2015-03-31/functions/f/policy/", "/2015-03-31/functions/f/policy"),
        (
            "/2015-03-31/functions/f/policy?Name=g&Qualifier=1",
            "/2015-03-31/functions/f/policy?Qualifier=1",
        ),
        ("/2015-03-31/functions/%66/policy", "/2015-03-31/functions/f/policy"),
        ("/2015-03-31/functions/a%2Fb/policy", "/2015-03-31/functions/a%2Fb/policy"),
        ("/2015-03-31/functions//f/policy", None),
    ],
)
def test_a_path_is_written_anew_of_what_was_judged(path: str, written: str | None) -> None:
    """moto takes a function's name from the last part but one, whatever is behind it."""
    scope = "Credential=AKIA/20260101/us-east-1/lambda/aws4_request"  # pragma: allowlist secret
    header = f"AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=0"
    environ = create_environ(path, headers={"Authorization": header, "Qualifier": "2"})
    call = call_of(environ)
    if written is None:
        assert call.operation == ""
        return
    found = rewritten(environ, call)
    assert (found["RAW_URI"], found.get("HTTP_QUALIFIER")) == (written, None)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda header: header.replace("Credential=", "SignedHeaders=host, Credential="),
        lambda header: header.replace("AWS4-HMAC-SHA256 ", "AWS4-HMAC-SHA256 Credential=a/b, "),
        lambda header: header + ", Credential=" + header.partition("Credential=")[2],
    ],
)
def test_an_authorization_in_another_order_is_none(
    account: RunningAccount, key: Credentials, spoil: Any
) -> None:
    asked = Asked("sts", "GET", "/one-secret/key", FORM, _form(**WHO))
    headers = signed(account, key, asked)
    headers["Authorization"] = spoil(headers["Authorization"])
    status, text = send(account, "GET", asked.uri, headers, asked.body)
    assert (status, SECRET in text) == (403, False)


def test_a_presigned_url_is_for_s3_alone(account: RunningAccount, key: Credentials) -> None:
    from botocore.auth import SigV4QueryAuth
    from botocore.awsrequest import AWSRequest

    request: Any = AWSRequest("GET", f"{account.url}/one-secret/key")
    SigV4QueryAuth(key, "sts", "us-east-1", 60).add_auth(request)
    headers = {"Host": account.url.removeprefix("http://"), **FORM}
    uri = request.url.removeprefix(account.url)
    status, text = send(account, "GET", uri, headers, _form(**WHO))
    assert (status, SECRET in text) == (403, False)


def _parameter(name: str) -> bytes:
    return json.dumps({"Name": name, "Value": "new", "Type": "String", "Overwrite": True}).encode()


def test_a_body_in_chunks_is_judged_and_signed(account: RunningAccount, key: Credentials) -> None:
    for name, expected in (("/one/secret", "AccessDeniedException"), ("/one/open", "Version")):
        asked = _ssm("PutParameter", **json.loads(_parameter(name)))
        headers = signed(account, key, asked)
        assert expected in send(account, "POST", "/", headers, [asked.body])[1]
        other = [_parameter("/one/other")]
        assert "SignatureDoesNotMatch" in send(account, "POST", "/", headers, other)[1]


def test_the_content_is_the_signed_one(account: RunningAccount, key: Credentials) -> None:
    own = Credentials(account.contact["access_key_id"], account.contact["secret_access_key"])
    asked = Asked("s3", "PUT", "/one-open/content", {}, b"what was signed")
    headers = signed(account, own, asked)
    status, text = send(account, "PUT", asked.uri, headers, b"something else!")
    assert (status, "XAmzContentSHA256Mismatch" in text) == (400, True)
    assert send(account, "PUT", asked.uri, headers, asked.body)[0] == 200


@pytest.mark.parametrize(
    ("service", "code"), [("s3", "RequestTimeTooSkewed"), ("sts", "SignatureDoesNotMatch")]
)
def test_a_request_of_another_day_is_refused(
    account: RunningAccount,
    key: Credentials,
    service: str,
    code: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import datetime

    import botocore.auth

    then = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    name = next(n for n in ("get_current_datetime", "datetime") if hasattr(botocore.auth, n))
    assert name == "get_current_datetime"
    monkeypatch.setattr(botocore.auth, name, lambda *_, **__: then)
    asked = Asked(service, "POST" if service == "sts" else "GET", "/", FORM, _form(**WHO))
    if service == "s3":
        asked = Asked("s3", "GET", "/")
    status, text = send(account, asked.method, "/", signed(account, key, asked), asked.body)
    assert (status, code in text) == (403, True)


def test_what_is_not_signed_is_not_believed(account: RunningAccount) -> None:
    own = Credentials(account.contact["access_key_id"], account.contact["secret_access_key"])
    asked = Asked("s3", "PUT", "/one-open/copied")
    headers = {**signed(account, own, asked), "x-amz-copy-source": "/one-secret/key"}
    assert "SignatureDoesNotMatch" in send(account, "PUT", asked.uri, headers)[1]
    assert signer("s3", own).credentials is own
