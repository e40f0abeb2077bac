"""Refuses to open files for writing outside the base directory, and hides what the image lacks.

Python imports this by its name before a program starts: the contract tests put its folder on the
path of each process. It sees what Python opens; what libraries write by themselves it does not.
"""

import os
import sys

from model_code.tests.watch.absent import hide

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_ALLOWED = (os.path.realpath(os.environ["SAGEMAKER_BASE_DIR"]) + "/", "/dev/", "/proc/")
_REPORT = os.open(os.environ["WRITES_OUTSIDE"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)


def _refuse(event: str, arguments: tuple[object, ...]) -> None:
    if event != "open":
        return
    path, _, flags = arguments
    if not isinstance(path, str | bytes | os.PathLike) or not isinstance(flags, int):
        return
    place = os.path.realpath(os.fsdecode(path))
    if flags & _WRITING and not place.startswith(_ALLOWED):
        os.write(_REPORT, f"{place}\n".encode())
        raise PermissionError(f"{place} is not below SAGEMAKER_BASE_DIR")


sys.addaudithook(_refuse)
hide(os.environ["ABSENT_PACKAGES"].split(","))
