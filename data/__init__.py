"""The example data set: fetched or synthesized, and cut into the versions that runs train on."""

from data.errors import DataSetError, ManifestError, SourceError
from data.fetch import Source, fetch
from data.manifest import Manifest, ManifestFile, build_manifest, dataset_digest, manifest_bytes
from data.versions import VERSION_NAMES, DatasetVersion, build_versions

__all__ = [
    "VERSION_NAMES",
    "DataSetError",
    "DatasetVersion",
    "Manifest",
    "ManifestError",
    "ManifestFile",
    "Source",
    "SourceError",
    "build_manifest",
    "build_versions",
    "dataset_digest",
    "fetch",
    "manifest_bytes",
]
