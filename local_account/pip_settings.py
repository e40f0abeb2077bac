"""What pip is told on this machine, for a pip that runs where the machine's files are not seen."""

import ast
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit


@cache
def pip_settings() -> dict[str, str]:
    """Return this machine's configuration of pip as the variables that say the same."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    listed = subprocess.run(command, capture_output=True, text=True)
    settings = {}
    for line in listed.stdout.splitlines():
        name, _, value = line.partition("=")
        section, _, option = name.rpartition(".")
        if section in ("global", "install", ":env:"):
            settings[f"PIP_{option.upper().replace('-', '_')}"] = str(ast.literal_eval(value))
    own = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    return {**settings, **own}


def pip_folders() -> list[str]:
    """Return the files and folders of this machine that its configuration of pip names."""
    words = (word for value in pip_settings().values() for word in value.split())
    paths = (unquote(urlsplit(w).path) if w.startswith("file://") else w for w in words)
    found = (path for path in paths if path.startswith("/") and Path(path).exists())
    # the files of an index are beside its folder `simple`
    return sorted({path.rstrip("/").removesuffix("/simple") or path for path in found})
