"""Training jobs: a container that reads channels and leaves a model artifact."""

import json
import math
import re
import time
from pathlib import Path

from local_account.images import ImageNotFound
from local_account.services.sagemaker import data, events
from local_account.services.sagemaker.jobs import Ended, Jobs, Outcome, first_text
from local_account.services.sagemaker.plane import Record, invalid, refuse, refuse_if
from local_account.services.sagemaker.roles import ExecutionRole

_MESSAGES = {
    "Starting": "Preparing the instances for training",
    "Downloading": "Downloading input data",
    "Training": "Training image download completed. Training in progress.",
    "Stopping": "Stopping the training job",
    "Uploading": "Uploading generated training model",
    "Completed": "Training job completed",
    "Failed": "Training job failed",
    "Stopped": "Training job stopped",
    "MaxRuntimeExceeded": "Training job runtime exceeded MaxRuntimeInSeconds provided",
}
_FOLDERS = ("input/config", "input/data", "model", "output/data")
_MAX_REASON_CHARACTERS = 1024


class TrainingJobs(Jobs):
    """CreateTrainingJob and what belongs to it."""

    prefix, kind, missing = "TrainingJob", "training", "Requested resource not found."

    def create_training_job(self, params: Record) -> Record:
        """Accept a job whose image and input data exist, and start it."""
        name = params["TrainingJobName"]
        _refuse_unmodelled(params)
        self._refuse_duplicate(name)
        _check_spot(params)
        _check_metrics(params)
        role = ExecutionRole(self._plane.account, params["RoleArn"], self._jobs.arn(name))
        role.check()
        self._check_inputs(params, role)
        output = f"{params['OutputDataConfig']['S3OutputPath'].rstrip('/')}/{name}/output"
        members = {
            "InputDataConfig": [_with_defaults(c) for c in params.get("InputDataConfig", [])],
            "OutputDataConfig": {"KmsKeyId": "", **params["OutputDataConfig"]},
            "ModelArtifacts": {"S3ModelArtifacts": f"{output}/model.tar.gz"},
        }
        return self._start(name, params, members)

    def describe_training_job(self, params: Record) -> Record:
        """Return a job as it is now, with the defaults that AWS fills in."""
        job = self._jobs.get(params["TrainingJobName"])
        specification = job["AlgorithmSpecification"]
        flags = ("NetworkIsolation", "InterContainerTrafficEncryption", "ManagedSpotTraining")
        with self._plane.lock:
            return {
                **{f"Enable{flag}": False for flag in flags},
                "ProfilingStatus": "Disabled",
                **job,
                "OutputDataConfig": {"CompressionType": "GZIP", **job["OutputDataConfig"]},
                "AlgorithmSpecification": {
                    "EnableSageMakerMetricsTimeSeries": bool(
                        specification.get("MetricDefinitions")
                    ),
                    **specification,
                },
                "SecondaryStatusTransitions": [dict(t) for t in job["SecondaryStatusTransitions"]],
            }

    def list_training_jobs(self, params: Record) -> Record:
        """Return a page of jobs."""
        refuse(params, "WarmPoolStatusEquals", "TrainingPlanArnEquals")
        return self._jobs.page(params, "TrainingJobSummaries", "Ascending")

    def stop_training_job(self, params: Record) -> None:
        """Ask a job to stop; it ends as Stopped after its artifacts are uploaded."""
        self._stop(params["TrainingJobName"])

    def _check_inputs(self, params: Record, role: ExecutionRole) -> None:
        uri = params["AlgorithmSpecification"].get("TrainingImage", "")
        try:
            self._plane.images.resolve(uri)
            for channel in params.get("InputDataConfig", []):
                self._objects(channel, role)
        except ImageNotFound as error:
            raise invalid(f"Cannot find the requested image: {uri}") from error
        except data.DataError as error:
            raise invalid(str(error)) from error

    def _objects(self, channel: Record, role: ExecutionRole) -> list[data.Object]:
        return data.objects(role.client("s3"), channel["DataSource"]["S3DataSource"], role.arn)

    def _accepted(self, job: Record) -> None:
        job["SecondaryStatusTransitions"] = []
        self._enter(job, "Starting")

    def _stops(self, job: Record) -> None:
        if job["SecondaryStatus"] != "Stopping":
            self._enter(job, "Stopping")

    def _carry_out(self, job: Record) -> Outcome:
        base, role = self._folder(job) / "ml", self._role(job)
        role.encrypt_volume(job["ResourceConfig"].get("VolumeKmsKeyId"))
        self._enter(job, "Downloading")
        job["TrainingStartTime"] = time.time()
        for name in _FOLDERS:
            (base / name).mkdir(parents=True, exist_ok=True)
        for channel in job["InputDataConfig"]:
            folder = base / "input/data" / channel["ChannelName"]
            data.download(role.client("s3"), self._objects(channel, role), folder)
        for name, content in _config_files(job).items():
            (base / "input/config" / f"{name}.json").write_text(json.dumps(content))
        if not self._asked_to_stop(job):
            self._enter(job, "Training")
        specification = job["AlgorithmSpecification"]
        isolated = job.get("EnableNetworkIsolation", False)
        image = specification["TrainingImage"]
        ended = self._execute(job, image, specification, ["train"], isolated)
        self._enter(job, "Uploading")
        self._upload(job, base)
        job["FinalMetricDataList"] = _final_metrics(job, self._folder(job) / "container.log")
        return _outcome(ended, base)

    def _upload(self, job: Record, base: Path) -> None:
        uri, s3 = job["ModelArtifacts"]["S3ModelArtifacts"], self._role(job).client("s3")
        key_id = job["OutputDataConfig"]["KmsKeyId"]
        data.upload_archive(s3, data.produced(base, base / "model"), uri, key_id)
        if any(data.produced(base, base / "output/data").iterdir()):
            output = uri.replace("/model.tar.gz", "/output.tar.gz")
            data.upload_archive(s3, base / "output/data", output, key_id)

    def _finish(self, job: Record, outcome: Outcome) -> None:
        end = time.time()
        seconds = math.ceil(end - job.setdefault("TrainingStartTime", end))
        job.update(
            TrainingEndTime=end, TrainingTimeInSeconds=seconds, BillableTimeInSeconds=seconds
        )
        if outcome.reason:
            job["FailureReason"] = outcome.reason[:_MAX_REASON_CHARACTERS]
        self._enter(job, "MaxRuntimeExceeded" if outcome.timed_out else outcome.status)
        job["SecondaryStatusTransitions"][-1]["EndTime"] = job["LastModifiedTime"]
        job["TrainingJobStatus"] = outcome.status

    def _enter(self, job: Record, status: str) -> None:
        now, transitions = time.time(), job["SecondaryStatusTransitions"]
        entered = {"Status": status, "StartTime": now, "StatusMessage": _MESSAGES[status]}
        with self._plane.lock:
            if transitions:
                transitions[-1]["EndTime"] = now
            transitions.append(entered)
            self._jobs.update(job, SecondaryStatus=status)

    def _changed(self, job: Record) -> None:
        events.training_job_changed(self._plane, job)


