"""What a job, an endpoint and a function can see of this machine, tried from inside them."""

import io
import json
import os
import secrets
import signal
import socket
import subprocess
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local_account.sandbox import bubblewrap_works
from tests.account.roles import create_role
from tests.account.sagemaker_fixture import Lab, lab, layer, push_image, until
from tests.account.workloads import create_function, invoke
from tests.conftest import ROOT, RunningAccount, start_account

__all__ = ["lab"]
pytestmark = pytest.mark.skipif(not bubblewrap_works(), reason="bubblewrap does not work here")

PROBE = Path(__file__).with_name("probe_program.py").read_bytes()
SECRET = f"secret-{secrets.token_hex(8)}"
INSIDE = ("/opt/ml/model", "/tmp", "/dev/shm")
OUTSIDE = ("/", "/opt", "/usr", "/etc", "/var/tmp", "/dev")
KERNEL = ("/proc/sys/kernel/core_pattern", "/proc/self/oom_score_adj")


@pytest.fixture(scope="module")
def probed(lab: Lab) -> Iterator[dict[str, str]]:
    """What a container is told to try, with something there to be found each time."""
    state = lab.account.log.parent / "state"
    sibling = state / "jobs/training/sibling/ml"
    sibling.mkdir(parents=True)
    (sibling / "secret.txt").write_text(SECRET)
    abstract = f"probe-{secrets.token_hex(4)}"
    host, _, port = lab.account.url.removeprefix("http://").partition(":")
    asked = {
        "account": [host, int(port)],
        "home": str(Path.home()),
        "state": str(state),
        "project": str(ROOT),
        "abstract": abstract,
        "write": [*INSIDE, *OUTSIDE, str(state), str(Path.home())],
        "kernel": KERNEL,
    }
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(f"\0{abstract}")
        listening.listen()
        yield {"PROBE": json.dumps(asked)}


@pytest.fixture(scope="module")
def image(lab: Lab) -> str:
    return push_image(
        lab.client("ecr"), "test-isolation", "probe", layer({"opt/program/main.py": PROBE})
    )


def _request(lab: Lab, image: str, name: str, isolated: bool, **more: Any) -> dict[str, Any]:
    request = {**lab.training_request(name), "EnableNetworkIsolation": isolated, **more}
    request["AlgorithmSpecification"] = {"TrainingImage": image, "TrainingInputMode": "File"}
    if "arguments" in request:
        request["AlgorithmSpecification"]["ContainerArguments"] = request.pop("arguments")
    return request


def _job(lab: Lab, image: str, name: str, isolated: bool, **more: Any) -> dict[str, Any]:
    lab.client("sagemaker").create_training_job(**_request(lab, image, name, isolated, **more))
    return lab.ended_training(name)


def _found(lab: Lab, image: str, name: str, isolated: bool, probed: Any) -> dict[str, Any]:
    job = _job(lab, image, name, isolated, Environment=probed)
    log = lab.log("/aws/sagemaker/TrainingJobs", name)
    assert job["TrainingJobStatus"] == "Completed", log
    (line,) = (line for line in log if line.startswith("FOUND "))
    found: dict[str, Any] = json.loads(line.removeprefix("FOUND "))
    return found


def _sees_no_files(found: dict[str, Any], account: RunningAccount) -> None:
    assert (found["home"], found["state"], found["project"]) == ([], [], [])
    assert found["users"] == "FileNotFoundError"
    assert found["kernel"] == []
    assert SECRET not in json.dumps(found)
    assert account.contact["secret_access_key"] not in found["environments"]
    assert "PYTEST_CURRENT_TEST" not in found["environments"]
    assert found["processes"] <= 4  # its own, what hands out its port, and two of bubblewrap


def test_a_job_without_a_network_sees_itself_alone(
    lab: Lab, image: str, probed: dict[str, str]
) -> None:
    found = _found(lab, image, "alone", True, probed)
    _sees_no_files(found, lab.account)
    assert found["written"] == list(INSIDE)
    refused = ("account", "outside", "abstract", "names")
    assert not [what for what in refused if "connected" in found[what]]
    assert (found["account"], found["abstract"]) == ("ConnectionRefusedError",) * 2
    assert found["interfaces"] == ["lo"]


def test_a_job_with_a_network_sees_that_and_no_files(
    lab: Lab, image: str, probed: dict[str, str]
) -> None:
    found = _found(lab, image, "networked", False, probed)
    _sees_no_files(found, lab.account)
    assert found["written"] == list(INSIDE)
    assert found["account"] == "connected"


