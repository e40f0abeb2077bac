"""Texts that look like secrets, and names that ask for one."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from checks.intrinsics import UNKNOWN

NAME = re.compile(
    r"(^|[_.-])(password|passwd|pwd|secret|secret_?key|api_?key|access_?key|private_?key|"
    r"auth_?token|access_?token|credentials?)$",
    re.IGNORECASE,
)
VALUE = re.compile(
    r"\b(AKIA|ASIA)[A-Z0-9]{16}\b|-----BEGIN [A-Z ]*PRIVATE KEY|\bgh[pousr]_[A-Za-z0-9]{36}\b|"
    r"\bxox[abprs]-[A-Za-z0-9-]{10,}|\bsk_live_[A-Za-z0-9]{16,}|://[^/\s:@]+:[^/\s:@]+@"
)
REFERENCE = re.compile(r"\{\{resolve:|^arn:|^\$|^\{%|^$")


def secrets_in(values: Any) -> Iterator[str]:
    """Yield the names whose values are secrets, or take one as plain text."""
    if not isinstance(values, Mapping):
        return
    for name, value in values.items():
        if not isinstance(value, str) or name.endswith(".$"):
            continue
        is_literal = not REFERENCE.search(value) and not UNKNOWN.search(value)
        if VALUE.search(value) or (is_literal and NAME.search(name)):
            yield name
