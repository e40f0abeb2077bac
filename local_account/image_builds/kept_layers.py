"""Layers that builds have made, kept for the next: packed so that equal content is equal bytes.

`<cache>/layers/steps/<key>.json` says what a step came to, `<cache>/layers/blobs/<digest>` is a
layer. Files are written aside and then renamed, so that accounts may share the folder. The layers
that were used longest ago go when all are more than 4 GiB, but none that a build may be using.
"""

import gzip
import hashlib
import json
import os
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any, cast

from local_account.image_builds.documents import Layer
from local_account.limits import GIB

_MAX_BYTES = 4 * GIB
_IN_USE_SECONDS = 2 * 24 * 3600  # longer than a build of CodeBuild may take
_NOTE_SECONDS = 60  # a step's note is written after its layer
_PIECE_BYTES = 1024 * 1024
_GZIP = b"\x1f\x8b"


@dataclass(frozen=True)
class Entry:
    """One thing in a layer: a file with its content, a folder, a link, or what is removed."""

    path: str
    mode: int = 0o644
    source: Path | None = None
    link: str = ""
    is_folder: bool = False


@dataclass(frozen=True)
class Step:
    """What a step came to: a layer, if it changed a file."""

    layer: Layer | None


class KeptLayers:
    """The layers of a cache folder."""

    def __init__(self, cache: Path) -> None:
        self._steps, self._blobs = cache / "layers/steps", cache / "layers/blobs"
        for folder in (self._steps, self._blobs):
            folder.mkdir(parents=True, exist_ok=True)

    def find(self, key: str) -> Step | None:
        """Return what the step of this key came to, if its layer is still there."""
        note = self._steps / f"{key}.json"
        try:
            kept = json.loads(note.read_text())
            os.utime(note)  # it was used
            if kept is None:
                return Step(None)
            layer = Layer(self._blobs / kept["digest"].removeprefix("sha256:"), **kept)
            os.utime(layer.path)
        except (FileNotFoundError, ValueError):
            return None
        return Step(layer)

    def keep(self, key: str, entries: Iterable[Entry]) -> Step:
        """Pack what a step changed, and keep it under the step's key."""
        listed = sorted(entries, key=lambda entry: entry.path)
        layer = self._packed(partial(_write_tar, listed)) if listed else None
        self._note(key, layer)
        return Step(layer)

    def prune(self) -> None:
        """Remove what was used longest ago, where the layers are more than may be kept."""
        spared, total, cut = time.time() - _IN_USE_SECONDS, 0, 0.0
        for used, size, blob in sorted(_by_use(self._blobs), reverse=True):
            total += size
            if total > _MAX_BYTES and used < spared:
                blob.unlink(missing_ok=True)
                cut = max(cut, used)
        for used, _, note in _by_use(self._steps):
            if used <= cut + _NOTE_SECONDS:
                note.unlink(missing_ok=True)

    def packed(self, tar: Path) -> Layer:
        """Pack a layer that is a tar archive already; each is packed once."""
        with tar.open("rb") as file:
            key = hashlib.file_digest(file, "sha256").hexdigest()
        if (step := self.find(key)) and step.layer:
            return step.layer
        layer = self._packed(partial(_copy, tar))
        self._note(key, layer)
        return layer

    def _note(self, key: str, layer: Layer | None) -> None:
        with _aside(self._steps) as file:
            file.write(json.dumps(_described(layer)).encode())
            file.flush()
            Path(file.name).replace(self._steps / f"{key}.json")

    def _packed(self, write: Callable[["_Hashing"], None]) -> Layer:
        with _aside(self._blobs) as blob:
            outer = _Hashing(blob)
            # neither a name nor a time: the bytes are those of the content
            with gzip.GzipFile("", "wb", fileobj=cast(IO[bytes], outer), mtime=0) as packing:
                inner = _Hashing(packing)
                write(inner)
            blob.flush()
            path = self._blobs / outer.digest.hexdigest()
            Path(blob.name).replace(path)
        digest, diff_id = outer.digest.hexdigest(), inner.digest.hexdigest()
        return Layer(path, f"sha256:{digest}", f"sha256:{diff_id}", outer.size)


class _Hashing:
    """A file that is written to, and the digest of what was written."""

    def __init__(self, file: Any) -> None:
        self._file, self.digest, self.size = file, hashlib.sha256(), 0

    def write(self, content: bytes) -> int:
        self.digest.update(content)
        self.size += len(content)
        self._file.write(content)
        return len(content)

    def flush(self) -> None:
        self._file.flush()


def _write_tar(entries: Iterable[Entry], file: "_Hashing") -> None:
    with tarfile.open(fileobj=cast(IO[bytes], file), mode="w|", format=tarfile.PAX_FORMAT) as tar:
        for entry in entries:
            member = tarfile.TarInfo(entry.path)
            member.mode = entry.mode
            if entry.is_folder:
                member.type = tarfile.DIRTYPE
            elif entry.link:
                member.type, member.linkname = tarfile.SYMTYPE, entry.link
            elif entry.source:
                member.size = entry.source.stat().st_size
                with entry.source.open("rb") as content:
                    tar.addfile(member, content)
                continue
            tar.addfile(member)


def _copy(tar: Path, file: "_Hashing") -> None:
    """Copy an archive, unpacked if it was packed."""
    with tar.open("rb") as content:
        is_packed = content.read(len(_GZIP)) == _GZIP
    with gzip.open(tar) if is_packed else tar.open("rb") as content:
        while piece := content.read(_PIECE_BYTES):
            file.write(piece)


def _described(layer: Layer | None) -> dict[str, Any] | None:
    if layer is None:
        return None
    return {name: value for name, value in asdict(layer).items() if name != "path"}


def _by_use(folder: Path) -> Iterator[tuple[float, int, Path]]:
    """Yield when each file was used last, its size and the file."""
    for path in folder.iterdir():
        with suppress(FileNotFoundError):  # another account prunes too
            found = path.stat()
            yield found.st_mtime, found.st_size, path


@contextmanager
def _aside(folder: Path) -> Iterator[IO[bytes]]:
    """Yield a file that goes unless it is renamed when all of it is written."""
    with tempfile.NamedTemporaryFile(dir=folder, delete=False) as file:
        try:
            yield cast(IO[bytes], file)
        finally:
            Path(file.name).unlink(missing_ok=True)