def test_an_endpoint_without_a_network_is_reached_all_the_same(
    lab: Lab, image: str, probed: dict[str, str]
) -> None:
    found = _served(lab, image, "alone", True, probed)
    _sees_no_files(found, lab.account)
    assert found["written"] == list(INSIDE[1:])  # the model is read-only
    assert (found["account"], found["abstract"]) == ("ConnectionRefusedError",) * 2
    assert found["interfaces"] == ["lo"]


def test_an_endpoint_with_a_network(lab: Lab, image: str, probed: dict[str, str]) -> None:
    found = _served(lab, image, "networked", False, probed)
    _sees_no_files(found, lab.account)
    assert found["account"] == "connected"


def _served(lab: Lab, image: str, name: str, isolated: bool, probed: Any) -> dict[str, Any]:
    sagemaker = lab.client("sagemaker")
    lab.config(name, "1", isolated=isolated, Image=image, Environment=probed)
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    assert lab.endpoint(name, "InService", "Failed")["EndpointStatus"] == "InService"
    found: dict[str, Any] = json.loads(lab.invoke(name, "probe")["Body"].read())
    sagemaker.delete_endpoint(EndpointName=name)
    return found


FUNCTION = """
    import os, pathlib

    def handler(event, context):
        seen = {}
        for name, path in event["paths"].items():
            try:
                seen[name] = os.listdir(path)
            except OSError as error:
                seen[name] = type(error).__name__
        try:
            pathlib.Path(os.environ["LAMBDA_TASK_ROOT"], "made").write_text("x")
            seen["code"] = "written"
        except OSError as error:
            seen["code"] = type(error).__name__
        seen["root"], seen["home"] = os.environ["LAMBDA_TASK_ROOT"], os.getcwd()
        return seen
"""


def test_a_function_sees_its_code_and_no_files_of_this_machine(account: RunningAccount) -> None:
    create_function(account, "confined", FUNCTION)
    paths = {"state": str(account.log.parent / "state"), "ssh": str(Path.home() / ".ssh")}
    error, seen = invoke(account, "confined", paths={**paths, "project": str(ROOT / "mlops")})
    assert error is None
    assert [seen[name] for name in ("state", "ssh", "project")] == ["FileNotFoundError"] * 3
    assert (seen["root"], seen["home"], seen["code"]) == ("/var/task", "/var/task", "OSError")


ESCAPING = """
    import ctypes, os, time

    def handler(event, context):
        if os.fork() == 0:
            os.setsid()
            if os.fork():
                os._exit(0)
            ctypes.CDLL(None).prctl(1, 0)
            os.execvp("sleep", ["sleep", event["seconds"]])
        time.sleep(0.3)
        return os.getpid()
"""


def test_nothing_outlives_an_account_that_is_killed(tmp_path: Path) -> None:
    marks = ("lambda", "job", "endpoint")
    seconds = {mark: str(10**6 + secrets.randbelow(10**9)) for mark in marks}
    program = f"""
import http.server, os, sys
if os.fork() == 0:
    os.setsid()
    if os.fork():
        os._exit(0)
    os.execvp("sleep", ["sleep", sys.argv[1] == "serve" and "{seconds["endpoint"]}"
                        or "{seconds["job"]}"])
http.server.HTTPServer(("0.0.0.0", 8080), http.server.SimpleHTTPRequestHandler).serve_forever()
"""
    with start_account(tmp_path) as running:
        create_role(running, "jobs", "sagemaker")
        create_function(running, "escaping", ESCAPING)
        assert invoke(running, "escaping", seconds=seconds["lambda"])[0] is None
        ecr, s3 = running.client("ecr"), running.client("s3")
        ecr.create_repository(repositoryName="escaping")
        files = {"opt/program/main.py": program.encode(), "opt/program/ping": b""}
        image = push_image(ecr, "escaping", "v1", layer(files))
        s3.create_bucket(Bucket="escaping")
        s3.put_object(Bucket="escaping", Key="v1.0/train/train.csv", Body=b"1")
        own = Lab(account=running, image=image, bucket="escaping")
        sagemaker = own.client("sagemaker")
        sagemaker.create_training_job(**_request(own, image, "escaping", True))
        sagemaker.create_endpoint(
            EndpointName="escaping", EndpointConfigName=own.config("escaping", "1")
        )
        assert own.endpoint("escaping", "InService", "Failed")["EndpointStatus"] == "InService"
        for each in seconds.values():
            _until(each, runs=True)
        assert _processes(str(tmp_path))
        os.kill(running.process.pid, signal.SIGKILL)
        running.process.wait()
        port = int(running.url.rpartition(":")[2])
    for mark in (*seconds.values(), str(tmp_path)):
        _until(mark, runs=False)
    with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
        pass


