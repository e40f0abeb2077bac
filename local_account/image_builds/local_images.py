"""The images that a daemon has: built, tagged, and looked at."""

import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from local_account.image_builds.console import BuildError
from local_account.image_builds.documents import BuiltImage

_REFERENCE = re.compile(r"[a-z0-9.:_/-]+?(?::(?P<tag>[\w][\w.-]{0,127}))?")
_FIELD = re.compile(r"\{\{\s*(?P<json>json\s+)?(?P<path>(?:\.\w+)+)\s*\}\}")
_FIRST_OF = re.compile(r"\{\{\s*\(?index\s+(?P<path>\.\w+)\s+0\)?\s*\}\}")


@dataclass
class LocalImages:
    """Images by their references."""

    _pushed: dict[str, str] = field(default_factory=dict)
    _images: dict[str, BuiltImage] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, reference: str, image: BuiltImage) -> None:
        """Give an image a name, which it takes from another one that has it."""
        with self._lock:
            self._images[named(reference)] = image

    def note_push(self, reference: str, digest: str) -> None:
        """Remember under which digest the registry has an image."""
        self._pushed[with_tag(reference)] = digest

    def find(self, reference: str) -> BuiltImage:
        """Return an image by its name, or by the start of its id.

        Raises
        ------
        BuildError
            If there is none.
        """
        with self._lock:
            if image := self._images.get(with_tag(reference)):
                return image
            start = reference.removeprefix("sha256:")
            for image in self._images.values():
                if len(start) >= 6 and image.image_id.removeprefix("sha256:").startswith(start):
                    return image
        raise BuildError(f"Error response from daemon: No such image: {reference}")

    def listed(self) -> Iterator[tuple[str, str, BuiltImage]]:
        """Yield repository, tag and image of each name."""
        with self._lock:
            named_images = sorted(self._images.items())
        for reference, image in named_images:
            repository, _, tag = reference.rpartition(":")
            yield repository, tag, image

    def inspected(self, reference: str) -> dict[str, Any]:
        """Return what `docker image inspect` says."""
        image = self.find(reference)
        config, names = image.inspected(), []
        for repository, tag, other in self.listed():
            names += [f"{repository}:{tag}"] if other == image else []
        pushed = [name for name in names if name in self._pushed]
        digests = {f"{name.rpartition(':')[0]}@{self._pushed[name]}" for name in pushed}
        return {
            "Id": image.image_id,
            "RepoTags": names,
            "RepoDigests": sorted(digests),
            "Created": config["created"],
            "Architecture": config["architecture"],
            "Os": config["os"],
            "Config": config["config"],
            "RootFS": {"Type": "layers", "Layers": config["rootfs"]["diff_ids"]},
            "Size": sum(layer.size for layer in image.layers),
        }


def named(reference: str) -> str:
    """Return a name that may be given to an image, with its tag.

    Raises
    ------
    BuildError
        If it cannot be one.
    """
    if not _REFERENCE.fullmatch(reference):
        raise BuildError(
            f'invalid argument "{reference}" for "-t, --tag": invalid reference format'
        )
    return with_tag(reference)


def with_tag(reference: str) -> str:
    """Return a reference with its tag, `latest` if it has none."""
    return reference if ":" in reference.rpartition("/")[2] else f"{reference}:latest"


def formatted(document: dict[str, Any], template: str) -> str:
    """Fill in what `--format` asks for: fields, as text or as JSON, or the first of a list.

    Raises
    ------
    BuildError
        If the template has anything else.
    """

    def replaced(match: re.Match[str]) -> str:
        value: Any = document
        for name in match["path"].strip(".").split("."):
            if not isinstance(value, dict) or name not in value:
                raise BuildError(f"docker inspect: {match[0]}: there is no {name}")
            value = value[name]
        if match.re is _FIRST_OF:
            if not value:
                raise BuildError(f"docker inspect: {match[0]}: index out of range: 0")
            value = value[0]
        is_json = match.groupdict().get("json") or not isinstance(value, str | int)
        return json.dumps(value) if is_json else str(value)

    if "{{" in _FIELD.sub("", _FIRST_OF.sub("", template)):
        raise BuildError(f"docker inspect: the format {template} is not modelled")
    return _FIELD.sub(replaced, _FIRST_OF.sub(replaced, template))
