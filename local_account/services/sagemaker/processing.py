"""Processing jobs: a container that reads inputs and leaves outputs, each a prefix in S3."""

import json
import time
from pathlib import Path, PurePosixPath

from local_account.images import ImageNotFound
from local_account.services.sagemaker import data, events
from local_account.services.sagemaker.jobs import Ended, Jobs, Outcome
from local_account.services.sagemaker.plane import Record, invalid, refuse, refuse_if
from local_account.services.sagemaker.roles import ExecutionRole

_ROOT = PurePosixPath("/opt/ml/processing")
_INPUT_DEFAULTS = {
    "S3DataDistributionType": "FullyReplicated",
    "S3InputMode": "File",
    "S3CompressionType": "None",
    "S3DownloadMode": "StartOfJob",
}
_MAX_MESSAGE_BYTES = 1024


class ProcessingJobs(Jobs):
    """CreateProcessingJob and what belongs to it."""

    prefix, kind = "ProcessingJob", "processing"
    missing = 'Could not find requested job with name: "{name}"'

    def create_processing_job(self, params: Record) -> Record:
        """Accept a job and start it; a missing image or input fails it later, as on AWS."""
        name = params["ProcessingJobName"]
        _refuse_unmodelled(params)
        for place in (*_inputs(params), *_outputs(params)):
            if ".." in place["LocalPath"] or _ROOT not in PurePosixPath(place["LocalPath"]).parents:
                raise invalid(f"LocalPath {place['LocalPath']} must be under {_ROOT}/.")
        ExecutionRole(self._plane.account, params["RoleArn"], self._jobs.arn(name)).check()
        members = {}
        if "ProcessingInputs" in params:
            members["ProcessingInputs"] = [
                {**entry, "S3Input": {**_INPUT_DEFAULTS, **entry["S3Input"]}}
                for entry in params["ProcessingInputs"]
            ]
        condition = {"MaxRuntimeInSeconds": 86400, **params.get("StoppingCondition", {})}
        return self._start(name, params, {**members, "StoppingCondition": condition})

    def describe_processing_job(self, params: Record) -> Record:
        """Return a job as it is now."""
        job = self._jobs.get(params["ProcessingJobName"])
        with self._plane.lock:
            return dict(job)

    def list_processing_jobs(self, params: Record) -> Record:
        """Return a page of jobs."""
        return self._jobs.page(params, "ProcessingJobSummaries", "Ascending")

    def stop_processing_job(self, params: Record) -> None:
        """Ask a job to stop."""
        self._stop(params["ProcessingJobName"])

    def _carry_out(self, job: Record) -> Outcome:
        base, role = self._folder(job) / "ml", self._role(job)
        role.encrypt_volume(job["ProcessingResources"]["ClusterConfig"].get("VolumeKmsKeyId"))
        s3 = role.client("s3")
        for name in ("config", "processing", "output"):
            (base / name).mkdir(parents=True, exist_ok=True)
        for source in _inputs(job):
            found = data.objects(s3, source, job["RoleArn"])
            data.download(s3, found, _real(base, source))
        for target in _outputs(job):
            _real(base, target).mkdir(parents=True, exist_ok=True)
        for name, content in _config_files(job).items():
            (base / "config" / f"{name}.json").write_text(json.dumps(content))
        job["ProcessingStartTime"] = time.time()
        specification = job["AppSpecification"]
        isolated = job.get("NetworkConfig", {}).get("EnableNetworkIsolation", False)
        try:
            ended = self._execute(job, specification["ImageUri"], specification, None, isolated)
        except ImageNotFound as error:
            missing = f"manifest for {specification['ImageUri']} not found: manifest unknown"
            raise data.DataError(f"API error (404): {missing}: {error}") from error
        outcome = _outcome(ended, job, data.produced(base, base / "output") / "message")
        if outcome.status == "Completed":
            key_id = job.get("ProcessingOutputConfig", {}).get("KmsKeyId")
            for target in _outputs(job):
                folder = data.produced(base, _real(base, target))
                data.upload_folder(s3, folder, target["S3Uri"], key_id)
        return outcome

    def _finish(self, job: Record, outcome: Outcome) -> None:
        members = {"FailureReason": outcome.reason} if outcome.reason else {}
        status = outcome.status
        self._jobs.update(job, **members, ProcessingEndTime=time.time(), ProcessingJobStatus=status)

    def _changed(self, job: Record) -> None:
        events.processing_job_changed(self._plane, job)


def _refuse_unmodelled(params: Record) -> None:
    count = params["ProcessingResources"]["ClusterConfig"]["InstanceCount"]
    refuse_if(count > 1, "InstanceCount over 1")
    for entry in params.get("ProcessingInputs", []):
        refuse(entry, "AppManaged", "DatasetDefinition")
        if "LocalPath" not in entry.get("S3Input", {}):
            raise invalid(f"The input {entry['InputName']} needs an S3Input with a LocalPath.")
        refuse_if(entry["S3Input"].get("S3InputMode") == "Pipe", "S3InputMode Pipe")
        refuse_if(entry["S3Input"].get("S3CompressionType") == "Gzip", "S3CompressionType Gzip")
    for entry in params.get("ProcessingOutputConfig", {}).get("Outputs", []):
        refuse(entry, "AppManaged", "FeatureStoreOutput")
        mode = entry["S3Output"]["S3UploadMode"]
        refuse_if(mode == "Continuous", "S3UploadMode Continuous")


def _inputs(job: Record) -> list[Record]:
    return [entry["S3Input"] for entry in job.get("ProcessingInputs", [])]


def _outputs(job: Record) -> list[Record]:
    return [entry["S3Output"] for entry in job.get("ProcessingOutputConfig", {}).get("Outputs", [])]


def _real(base: Path, place: Record) -> Path:
    return base / PurePosixPath(place["LocalPath"]).relative_to("/opt/ml")


def _config_files(job: Record) -> Record:
    """Return the content of the files in /opt/ml/config by name."""
    cluster = {"VolumeKmsKeyId": None, **job["ProcessingResources"]["ClusterConfig"]}
    outputs = {"KmsKeyId": None, **job.get("ProcessingOutputConfig", {"Outputs": []})}
    return {
        "processingjobconfig": {
            "ProcessingJobArn": job["ProcessingJobArn"],
            "ProcessingJobName": job["ProcessingJobName"],
            "AppSpecification": job["AppSpecification"],
            "Environment": job.get("Environment", {}),
            "ProcessingInputs": job.get("ProcessingInputs", []),
            "ProcessingOutputConfig": outputs,
            "ProcessingResources": {"ClusterConfig": cluster},
            "RoleArn": job["RoleArn"],
            "StoppingCondition": job["StoppingCondition"],
        },
        "resourceconfig": {"current_host": "algo-1", "hosts": ["algo-1"]},
    }


def _outcome(ended: Ended, job: Record, message: Path) -> Outcome:
    if message.is_file() and not message.is_symlink():
        try:
            with message.open("rb") as file:
                job["ExitMessage"] = file.read(_MAX_MESSAGE_BYTES).decode().strip()
        except UnicodeDecodeError:
            return Outcome("Failed", "ClientError: The exit message is not valid UTF-8")
    if ended.by != "exit":
        return Outcome("Stopped")
    if ended.status == 0:
        return Outcome("Completed")
    return Outcome("Failed", "AlgorithmError: See job logs for more information")
