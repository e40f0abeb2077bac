"""The boundary of the process: any error becomes one line where SageMaker looks for it."""

import contextlib
import sys
import traceback
from pathlib import Path
from types import TracebackType

from model_code.runtime.errors import ModelCodeError

# SageMaker shows the first 1024 characters of a failure, and 1 KB of a message.
MAX_BYTES = 1024


class FailureReport:
    """Writes the line for an error that leaves the block and ends the process with code 1."""

    def __init__(self, file: Path | None, debug: bool) -> None:
        self._file = file
        self._debug = debug

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not isinstance(error, Exception):
            return
        line = describe(error)
        if self._debug:
            traceback.print_exception(error)
        print(line, file=sys.stderr, flush=True)
        if self._file is not None:
            self._write(line)
        raise SystemExit(1) from error

    def _write(self, line: str) -> None:
        # On a full disk the line on stderr is all there is.
        with contextlib.suppress(OSError):
            if self._file is not None:
                self._file.parent.mkdir(parents=True, exist_ok=True)
                self._file.write_bytes(shorten(line))


def describe(error: Exception) -> str:
    """Say in one line who must fix what; an unforeseen error also names its line of code."""
    message = " ".join(str(error).split())
    if isinstance(error, ModelCodeError):
        return f"{type(error).__name__}: {message}"
    if isinstance(error, OSError):
        return f"PlatformError: {message}. Check the disk and the rights of the job's folders."
    return f"AlgorithmError: {type(error).__name__}: {message} ({_place(error)})"


def shorten(line: str) -> bytes:
    """Cut a line to what SageMaker shows, without half a character at its end."""
    return line.encode(errors="replace")[:MAX_BYTES].decode(errors="ignore").encode()


def _place(error: Exception) -> str:
    if isinstance(error, SyntaxError):
        return f"{Path(error.filename or '?').name} line {error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return "no place known"
    return f"{Path(frames[-1].filename).name} line {frames[-1].lineno}"
