"""Reads the archive that `docker save` writes, which every engine can write."""

import json
import tarfile
from pathlib import Path
from typing import Any

from local_account.archives import ArchiveError
from local_account.image_builds.console import BuildError
from local_account.image_builds.documents import BuiltImage, document
from local_account.image_builds.kept_layers import KeptLayers

_OF_ONE_BUILD = ("container", "container_config", "parent", "id")


def read_saved(archive: Path, folder: Path, kept: KeptLayers) -> BuiltImage:
    """Return the image of an archive, its layers packed for Docker's schema 2.

    Raises
    ------
    BuildError
        If the archive is not what `docker save` writes.
    """
    folder.mkdir()
    try:
        _unpack(archive, folder)
        (listed,) = json.loads((folder / "manifest.json").read_text())
        config = _of_its_content(json.loads((folder / listed["Config"]).read_text()))
        layers = tuple(kept.packed(folder / name) for name in listed["Layers"])
    except (ArchiveError, tarfile.TarError, OSError, ValueError, KeyError) as error:
        raise BuildError(f"the image cannot be read from its engine: {error!r}") from error
    return BuiltImage(config, layers)


def _of_its_content(config: dict[str, Any]) -> bytes:
    """Leave out what an engine notes of one build: the names of what it was built in and upon."""
    kept = {name: value for name, value in config.items() if name not in _OF_ONE_BUILD}
    kept["history"] = [
        {name: value for name, value in step.items() if name != "comment"}
        for step in config.get("history", [])
    ]
    return document(kept)


def _unpack(archive: Path, folder: Path) -> None:
    """Extract files and folders; old engines write links between equal layers."""
    with tarfile.open(archive) as tar:
        for member in tar:
            if member.isfile() or member.isdir() or member.issym() or member.islnk():
                tar.extract(member, folder, filter="data")
