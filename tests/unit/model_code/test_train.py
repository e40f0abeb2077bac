"""Training: what it writes, what it refuses, and that the held-out rows do not touch the model."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from typing import TYPE_CHECKING

import pytest

from model_code import model, model_random
from model_code.runtime.errors import DataError, HyperparameterError, JobInputError
from model_code.runtime.train import train

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.model_code.conftest import Job


def model_bytes(job: Job) -> bytes:
    return (job.paths.model / "model.ubj").read_bytes()


def set_hyperparameters(job: Job, **values: str) -> None:
    job.paths.hyperparameters.parent.mkdir(parents=True, exist_ok=True)
    job.paths.hyperparameters.write_text(json.dumps(values))


def test_the_artifact_describes_itself(finished_job: Job) -> None:
    folder = finished_job.paths.model
    assert {path.name for path in folder.iterdir()} == {"model.ubj", "model.json", "contract.toml"}
    description = json.loads((folder / "model.json").read_text())
    assert description["sha256"] == hashlib.sha256(model_bytes(finished_job)).hexdigest()
    contract = (folder / "contract.toml").read_bytes()
    assert description["contract_sha256"] == hashlib.sha256(contract).hexdigest()
    assert description["module"] == "model"
    assert description["hyperparameters"]["max_depth"] == 5
    assert description["libraries"].keys() == {"python", "xgboost", "numpy", "polars"}


def test_metrics_are_printed_as_the_metric_definitions_expect(
    new_job: Job, capsys: pytest.CaptureFixture[str]
) -> None:
    train(new_job.paths, model)
    printed = capsys.readouterr().out
    found = re.search(r"validation-rmse=([0-9.eE+-]+)", printed)
    assert found
    assert 1.5 < float(found[1]) < 3
    assert re.search(r"train-rmse=([0-9.eE+-]+)", printed)


def test_training_twice_gives_the_same_bytes_in_another_process(
    new_job: Job, finished_job: Job
) -> None:
    train(new_job.paths, model)
    assert model_bytes(new_job) == model_bytes(finished_job)
    described = (new_job.paths.model / "model.json").read_bytes()
    assert described == (finished_job.paths.model / "model.json").read_bytes()


def test_the_validation_channel_does_not_change_the_model(new_job: Job, finished_job: Job) -> None:
    path = new_job.paths.channel("validation") / "validation.csv"
    rows = path.read_text().splitlines()
    path.write_text("\n".join(rows[: len(rows) // 2]))
    train(new_job.paths, model)
    assert model_bytes(new_job) == model_bytes(finished_job)
    shutil.rmtree(new_job.paths.channel("validation"))
    train(new_job.paths, model)
    assert model_bytes(new_job) == model_bytes(finished_job)


def test_hyperparameters_are_used_and_recorded(new_job: Job, finished_job: Job) -> None:
    set_hyperparameters(new_job, num_round="10", max_depth="3")
    train(new_job.paths, model)
    assert model_bytes(new_job) != model_bytes(finished_job)
    description = json.loads((new_job.paths.model / "model.json").read_text())
    assert description["hyperparameters"]["num_round"] == 10


def test_the_module_that_was_trained_is_recorded(new_job: Job) -> None:
    train(new_job.paths, model_random)
    description = json.loads((new_job.paths.model / "model.json").read_text())
    assert description["module"] == "model_random"


def test_a_hyperparameter_of_the_other_module_is_refused(new_job: Job) -> None:
    set_hyperparameters(new_job, eta="0.1")
    with pytest.raises(HyperparameterError, match="'eta' is unknown"):
        train(new_job.paths, model_random)


def test_a_missing_channel_is_refused_in_words_of_the_job(new_job: Job) -> None:
    shutil.rmtree(new_job.paths.channel("train"))
    with pytest.raises(JobInputError, match="Channel 'train' has 0 files in"):
        train(new_job.paths, model)


def corrupt(path: Path) -> None:
    lines = path.read_text().splitlines()
    lines[6] = lines[6].rpartition(",")[0]
    path.write_text("\n".join(lines))


@pytest.mark.parametrize("split", ["train", "validation"])
def test_training_never_uses_a_malformed_file(new_job: Job, split: str) -> None:
    corrupt(new_job.paths.channel(split) / f"{split}.csv")
    with pytest.raises(DataError, match=f"{split}/{split}.csv line 7: found 8 values"):
        train(new_job.paths, model)
    assert not new_job.paths.model.exists()


def test_a_failed_training_names_its_cause_where_sagemaker_looks_for_it(new_job: Job) -> None:
    set_hyperparameters(new_job, eta="7")
    ended = new_job.run("train")
    assert ended.returncode == 1
    assert ended.stderr == (
        "HyperparameterError: Hyperparameter 'eta': found '7', expected a number between 0.0001 "
        "and 1. Correct it in the training job's HyperParameters.\n"
    )
    assert new_job.paths.failure.read_text() == ended.stderr.strip()
    assert "Traceback" in new_job.run("train", "--debug").stderr
