"""ECR's basic scans: the Python packages of an image against advisories that a file lists.

`<state>/advisories.json` is a list of `{"id", "severity", "package", "version", "fixed_in"}`;
without it nothing is known to be wrong. A version is one exact version, or `*` for all. As
basic scans do, the findings do not say whether there is a fix.
"""

import json
import re
import tarfile
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from local_account import environments
from local_account.images import BUILDER_LABEL, ENVIRONMENT_LABEL, ROOTLESS, blob_path
from local_account.service import Account, ServiceError
from local_account.services.eventbridge import Event, new_event

_SEVERITIES = ("INFORMATIONAL", "LOW", "MEDIUM", "HIGH", "CRITICAL", "UNDEFINED")
_MEMBERS = ("id", "severity", "package", "version", "fixed_in")
_ONCE_IN_SECONDS = 24 * 3600
_QUOTA = "The scan quota per image has been exceeded. Wait and try again."

Record = dict[str, Any]
Package = tuple[str, str]


class ScanError(Exception):
    """An image cannot be scanned; the message is the description of the scan's status."""


class Scans:
    """The scans of one account's images; what they find is kept with moto's image."""

    def __init__(self, account: Account, emit: Callable[[Event], None]) -> None:
        self._account, self._emit, self._lock = account, emit, threading.Lock()

    def start(self, repository: Any, image: Any) -> None:
        """Scan an image in the background.

        Raises
        ------
        ServiceError
            If it was scanned in the last 24 hours.
        """
        now = time.time()
        with self._lock:
            if getattr(image, "scan_started", 0.0) > now - _ONCE_IN_SECONDS:
                raise ServiceError("LimitExceededException", _QUOTA)
            image.scan_started = now
        self._note(image, {"status": "IN_PROGRESS", "description": "The scan is in progress."})
        threading.Thread(target=self._scan, args=(repository.name, image), daemon=True).start()

    def _scan(self, repository: str, image: Any) -> None:
        try:
            packages = set(_packages(self._account, json.loads(image.image_manifest)))
            found = list(_matches(_advisories(self._account.state), packages))
            status = {"status": "COMPLETE", "description": "The scan was completed successfully."}
        except ScanError as error:
            found, status = [], {"status": "FAILED", "description": str(error)}
        counts = dict(Counter(finding["severity"] for finding in found))
        now = time.time()
        summary = {
            "imageScanCompletedAt": now,
            "vulnerabilitySourceUpdatedAt": now,
            "findingSeverityCounts": counts,
        }
        image.scan_found = {**summary, "findings": found}
        self._note(image, status, summary)
        self._ended(repository, image, status["status"], counts)

    def _note(self, image: Any, status: Record, summary: Record | None = None) -> None:
        """Write a scan's state onto moto's image, which DescribeImages shows."""
        image.image_scan_status = status
        if summary is not None:
            image.image_scan_findings_summary = summary

    def _ended(self, repository: str, image: Any, status: str, counts: Record) -> None:
        detail = {
            "scan-status": status,
            "repository-name": repository,
            **({"finding-severity-counts": counts} if counts else {}),
            "image-digest": image.image_digest,
            "image-tags": list(image.image_tags),
        }
        resource = self._account.arn("ecr", f"repository/{repository}")
        event = new_event(self._account, "aws.ecr", "ECR Image Scan", [resource], detail)
        self._emit(event)


def _advisories(state: Path) -> list[Record]:
    path = state / "advisories.json"
    try:
        listed = json.loads(path.read_text())
    except FileNotFoundError:
        return []
    except ValueError as error:
        raise ScanError(f"{path} is no JSON: {error}") from error
    for number, advisory in enumerate(listed if isinstance(listed, list) else [listed]):
        is_whole = isinstance(advisory, dict) and set(advisory) == set(_MEMBERS)
        if not is_whole or advisory["severity"] not in _SEVERITIES:
            expected = f"{', '.join(_MEMBERS)}, with a severity of {_SEVERITIES}"
            raise ScanError(f"{path}: entry {number} is {advisory}, expected {expected}")
    return list(listed)


def _matches(advisories: list[Record], packages: set[Package]) -> Iterator[Record]:
    """Yield a finding for each package that an advisory is about."""
    for advisory in advisories:
        for name, version in sorted(packages):
            if name == _canonical(advisory["package"]) and advisory["version"] in ("*", version):
                attributes = {"package_name": name, "package_version": version}
                yield {
                    "name": advisory["id"],
                    "description": f"{advisory['id']} in {name} {version}",
                    "uri": f"https://nvd.nist.gov/vuln/detail/{advisory['id']}",
                    "severity": advisory["severity"],
                    "attributes": [{"key": k, "value": v} for k, v in attributes.items()],
                }


def _packages(account: Account, manifest: Record) -> Iterator[Package]:
    """Yield the Python packages that are installed in an image, names in canonical form."""
    try:
        config = json.loads(blob_path(account, manifest["config"]["digest"]).read_bytes())
        labels = config.get("config", {}).get("Labels") or {}
    except (OSError, ValueError, AttributeError) as error:
        raise ScanError(f"The image's configuration cannot be read: {error!r}") from error
    if labels.get(BUILDER_LABEL) == ROOTLESS:
        key = labels.get(ENVIRONMENT_LABEL, "")
        folder = environments.find(account.cache, key)
        if folder is None:
            raise ScanError(f"The image's environment {key!r} is not in the store.")
        yield from _named(folder.glob("lib/python*/site-packages/*.dist-info"))
        return
    for layer in manifest["layers"]:
        try:
            with tarfile.open(blob_path(account, layer["digest"])) as tar:
                folders = {PurePosixPath(member.name).parent for member in tar}
        except (OSError, tarfile.TarError, zlib.error, EOFError) as error:
            raise ScanError(f"The layer {layer['digest']} cannot be read: {error}") from error
        yield from _named(f for f in folders if f.suffix == ".dist-info")


def _named(folders: Any) -> Iterator[Package]:
    for folder in folders:
        name, _, version = folder.name.removesuffix(".dist-info").partition("-")
        yield _canonical(name), version


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
