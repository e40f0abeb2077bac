"""Layers that builds have made, kept for the next: packed so that equal content is equal bytes.

`<cache>/layers/steps/<key>.json` says what a step came to, `<cache>/layers/blobs/<digest>` is a
layer. Files are written aside and then renamed, so that accounts may share the folder.
"""

import gzip
import hashlib
import json
import tarfile
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any, cast

from local_account.image_builds.documents import Layer

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
        try:
            kept = json.loads((self._steps / f"{key}.json").read_text())
        except (FileNotFoundError, ValueError):
            return None
        if kept is None:
            return Step(None)
        layer = Layer(self._blobs / kept["digest"].removeprefix("sha256:"), **kept)
        return Step(layer) if layer.path.exists() else None

    def keep(self, key: str, entries: Iterable[Entry]) -> Step:
        """Pack what a step changed, and keep it under the step's key."""
        listed = sorted(entries, key=lambda entry: entry.path)
        layer = self._packed(partial(_write_tar, listed)) if listed else None
        self._note(key, layer)
        return Step(layer)

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
        with _written(self._steps / f"{key}.json") as file:
            file.write(json.dumps(_described(layer)).encode())

    def _packed(self, write: Callable[["_Hashing"], None]) -> Layer:
        with tempfile.NamedTemporaryFile(dir=self._blobs, delete=False) as blob:
            outer = _Hashing(blob)
            # neither a name nor a time: the bytes are those of the content
            with gzip.GzipFile("", "wb", fileobj=cast(IO[bytes], outer), mtime=0) as packing:
                inner = _Hashing(packing)
                write(inner)
        path = self._blobs / outer.digest.hexdigest()
        Path(blob.name).rename(path)
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


@contextmanager
def _written(path: Path) -> Iterator[IO[bytes]]:
    """Yield a file that becomes `path` when all of it is written."""
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        yield file
    Path(file.name).replace(path)
