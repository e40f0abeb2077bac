"""Decisions of PrepareRun, without any call."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any

from pydantic import ValidationError

from prepare_run.models import BuiltImage, Dataset, ImagePair, Run, Trigger
from shared.canonical import json_sha256
from shared.datasets import MANIFEST_NAME, SPLITS, slug
from shared.errors import DatasetInvalid
from shared.events import first_problem
from shared.manifests import Manifest

CONTENT_TYPES = {".csv": "text/csv", ".parquet": "application/x-parquet"}
# SageMaker's names have at most 63 characters; "-validate" and "-evaluate" are added to this one.
RUN_NAME_LENGTH = 54
# Of an author and of a commit's message, which may be as long as somebody likes.
SOURCE_LENGTH = 256


def parse_manifest(content: bytes, uri: str, version: str) -> Manifest:
    """Check a manifest by itself: shape, keys, one format, both splits.

    Raises
    ------
    DatasetInvalid
        Names the manifest and the field or key that is wrong.
    """
    try:
        manifest = Manifest.model_validate(json.loads(content))
    except ValueError as error:
        problem = first_problem(error) if isinstance(error, ValidationError) else str(error)
        raise DatasetInvalid(f"{uri}: {problem}. Write the manifest again.") from error
    for problem in _manifest_problems(manifest, version):
        raise DatasetInvalid(f"{uri}: {problem}. Write the manifest again.")
    return manifest


def _manifest_problems(manifest: Manifest, version: str) -> Iterable[str]:
    if manifest.version != version:
        yield f"version is {manifest.version!r}, expected {version!r} as in its key"
    keys = [file.key for file in manifest.files]
    for key in keys:
        if not _is_data_key(key):
            yield (
                f"key {key!r}: expected a path under train/ or validation/ that ends in .csv or "
                ".parquet, without empty, '.' or '..' parts and control characters"
            )
    for file in manifest.files:
        if not file.size:
            yield f"key {file.key!r} has 0 bytes, expected rows; remove or fill the file"
    for key, count in Counter(key.casefold() for key in keys).items():
        if count > 1:
            yield f"key {key!r} is listed {count} times (upper and lower case count as equal)"
    suffixes = sorted({PurePosixPath(key).suffix for key in keys})
    if len(suffixes) > 1:
        yield f"files are {' and '.join(suffixes)}, expected one format"
    for split in SPLITS:
        if not any(key.startswith(f"{split}/") for key in keys):
            yield f"lists no file under {split}/, expected at least one"


def _is_data_key(key: str) -> bool:
    split, *names = key.split("/")
    return (
        split in SPLITS
        and bool(names)
        and all(name not in ("", ".", "..") for name in names)
        and key.isprintable()
        and PurePosixPath(key).suffix in CONTENT_TYPES
    )


def check_objects(manifest: Manifest, root: str, sizes: Mapping[str, int]) -> None:
    """Compare the manifest with the version's objects: jobs read all of them.

    Parameters
    ----------
    root
        URI of the version, with the slash at its end.
    sizes
        Bytes of each object, by key relative to the version.

    Raises
    ------
    DatasetInvalid
        If an object is missing, has another size, or is not in the manifest.
    """
    for file in manifest.files:
        if file.key not in sizes:
            raise DatasetInvalid(
                f"{root}{file.key}: in the manifest but not in the bucket. Upload it, then the "
                "manifest again."
            )
        if sizes[file.key] != file.size:
            raise DatasetInvalid(
                f"{root}{file.key}: has {sizes[file.key]} bytes, expected {file.size} as in the "
                "manifest. Upload it, then the manifest again."
            )
    known = {MANIFEST_NAME, *(file.key for file in manifest.files)}
    # Empty objects that end in a slash are a console's folders, and no job sees them.
    extra = sorted(
        key
        for key, size in sizes.items()
        if key not in known and (size or not f"/{key}".endswith("/"))
    )
    if extra:
        raise DatasetInvalid(
            f"{root}{extra[0]}: in the bucket but not in the manifest, and jobs would read it. "
            f"Delete it or list it ({len(extra)} such objects)."
        )


def describe_dataset(manifest: Manifest, root: str) -> Dataset:
    """Where the data lies, in which format, and its digest: equal data, equal digest."""
    files = sorted([file.key, file.sha256] for file in manifest.files)
    return Dataset(
        version=manifest.version,
        digest=f"sha256:{json_sha256(files)}",
        uri=root,
        train_uri=f"{root}train/",
        validation_uri=f"{root}validation/",
        content_type=CONTENT_TYPES[PurePosixPath(manifest.files[0].key).suffix],
    )


def settings_digest(hyperparameters: Mapping[str, str]) -> str:
    """Digest of the settings that change the model: the hyperparameters.

    Instance types, volumes, time limits and thresholds do not: to buy another machine or to
    move the gate is no reason to train the same model again.
    """
    return f"sha256:{json_sha256({'hyperparameters': dict(hyperparameters)})}"


def run_key(dataset_digest: str, image: ImagePair, settings: str) -> str:
    """What identifies a run: equal inputs, equal model, so at most one version."""
    return json_sha256(
        {
            "dataset": dataset_digest,
            "image": image.training.rpartition("@")[2],
            "processing_image": image.processing.rpartition("@")[2],
            "settings": settings,
        }
    )


def run_name(project: str, version: str, key: str, attempt: int, deployment: str) -> str:
    """A name that SageMaker accepts for the run's job, model and endpoint config.

    SageMaker keeps the names of jobs for ever, while claims may go with their bucket: so the
    deployment is in the digest, and no later one counts its attempts into names that are taken.
    """
    digest = json_sha256([deployment, key])[:10]
    room = RUN_NAME_LENGTH - len(f"{project}--{digest}-{attempt}")
    return f"{project}-{slug(version)[:room].strip('-')}-{digest}-{attempt}"


def describe_run(
    *,
    project: str,
    deployment: str,
    bucket: str,
    dataset: Dataset,
    built: BuiltImage,
    hyperparameters: dict[str, str],
    key: str,
    attempt: int,
    duplicate_of: str | None,
    trigger: Trigger,
) -> Run:
    """Names and places of everything that the run creates."""
    name = run_name(project, dataset.version, key, attempt, deployment)
    root = f"s3://{bucket}/runs/{key}/{attempt}"
    return Run(
        status="Duplicate" if duplicate_of else "New",
        duplicate_of=duplicate_of,
        trigger=trigger,
        run_key=key,
        attempt=attempt,
        name=name,
        dataset=dataset,
        image=built.pair,
        commit=built.commit,
        author=_one_line(built.author),
        message=_one_line(built.message),
        hyperparameters=hyperparameters,
        settings_digest=settings_digest(hyperparameters),
        validation_job_name=f"{name}-validate",
        evaluation_job_name=f"{name}-evaluate",
        validation_uri=f"{root}/validation",
        training_uri=f"{root}/training",
        evaluation_uri=f"{root}/evaluation",
    )


def nothing_to_train(trigger: Trigger) -> dict[str, Any]:
    """Return what stands for a run where no data set has arrived: its fields, and no values.

    The state machine selects each of them, and fails over one that is missing.
    """
    return {**dict.fromkeys(Run.model_fields), "status": "NothingToTrain", "trigger": trigger}


def _one_line(text: str) -> str:
    return " ".join(text.split())[:SOURCE_LENGTH]