def _check_spot(params: Record) -> None:
    """Refuse a spot job that may not wait for as long as it may run; it runs like any other."""
    condition = params.get("StoppingCondition", {})
    waits, runs = condition.get("MaxWaitTimeInSeconds", 0), condition.get("MaxRuntimeInSeconds", 0)
    if params.get("EnableManagedSpotTraining") and waits < max(runs, 1):
        raise invalid(
            "Invalid MaxWaitTimeInSeconds. It must be present and be greater than or equal to "
            "MaxRuntimeInSeconds"
        )


def _check_metrics(params: Record) -> None:
    for definition in params["AlgorithmSpecification"].get("MetricDefinitions", []):
        try:
            re.compile(definition["Regex"])
        except re.error as error:
            found = f"the regular expression of metric {definition['Name']} is invalid: {error}"
            raise invalid(f"Invalid MetricDefinitions: {found}.") from error


def _refuse_unmodelled(params: Record) -> None:
    refuse(params, "AlgorithmSpecification.AlgorithmName", "ResourceConfig.InstanceGroups")
    refuse(params, "CheckpointConfig", "RetryStrategy")
    mode = params["AlgorithmSpecification"]["TrainingInputMode"]
    channels = params.get("InputDataConfig", [])
    for used in (mode, *(channel.get("InputMode", mode) for channel in channels)):
        refuse_if(used != "File", f"the input mode {used}")
    refuse_if(params["ResourceConfig"].get("InstanceCount", 1) > 1, "InstanceCount over 1")
    for channel in channels:
        if channel["ChannelName"] in (".", ".."):  # it becomes a folder's name
            raise invalid(f"Invalid ChannelName {channel['ChannelName']!r}.")
        refuse(channel, "DataSource.FileSystemDataSource", "DataSource.DatasetSource")
        refuse(channel, "ShuffleConfig")


