"""What pip is told on this machine, for a pip that runs where the machine's files are not seen.

Only where packages come from and how they are fetched: nothing that names other files.
"""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import islice
from pathlib import Path
from urllib.parse import unquote, urlsplit

_INDEXES = frozenset({"PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL"})
_FILES = _INDEXES | {"PIP_FIND_LINKS", "PIP_CERT", "PIP_CLIENT_CERT"}
_KNOWN = _FILES | {
    *("PIP_NO_INDEX", "PIP_TRUSTED_HOST", "PIP_PROXY", "PIP_DEFAULT_TIMEOUT", "PIP_TIMEOUT"),
    *("PIP_RETRIES", "PIP_ONLY_BINARY", "PIP_NO_BINARY", "PIP_PREFER_BINARY"),
    "PIP_DISABLE_PIP_VERSION_CHECK",
}
_LINK = re.compile(r'href="([^"#?]+\.(?:whl|tar\.gz|zip))')
_PAGES = 50  # of an index: they all have their files in the same place


def pip_settings() -> dict[str, str]:
    """Return this machine's configuration of pip as the variables that say the same."""
    own = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    settings = {**_configured(), **own}
    return {name: value for name, value in settings.items() if name in _KNOWN}


@cache
def _configured() -> Mapping[str, str]:
    command = [sys.executable, "-m", "pip", "config", "list"]
    listed = subprocess.run(command, capture_output=True, text=True)
    settings = {}
    for line in listed.stdout.splitlines():
        name, _, value = line.partition("=")
        section, _, option = name.rpartition(".")
        if section in ("global", "install", ":env:"):
            settings[f"PIP_{option.upper().replace('-', '_')}"] = str(ast.literal_eval(value))
    return settings


def pip_folders() -> list[str]:
    """Return the files and folders of this machine that packages come from, and certificates."""
    found: set[str] = set()
    for name, value in pip_settings().items():
        for path in _paths(value) if name in _FILES else ():
            found.add(str(path))
            found.update(map(str, _beside(path) if name in _INDEXES else ()))
    return sorted(found)


def pip_secrets() -> list[str]:
    """Return what signs in to indexes and proxies, which no log may show."""
    words = (word for value in pip_settings().values() for word in value.split())
    found = [urlsplit(word) for word in words if "://" in word]
    secrets = [secret for url in found if (secret := url.password or url.username)]
    return [*secrets, *(unquote(secret) for secret in secrets if "%" in secret)]


def _paths(value: str) -> Iterator[Path]:
    for word in value.split():
        path = unquote(urlsplit(word).path) if word.startswith("file://") else word
        if path.startswith("/") and Path(path).exists():
            yield Path(path)


def _beside(index: Path) -> set[Path]:
    """Return the folders beside an index that its pages say its files are in."""
    beside = set()
    for page in islice(index.glob("*/index.html"), _PAGES):
        for link in _LINK.findall(page.read_text(errors="replace")):
            where = Path(os.path.normpath(page.parent / unquote(link)))
            if not where.is_relative_to(index) and where.is_relative_to(index.parent):
                beside.add(index.parent / where.relative_to(index.parent).parts[0])
    return beside
