"""The base image of the Dockerfile, by digest: `python -m pipeline.base_image` prints it."""

import re
import sys
from pathlib import Path

from .errors import PipelineError

LOCK = Path("base-image.lock")
_REFERENCE = re.compile(r"[a-z0-9][\w./:-]*@sha256:[0-9a-f]{64}")


def base_image(lock: Path) -> str:
    """Read the one reference that the lock file has.

    Raises
    ------
    PipelineError
        If it has none, several, or one without digest: a tag may be another image tomorrow.
    """
    if not lock.is_file():
        raise PipelineError(f"{lock} is absent; expected the base image by digest in it.")
    texts = [line.partition("#")[0].strip() for line in lock.read_text("utf-8").splitlines()]
    references = [text for text in texts if text]
    if len(references) == 1 and _REFERENCE.fullmatch(references[0]):
        return references[0]
    found = f"{references[0]!r}" if len(references) == 1 else f"{len(references)} references"
    raise PipelineError(
        f"{lock}: found {found}, expected one reference with @sha256:<digest>. "
        "`mlops base-image` resolves a tag."
    )


if __name__ == "__main__":
    try:
        print(base_image(LOCK))
    except PipelineError as error:
        sys.exit(str(error))