def _with_defaults(channel: Record) -> Record:
    source = {
        "S3DataDistributionType": "FullyReplicated",
        **channel["DataSource"]["S3DataSource"],
    }
    return {
        "CompressionType": "None",
        "RecordWrapperType": "None",
        **channel,
        "DataSource": {"S3DataSource": source},
    }


def _config_files(job: Record) -> Record:
    """Return the content of the files in /opt/ml/input/config by name."""
    instance_type = job["ResourceConfig"]["InstanceType"]
    group = {"instance_group_name": "homogeneousCluster", "instance_type": instance_type}
    return {
        "hyperparameters": job.get("HyperParameters", {}),
        "inputdataconfig": {c["ChannelName"]: _channel_config(c) for c in job["InputDataConfig"]},
        "resourceconfig": {
            "current_host": "algo-1",
            "current_instance_type": instance_type,
            "current_group_name": "homogeneousCluster",
            "hosts": ["algo-1"],
            "instance_groups": [{**group, "hosts": ["algo-1"]}],
            "network_interface_name": "eth0",
            "topology": None,
        },
    }


def _channel_config(channel: Record) -> Record:
    content_type = {"ContentType": channel["ContentType"]} if "ContentType" in channel else {}
    distribution = channel["DataSource"]["S3DataSource"]["S3DataDistributionType"]
    return {
        **content_type,
        "RecordWrapperType": channel["RecordWrapperType"],
        "S3DistributionType": distribution,
        "TrainingInputMode": "File",
    }


def _outcome(ended: Ended, base: Path) -> Outcome:
    if ended.by != "exit":
        return Outcome("Stopped", timed_out=ended.by == "timeout")
    if ended.status == 0:
        return Outcome("Completed")
    failure = data.produced(base, base / "output") / "failure"
    text = first_text(failure, _MAX_REASON_CHARACTERS)
    return Outcome("Failed", f"AlgorithmError: {text}, exit code: {ended.status}")


def _final_metrics(job: Record, log: Path) -> list[Record]:
    """Return the last value of every metric, read from the log as CloudWatch has it."""
    lines = log.read_text(errors="replace").splitlines()
    metrics = []
    for definition in job["AlgorithmSpecification"].get("MetricDefinitions", []):
        matches = (re.search(definition["Regex"], line) for line in lines)
        values = [number for match in matches if match for number in _numbers(match)]
        if values:
            metric = {"MetricName": definition["Name"], "Value": values[-1]}
            metrics.append({**metric, "Timestamp": job["LastModifiedTime"]})
    return metrics


def _numbers(match: re.Match[str]) -> list[float]:
    """Return the number that a metric's regular expression captured, if it is one."""
    try:
        return [float(match[match.re.groups and 1])]
    except (ValueError, TypeError):
        return []
