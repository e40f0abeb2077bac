"""A run's training done again on this machine: its data, its code, its settings, its model?"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mlops.errors import RequestError, ToolError
from mlops.locks import differences
from mlops.project import command
from mlops.run_code import PACKAGE, write_code
from mlops.run_inputs import download_channels, manifest_files
from mlops.run_model import expected_sha256, model_sha256
from mlops.runs import execution_history

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from mlops.history import History
    from mlops.runs import Run
    from mlops.target import Deployment

VENV = ".venv-container"
LOCK = f"{PACKAGE}/requirements.lock"
MARKER = ".mlops-reproduce"
"""Lies in a folder that reproduce has made, and may use again."""


@dataclass(frozen=True)
class Reproduction:
    """What came of it."""

    execution_arn: str
    training_job: str
    image: str
    model_sha256: str
    expected_sha256: str
    expected_from: str
    folder: str
    metrics: dict[str, float]
    expected_metrics: dict[str, float] = field(default_factory=dict)

    @property
    def equal(self) -> bool:
        """Whether the same model came out, byte for byte."""
        return self.model_sha256 == self.expected_sha256

    def lines(self) -> list[str]:
        """Say it to people."""
        metrics = [
            f"{name} {value:.6g} (the run: {self.expected_metrics.get(name, float('nan')):.6g})"
            for name, value in self.metrics.items()
        ]
        verdict = "equal" if self.equal else "DIFFERENT"
        return [
            f"metrics: {', '.join(metrics) or 'none printed'}",
            f"model sha256 {self.model_sha256}",
            f"expected     {self.expected_sha256} ({self.expected_from})",
            f"{verdict}: inputs, code, model and log lie in {self.folder}",
        ]


def reproduce(
    deployment: Deployment, run: Run, folder: Path, note: Callable[[str], None]
) -> Reproduction:
    """Train as a run did, with what the run used, and compare the models.

    Raises
    ------
    RequestError
        If the run did not train.
    MismatchError
        If its data or code cannot be had any more.
    ToolError
        If the environment is not the image's, or the training fails.
    """
    history = execution_history(deployment.target, run.execution_arn)
    job = _training_job(deployment, run, history)
    expected, source = expected_sha256(deployment, history, job)
    _prepare(folder)
    ml, program, log = folder / "ml", folder / "program", folder / "training.log"
    image = str(job["AlgorithmSpecification"]["TrainingImage"])
    note(f"training job {job['TrainingJobName']} of image {image}")
    write_code(deployment, image, program, note)
    _require_environment(deployment.project.root, program)
    _write_input(deployment, run, history, job, ml / "input", note)
    _train(deployment.project.root, ml, program, log, note)
    known = job.get("FinalMetricDataList", [])
    return Reproduction(
        execution_arn=run.execution_arn,
        training_job=job["TrainingJobName"],
        image=image,
        model_sha256=model_sha256(ml / "model"),
        expected_sha256=expected,
        expected_from=source,
        folder=str(folder),
        metrics=_metrics(job, log),
        expected_metrics={each["MetricName"]: each["Value"] for each in known},
    )


def _training_job(deployment: Deployment, run: Run, history: History) -> Any:
    names = [
        visit.job.name
        for visit in history.visits
        if visit.job and visit.job.log_group.endswith("/TrainingJobs")
    ]
    if not names or "run" not in history.context:
        raise RequestError(
            f"run {run.name} ({run.status}, {run.outcome}) has started no training job, so there "
            f"is nothing to reproduce. See `{command(deployment.env, 'runs list')}`."
        )
    return deployment.target.sagemaker.describe_training_job(TrainingJobName=names[-1])


def _prepare(folder: Path) -> None:
    """Make a folder, or empty one of an earlier reproduction of what that wrote."""
    marker = folder / MARKER
    if folder.exists() and any(folder.iterdir()) and not marker.is_file():
        raise RequestError(
            f"{folder} is not empty and has no {MARKER}, so others' files are in it; expected a "
            "new folder. Give another --out."
        )
    folder.mkdir(parents=True, exist_ok=True)
    marker.touch()
    for name in ("ml", "program"):
        if (folder / name).exists():
            shutil.rmtree(folder / name)
    (folder / "training.log").unlink(missing_ok=True)
    for name in ("input/config", "input/data", "model", "output/data"):
        (folder / "ml" / name).mkdir(parents=True)


def _require_environment(root: Path, program: Path) -> None:
    """Compare the environment of the training with the lock that lies in the image."""
    try:
        remarks = differences(root / VENV, program / LOCK)
    except FileNotFoundError as error:
        raise ToolError(f"{error.filename} is absent. Run `make container`.") from error
    if remarks:
        raise ToolError(
            f"{VENV} has {remarks[0]} by the image's {LOCK} ({len(remarks)} such). Check out the "
            f"commit of that lock, remove {VENV} and run `make container`."
        )


def _write_input(
    deployment: Deployment,
    run: Run,
    history: History,
    job: Any,
    folder: Path,
    note: Callable[[str], None],
) -> None:
    """Write what the training job found in /opt/ml/input."""
    channels = {
        str(each["ChannelName"]): str(each["DataSource"]["S3DataSource"]["S3Uri"])
        for each in job.get("InputDataConfig", [])
    }
    files = manifest_files(deployment, run, history.context["run"]["dataset"]["digest"])
    download_channels(deployment, run, files, channels, folder / "data", note)
    documents: Mapping[str, Any] = {
        "hyperparameters": job.get("HyperParameters", {}),
        "inputdataconfig": {name: {"TrainingInputMode": "File"} for name in channels},
        "resourceconfig": {"current_host": "algo-1", "hosts": ["algo-1"]},
    }
    for name, document in documents.items():
        (folder / "config" / f"{name}.json").write_text(json.dumps(document, indent=2))


def _train(root: Path, ml: Path, program: Path, log: Path, note: Callable[[str], None]) -> None:
    """Run the training in an environment that holds nothing of this process's."""
    python = root / VENV / "bin" / "python"
    environment = {
        "HOME": str(ml),
        "LANG": "C.UTF-8",
        "PATH": f"{python.parent}:/usr/local/bin:/usr/bin:/bin",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        "SAGEMAKER_BASE_DIR": str(ml),
    }
    command = [str(python), "-m", PACKAGE, "train"]
    note(f"$ SAGEMAKER_BASE_DIR={ml} {' '.join(command)}")
    with subprocess.Popen(
        command,
        cwd=program,
        env=environment,
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        try:
            with log.open("w", encoding="utf-8") as file:
                for line in process.stdout or ():
                    file.write(line)
                    note(f"  | {line.rstrip()}")
            status = process.wait()
        finally:
            # nothing may go on training once this command has ended, however it ends
            process.kill()
    if status != 0:
        raise ToolError(f"`{PACKAGE} train` ended with {status}; its log is {log}.")


def _metrics(job: Any, log: Path) -> dict[str, float]:
    """Read the metrics out of a log as the training job does: the last value of each counts."""
    text, found = log.read_text(encoding="utf-8"), dict[str, float]()
    for definition in job["AlgorithmSpecification"].get("MetricDefinitions", []):
        for match in re.finditer(definition["Regex"], text):
            found[definition["Name"]] = float(match[match.re.groups and 1])
    return found
