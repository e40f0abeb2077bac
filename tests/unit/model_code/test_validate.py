"""A version is trained on only if every file and every row is what was promised."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

import data
from model_code.runtime.errors import DataError, JobInputError
from model_code.runtime.validate import validate

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.model_code.conftest import Job


def dataset(job: Job) -> Path:
    return job.paths.processing_input("dataset")


def change(job: Job, name: str, old: str, new: str) -> None:
    """Edit a file of the version and let the manifest say so, as an honest publisher would."""
    path = dataset(job) / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    publish(job)


def publish(job: Job) -> None:
    manifest = data.build_manifest(dataset(job), "v1.0")
    (dataset(job) / "_MANIFEST.json").write_bytes(data.manifest_bytes(manifest))


def first_value(job: Job, name: str) -> str:
    return (dataset(job) / name).read_text().partition(",")[0] + ","


def test_a_good_version_is_summarised(new_job: Job) -> None:
    validate(new_job.paths)
    report = new_job.report("validation", "validation.json")
    assert report["version"] == "v1.0"
    assert report["warnings"] == []
    assert [file["key"] for file in report["files"]] == [
        "train/train.csv",
        "validation/validation.csv",
    ]
    assert sum(file["rows"] for file in report["files"]) == sum(report["rows"].values())
    summary = report["columns"]["train"]
    assert sum(summary["sex"]["counts"].values()) == report["rows"]["train"]
    assert summary["length"]["minimum"] < summary["length"]["mean"] < summary["length"]["maximum"]


def test_violations_of_all_files_are_reported_at_once(new_job: Job) -> None:
    for name in ("train/train.csv", "validation/validation.csv"):
        change(new_job, name, first_value(new_job, name), "X,")
    with pytest.raises(DataError) as caught:
        validate(new_job.paths)
    assert str(caught.value).startswith("2 contract violations: train/train.csv line 1 column 1")
    assert "validation/validation.csv line 1 column 1 (sex): found 'X'" in str(caught.value)


def test_a_file_that_changed_after_it_was_published_is_refused(new_job: Job) -> None:
    path = dataset(new_job) / "train/train.csv"
    text = path.read_text()
    path.write_text(text.replace("0.", "1.", 1))
    with pytest.raises(JobInputError, match=r"train/train\.csv: found sha256 "):
        validate(new_job.paths)
    path.write_text(text + text)
    with pytest.raises(JobInputError, match=r"train/train\.csv: found \d+ bytes, expected \d+ by"):
        validate(new_job.paths)


def test_a_file_that_the_manifest_does_not_list_is_refused(new_job: Job) -> None:
    shutil.copy(dataset(new_job) / "train/train.csv", dataset(new_job) / "train/more.csv")
    with pytest.raises(JobInputError, match=r"'train/more\.csv' is not in _MANIFEST\.json"):
        validate(new_job.paths)


def test_a_listed_file_that_is_missing_is_refused(new_job: Job) -> None:
    (dataset(new_job) / "validation/validation.csv").unlink()
    with pytest.raises(JobInputError, match=r"validation/validation\.csv is in _MANIFEST\.json"):
        validate(new_job.paths)


def test_rows_on_both_sides_of_the_split_are_warned_about(new_job: Job) -> None:
    train = dataset(new_job) / "train/train.csv"
    leaked = (dataset(new_job) / "validation/validation.csv").read_text().splitlines()[:3]
    train.write_text(train.read_text() + "\n".join([*leaked, leaked[0], ""]))
    publish(new_job)
    validate(new_job.paths)
    assert new_job.report("validation", "validation.json")["warnings"] == [
        "rows of train that occur more than once: 1",
        "rows of validation that are also in train, a leak: 3",
    ]


def test_a_bad_row_ends_the_command_with_one_line_in_the_exit_message(new_job: Job) -> None:
    value = first_value(new_job, "train/train.csv")
    change(new_job, "train/train.csv", value, "abalone,")
    ended = new_job.run("validate")
    assert ended.returncode == 1
    message = new_job.paths.message.read_text()
    assert message.startswith(
        "DataError: 1 contract violation: train/train.csv line 1 column 1 (sex): found 'abalone', "
        "expected one of F, I, M"
    )
    assert ended.stderr.strip() == message
    assert not (new_job.paths.processing_output("validation") / "validation.json").exists()


def test_many_violations_fit_into_the_exit_message(new_job: Job) -> None:
    path = dataset(new_job) / "train/train.csv"
    path.write_text(path.read_text().replace("M,", "é" * 60 + ","))
    publish(new_job)
    assert new_job.run("validate").returncode == 1
    assert len(new_job.paths.message.read_bytes()) <= 1024
    assert "contract violations: train/train.csv line" in new_job.paths.message.read_text()
