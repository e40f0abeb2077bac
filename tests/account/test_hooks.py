"""The callables of moto that the account replaces are the ones it was written against."""

import hashlib
import inspect
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = Path(__file__).with_name("moto_sources.json")


def _digest(original: Any) -> str:
    function = getattr(original, "__func__", original)
    try:
        text = inspect.getsource(function)
    except TypeError:
        text = getattr(function, "__name__", repr(function))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _installed() -> dict[str, str]:
    """Install the hooks in a process of their own, and digest what they replaced."""
    done = subprocess.run(
        [sys.executable, __file__], cwd=ROOT, capture_output=True, text=True, check=True
    )
    digests: dict[str, str] = json.loads(done.stdout)
    return digests


def test_each_replaced_callable_of_moto_is_the_one_the_hook_was_written_against() -> None:
    assert _installed() == json.loads(SOURCES.read_text()), (
        f"moto's code has changed under a hook: read both, then `{sys.executable} {__file__} "
        f"> {SOURCES}`"
    )


def test_another_version_of_moto_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    import moto

    from local_account.hooks.replace import require_version

    require_version()
    monkeypatch.setattr(moto, "__version__", "5.2.6")
    with pytest.raises(SystemExit, match=r"moto 5\.2\.6 is installed.*5\.2\.5.*make"):
        require_version()


def _main() -> None:
    sys.path.insert(0, str(ROOT))
    from local_account import hooks
    from local_account.hooks.replace import REPLACED
    from local_account.service import Account
    from local_account.services.lambda_runtime import LambdaRuntime

    account = Account(
        "123456789012", "us-east-1", "http://127.0.0.1:1", "key", "secret", ROOT, ROOT
    )
    runtime = LambdaRuntime(account, Path(sys.executable), ROOT, lambda *_: None)
    hooks.install(account, runtime).close()
    runtime.close()
    json.dump({name: _digest(original) for name, original in sorted(REPLACED.items())}, sys.stdout)


if __name__ == "__main__":
    _main()
