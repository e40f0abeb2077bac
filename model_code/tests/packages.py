"""Which packages are installed here but not in the image that trains, validates and serves."""

import re
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

from model_code.runtime.paths import CONTRACT_FILE

_REPOSITORY = CONTRACT_FILE.parent
_NAME = re.compile(r"[A-Za-z0-9][\w.-]*")


@cache
def not_in_model_image() -> frozenset[str]:
    """Return the packages that the image's lock file does not name."""
    return frozenset(packages_distributions()) - _of(_names(_REPOSITORY / "requirements.lock"))


def for_evaluation_only() -> frozenset[str]:
    """Return the packages that `evaluate` asks for, and a model has to do without."""
    return _of(_names(_REPOSITORY / "requirements-processing.in"))


def _of(distributions: set[str]) -> frozenset[str]:
    return frozenset(
        package
        for package, owners in packages_distributions().items()
        if distributions & {_normalized(owner) for owner in owners}
    )


def _names(requirements: Path) -> set[str]:
    found = (_NAME.match(line) for line in requirements.read_text("utf-8").splitlines())
    return {_normalized(each[0]) for each in found if each}


def _normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
