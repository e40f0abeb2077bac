"""The findings that somebody accepted for a time: `scan-allowed.toml`."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from .errors import PipelineError

FIELDS = {"id", "until", "reason"}


@dataclass(frozen=True)
class Allowance:
    """One accepted finding; `until` is its last day (UTC)."""

    id: str
    until: date
    reason: str


def read_allowed(path: Path) -> dict[str, Allowance]:
    """Read the list, by the id of the finding.

    Raises
    ------
    PipelineError
        If the file is no such list: an entry without end or reason is none.
    """
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise PipelineError(f"{path} is absent; expected it, empty if nothing is allowed.") from (
            error
        )
    except tomllib.TOMLDecodeError as error:
        raise PipelineError(f"{path} is no TOML: {error}.") from error
    unknown = sorted(content.keys() - {"allowed"})
    if unknown:
        raise PipelineError(f"{path}: found {unknown[0]!r}, expected [[allowed]] tables only.")
    entries = [_allowance(path, entry) for entry in content.get("allowed", [])]
    return {entry.id: entry for entry in entries}


def _allowance(path: Path, entry: Mapping[str, Any]) -> Allowance:
    # a date with a time is a date too, for Python
    dated = type(entry.get("until")) is date
    texts = all(isinstance(entry.get(name), str) and entry[name] for name in ("id", "reason"))
    if entry.keys() != FIELDS or not dated or not texts:
        raise PipelineError(
            f"{path}: found the entry {dict(entry)!r}, expected id, until (a date such as "
            "2026-12-31) and reason."
        )
    return Allowance(entry["id"], entry["until"], entry["reason"])
