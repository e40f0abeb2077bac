"""Where the rows come from: a named local copy, the cache, the public source, or a stand-in."""

import hashlib
import os
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Literal

from data.errors import SourceError
from data.files import write_bytes
from data.synthesize import synthesize

URL = "https://archive.ics.uci.edu/ml/machine-learning-databases/abalone/abalone.data"
SHA256 = "de37cdcdcaaa50c309d514f248f7c2302a5f1f88c168905eba23fe2fbc78449f"
CITATION = "Nash et al., Abalone, UCI Machine Learning Repository (1995), doi:10.24432/C55C7W"
LOCAL_COPY = "ABALONE_DATA"
HOME = "MLOPS_HOME"
DEFAULT_HOME = Path(__file__).resolve().parent.parent / ".mlops"
CACHED_FILE = "data/abalone.data"
MAX_BYTES = 1024 * 1024
TIMEOUT_SECONDS = 5

Origin = Literal["local", "cache", "download", "synthetic"]


@dataclass(frozen=True)
class Source:
    """CSV rows without header, and where they come from.

    ``note`` is one line for the user; it must be shown when ``is_synthetic``.
    """

    origin: Origin
    content: bytes
    note: str

    @property
    def is_synthetic(self) -> bool:
        """Tell whether these rows are made up."""
        return self.origin == "synthetic"


def fetch(cache_folder: Path | None = None, url: str = URL) -> Source:
    """Get the data set, verified by its sha256; without network, a labelled stand-in.

    Parameters
    ----------
    cache_folder
        Where a download is kept; default ``$MLOPS_HOME``, else ``.mlops`` in the project.
    url
        The public source.

    Raises
    ------
    SourceError
        If ``$ABALONE_DATA`` names a file that is not the published data.
    """
    named = os.environ.get(LOCAL_COPY)
    if named:
        return _local_copy(Path(named).expanduser())
    cached = (cache_folder or _home()) / CACHED_FILE
    if cached.is_file() and _is_published(content := cached.read_bytes()):
        return Source("cache", content, f"{CITATION}: {cached}")
    try:
        content = _download(url)
    except (OSError, HTTPException, ValueError) as error:
        return Source("synthetic", synthesize(), _synthetic_note(url, error))
    write_bytes(cached, content)
    return Source("download", content, f"{CITATION}: downloaded from {url}")


def _home() -> Path:
    named = os.environ.get(HOME)
    return Path(named).expanduser() if named else DEFAULT_HOME


def _local_copy(path: Path) -> Source:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SourceError(
            f"${LOCAL_COPY} names {path}, which cannot be read ({error.strerror}); expected a copy "
            f"of {URL}. Correct or unset the variable."
        ) from error
    if not _is_published(content):
        raise SourceError(
            f"${LOCAL_COPY} names {path}, whose sha256 is {_sha256(content)}; expected {SHA256}. "
            "Correct or unset the variable."
        )
    return Source("local", content, f"{CITATION}: {path}")


def _download(url: str) -> bytes:
    request = urllib.request.Request(url, headers={"User-Agent": "python"})  # noqa: S310 - constant
    with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:  # noqa: S310
        content: bytes = response.read(MAX_BYTES + 1)
    if not _is_published(content):
        raise ValueError(f"the answer has sha256 {_sha256(content)}, expected {SHA256}")
    return content


def _is_published(content: bytes) -> bool:
    return _sha256(content) == SHA256


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _synthetic_note(url: str, error: Exception) -> str:
    return (
        f"SYNTHETIC STAND-IN, not the real data: {url} could not be used ({error}). The rows are "
        "generated from the published summary statistics; what is measured on them says nothing "
        f"about abalones. Name a copy in ${LOCAL_COPY} or connect to the network."
    )