def _until(mark: str, *, runs: bool) -> None:
    until(lambda: True if bool(_processes(mark)) == runs else None)


def _processes(mark: str) -> list[str]:
    command = ["ps", "-wweo", "pid=,args="]
    listing = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return [line for line in listing.splitlines() if mark in line]


def test_a_job_that_prints_without_end_fails_and_says_why(lab: Lab, image: str) -> None:
    job = _job(lab, image, "flood", True, arguments=["flood"])
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("ClientError: The container was killed: it had ")
    assert "bytes of log, at most 67108864 allowed" in job["FailureReason"]


def test_a_link_in_place_of_the_model_s_folder_is_not_followed(lab: Lab, image: str) -> None:
    target = lab.account.log.parent / "state"
    environment = {"TARGET": str(target)}
    job = _job(lab, image, "linked", True, arguments=["link"], Environment=environment)
    assert job["TrainingJobStatus"] == "Failed"
    assert "/opt/ml/model is, or is below, a link" in job["FailureReason"]
    listed = lab.client("s3").list_objects_v2(Bucket=lab.bucket, Prefix="out/linked/")
    assert listed["KeyCount"] == 0


def test_pipes_and_links_are_left_out_of_an_artifact(lab: Lab, image: str) -> None:
    job = _job(lab, image, "special", True, arguments=["special"])
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    key = job["ModelArtifacts"]["S3ModelArtifacts"].partition(f"{lab.bucket}/")[2]
    body = lab.client("s3").get_object(Bucket=lab.bucket, Key=key)["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(body)) as tar:
        assert tar.getnames() == ["model.txt"]


@pytest.mark.parametrize("name", ["../up", "a/b", "..", ".", "/etc/passwd", "a\0b", "ä", "-a"])
def test_a_name_that_would_lead_elsewhere_is_refused(lab: Lab, image: str, name: str) -> None:
    sagemaker = lab.client("sagemaker")
    processing = {**lab.processing_request("job"), "ProcessingJobName": name}
    for create, params in (
        (sagemaker.create_training_job, _request(lab, image, name, True)),
        (sagemaker.create_processing_job, processing),
        (
            sagemaker.create_endpoint,
            {"EndpointName": name, "EndpointConfigName": "any"},
        ),
    ):
        with pytest.raises(sagemaker.exceptions.ClientError) as refused:
            create(**params)
        assert refused.value.response["Error"]["Code"] == "ValidationException"


@pytest.mark.parametrize("channel", ["..", ".", "a/b"])
def test_a_channel_that_would_lead_elsewhere_is_refused(lab: Lab, image: str, channel: str) -> None:
    request = _request(lab, image, "channel", True)
    request["InputDataConfig"][0]["ChannelName"] = channel
    sagemaker = lab.client("sagemaker")
    with pytest.raises(sagemaker.exceptions.ClientError) as refused:
        sagemaker.create_training_job(**request)
    assert refused.value.response["Error"]["Code"] == "ValidationException"


@pytest.mark.parametrize("key", ["../up", "a/../../../up", "..", "/absolute"])
def test_a_key_that_would_lead_elsewhere_stays_in_its_folder(
    lab: Lab, image: str, probed: dict[str, str], key: str
) -> None:
    """A file for such a key is refused, or lies below the channel's folder."""
    name = f"key-{secrets.token_hex(3)}"
    lab.client("s3").put_object(Bucket=lab.bucket, Key=f"{name}/{key}", Body=b"x")
    request = _request(lab, image, name, True, Environment=probed)
    source = request["InputDataConfig"][0]["DataSource"]["S3DataSource"]
    source["S3Uri"] = f"s3://{lab.bucket}/{name}/"
    lab.client("sagemaker").create_training_job(**request)
    job = lab.ended_training(name)
    state = lab.account.log.parent / "state"
    assert not [path for path in state.rglob("up") if "channel" not in path.parts]
    if job["TrainingJobStatus"] == "Failed":
        assert "leads out of its folder" in job["FailureReason"]
    else:
        assert (state / "jobs/training" / name / "ml/input/data/train/absolute").exists()


def test_a_function_whose_code_leads_out_of_its_folder_is_not_started(
    account: RunningAccount,
) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr("main.py", "def handler(event, context): return 1")
        opened.writestr("../../../up.py", "x")
    account.client("lambda").create_function(
        FunctionName="leading-out",
        Runtime="python3.13",
        Role=create_role(account, "function", "lambda"),
        Handler="main.handler",
        Code={"ZipFile": archive.getvalue()},
    )
    client = account.client("lambda")
    with pytest.raises(client.exceptions.ClientError):
        client.invoke(FunctionName="leading-out")
    assert not list(account.log.parent.rglob("up.py"))
