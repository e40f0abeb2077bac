"""Digests of JSON: equal content, equal digest."""

import hashlib
import json
from typing import Any


def json_sha256(content: Any) -> str:
    """Hex sha256 of the canonical JSON form: sorted keys, no spaces."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
