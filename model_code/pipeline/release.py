"""After the push: may these images be used? If so, say it to whoever trains.

``python -m pipeline.release`` checks both images, then writes their bills of materials,
``image.json``, ``train.json`` (the input of stage Train) and ``image.env``, and in the end the
parameter that runs take their images from.
"""

import json
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from .allowed import read_allowed
from .bills import write_bill
from .commits import Commit, from_clone, from_codecommit
from .datasets import newest_dataset
from .errors import PipelineError
from .images import Image, pushed_images, require_pushed
from .scans import Finding, entries, refusal, stopping, wait_for_findings
from .settings import Settings, line_of

if TYPE_CHECKING:
    from mypy_boto3_ecr import ECRClient

BILLS = {
    "sbom-model.json": "requirements.lock",
    "sbom-processing.json": "requirements-processing.lock",
}


def main() -> None:
    """Release the commit's images, or end with the reason in one line."""
    try:
        release(Settings.from_environment(), Path())
    except (PipelineError, BotoCoreError, ClientError) as error:
        sys.exit(f"not released: {line_of(error)}")


def release(settings: Settings, folder: Path) -> None:
    """Check, write, announce; the parameter comes last, so that it never names a refused image."""
    ecr = boto3.client("ecr")
    found = pushed_images(ecr, settings.repository_name, settings.tags)
    training, processing = (require_pushed(found, tag) for tag in settings.tags)
    for bill, lock in BILLS.items():
        print(f"{bill}: {write_bill(folder / lock, folder / bill)} packages")
    _judge(ecr, settings.repository_name, (training, processing), folder)
    commit = _commit(settings)
    image_value = announced(settings.repository_uri, training, processing, commit)
    data = newest_dataset(boto3.client("s3"), settings.data_bucket)
    _write(folder / "image.json", image_value)
    _write(folder / "train.json", train_input(image_value, data))
    (folder / "image.env").write_text(
        f"IMAGE_DIGEST={training.digest}\nPROCESSING_DIGEST={processing.digest}\n"
    )
    boto3.client("ssm").put_parameter(
        Name=settings.image_parameter, Value=json.dumps(image_value), Type="String", Overwrite=True
    )
    print(f"{settings.image_parameter}: {image_value['training']}; training data: {data or 'none'}")


def announced(
    repository_uri: str, training: Image, processing: Image, commit: Commit
) -> dict[str, str]:
    """Return what the parameter says of the images that runs take."""
    return {
        "training": f"{repository_uri}@{training.digest}",
        "processing": f"{repository_uri}@{processing.digest}",
        "commit": commit.id,
        "author": commit.author,
        "message": commit.message,
    }


def train_input(image: dict[str, str], dataset: str | None) -> dict[str, Any]:
    """Return the input of the state machine's execution that stage Train starts."""
    return {
        "trigger": "code",
        "dataset": dataset,
        "image": {"training": image["training"], "processing": image["processing"]},
        "commit": image["commit"],
        "author": image["author"],
        "message": image["message"],
    }


def _judge(ecr: "ECRClient", repository: str, images: Iterable[Image], folder: Path) -> None:
    allowed = read_allowed(folder / "scan-allowed.toml")
    today = datetime.now(UTC).date()
    refused: list[tuple[str, Finding]] = []
    for image in images:
        findings = wait_for_findings(ecr, repository, image.digest)
        found = stopping(findings, allowed, today)
        print(f"{image.tag}: {image.digest}, scan: {len(findings)} findings, {len(found)} stop it")
        refused += [(image.tag, finding) for finding in found]
    if refused:
        found = [finding for _, finding in refused]
        print(f"Entries for scan-allowed.toml; say in them why:\n\n{entries(found, today)}")
        raise refusal(found, allowed, refused[0][0])


def _commit(settings: Settings) -> Commit:
    if settings.source_repository:
        client = boto3.client("codecommit")
        return from_codecommit(client, settings.source_repository, settings.commit)
    return from_clone(settings.commit)


def _write(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
