"""The body of a request of git's: bounded, and the references that a push is about.

Source of a push's form: https://git-scm.com/docs/pack-protocol#_reference_update_request
"""

import gzip
import re
import zlib
from collections.abc import Iterator
from contextlib import nullcontext
from typing import IO, Any

from local_account.limits import GIB
from local_account.operations import Environ
from local_account.service import ServiceError

PIECE = 65_536
_MOST_BYTES = 2 * GIB  # of a body; git itself counts one that is packed: `receive.maxInputSize`
_MOST_REFERENCES = 4000
_SIZE = re.compile(rb"[0-9a-fA-F]{4}")
_SHALLOW = re.compile(rb"shallow [0-9a-f]{40}")
# old and new commit, and the reference; a certificate of a push would hide them
_COMMAND = re.compile(rb"[0-9a-f]{40} [0-9a-f]{40} (refs/[^\x00-\x20\x7f]+)")
_FLUSH = b"0000"  # alone, it is what git sends to sign in before a body in chunks


def pieces(environ: Environ, most: int = _MOST_BYTES) -> Iterator[bytes]:
    """Read a body to its end.

    Raises
    ------
    ServiceError
        If it is too large.
    ConnectionError
        If it ends before its end: its client is gone.
    """
    source, chunked = environ["wsgi.input"], environ.get("wsgi.input_terminated", False)
    length = environ.get("CONTENT_LENGTH") or "0"
    if not length.isdecimal():
        raise ServiceError("InvalidRequest", f"The Content-Length {length!r} is no number.", 400)
    left = most if chunked else int(length)
    _require_at_most(most, left)
    while chunked or left:
        try:
            piece = source.read(PIECE if chunked else min(PIECE, left))
        except OSError as error:  # the chunks end before the last one
            raise ConnectionError(str(error)) from error
        if not piece:
            if left and not chunked:
                raise ConnectionError("the client is gone")
            return
        left -= len(piece)
        _require_at_most(most, most - left)
        yield piece


def _require_at_most(most: int, size: int) -> None:
    if size > most:
        message = f"The body has over {most} bytes, which is the most: push fewer commits at once."
        raise ServiceError("RequestEntityTooLarge", message, 413)


def pushed(body: IO[bytes], encoding: str) -> list[str]:
    """Return the references that a push is about; its body can be read again afterwards.

    It is about none only where git signs in, before a push in chunks.

    Raises
    ------
    ServiceError
        If git would read something else there: a certificate hides the references that it has.
    """
    packed = gzip.GzipFile(fileobj=body) if encoding == "gzip" else nullcontext(body)
    try:
        if body.read(len(_FLUSH) + 1) == _FLUSH:
            return []
        body.seek(0)
        with packed as lines:
            found = list(_references(lines))
        if not found:
            raise ValueError("there are none")
        return found
    except (ValueError, OSError, EOFError, zlib.error) as error:
        message = f"The push does not begin with the references that it is about: {error}."
        raise ServiceError("InvalidRequest", message, 400) from error
    finally:
        body.seek(0)


def _references(lines: Any) -> Iterator[str]:
    for _ in range(_MOST_REFERENCES + 1):
        size = lines.read(4)
        if size == _FLUSH:  # after it the objects come
            return
        if not _SIZE.fullmatch(size):
            raise ValueError(f"{size!r} is not the size of a line")
        line = lines.read(max(0, int(size, 16) - 4)).partition(b"\0")[0].removesuffix(b"\n")
        if _SHALLOW.fullmatch(line):
            continue
        command = _COMMAND.fullmatch(line)
        if command is None:
            raise ValueError(f"{line[:80]!r} is not two commits and a reference")
        yield command[1].decode()  # a name that is not UTF-8 could be told by no API
    raise ValueError(f"there are more than {_MOST_REFERENCES}")
