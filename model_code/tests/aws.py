"""As much of AWS as a release asks for, in memory."""

from collections.abc import Iterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from model_code.pipeline.images import DOCKER_V2

DIGESTS = [f"sha256:{64 * digit}" for digit in "12"]


class ScanNotFoundError(Exception):
    """There is no scan (yet)."""


class FakeAws:
    """One repository with the images of one commit, one bucket, one parameter."""

    exceptions = SimpleNamespace(ScanNotFoundException=ScanNotFoundError)

    def __init__(self, commit: str = "") -> None:
        self.images = dict(zip((commit, f"{commit}-processing"), DIGESTS, strict=True))
        self.media_type = DOCKER_V2
        self.statuses = ["COMPLETE"]
        """Of a scan, each time it is asked for; the last one stays."""
        self.findings: list[dict[str, Any]] = []
        self.enhanced: list[dict[str, Any]] = []
        self.parameters: dict[str, str] = {}
        self.objects = {
            "v1.0/_MANIFEST.json": datetime(2026, 1, 1, tzinfo=UTC),
            "v1.1/_MANIFEST.json": datetime(2026, 1, 2, tzinfo=UTC),
            "v1.1/train/train.csv": datetime(2026, 1, 3, tzinfo=UTC),
        }

    def client(self, service: str) -> "FakeAws":
        return self

    def batch_get_image(
        self, repositoryName: str, imageIds: list[dict[str, str]], acceptedMediaTypes: list[str]
    ) -> dict[str, Any]:
        asked = [each["imageTag"] for each in imageIds]
        return {
            "images": [
                {
                    "imageId": {"imageTag": tag, "imageDigest": self.images[tag]},
                    "imageManifestMediaType": self.media_type,
                }
                for tag in asked
                if tag in self.images
            ]
        }

    def get_paginator(self, operation: str) -> SimpleNamespace:
        pages = {
            "describe_image_scan_findings": self._scan,
            "list_objects_v2": self._folders,
        }
        return SimpleNamespace(paginate=pages[operation])

    def _scan(self, repositoryName: str, imageId: dict[str, str]) -> Iterator[dict[str, Any]]:
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        if status == "none":
            raise ScanNotFoundError
        yield {
            "imageScanStatus": {"status": status, "description": "as told"},
            "imageScanFindings": {"findings": self.findings, "enhancedFindings": self.enhanced},
        }

    def _folders(self, Bucket: str, Delimiter: str) -> Iterator[dict[str, Any]]:
        prefixes = sorted({key.partition("/")[0] + "/" for key in self.objects})
        yield {"CommonPrefixes": [{"Prefix": prefix} for prefix in prefixes]}

    def list_objects_v2(self, Bucket: str, Prefix: str, MaxKeys: int) -> dict[str, Any]:
        found = sorted(key for key in self.objects if key.startswith(Prefix))[:MaxKeys]
        return {"Contents": [{"Key": key, "LastModified": self.objects[key]} for key in found]}

    def get_commit(self, repositoryName: str, commitId: str) -> dict[str, Any]:
        author = {"name": "Ada", "email": "ada@example.com", "date": "1700000000 +0000"}
        return {"commit": {"author": author, "message": 'Say "less"\n\nAnd why.\n'}}

    def put_parameter(self, Name: str, Value: str, Type: str, Overwrite: bool) -> None:
        self.parameters[Name] = Value
