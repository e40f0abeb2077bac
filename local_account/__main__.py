"""Run the embedded account in the foreground: `python -m local_account --state DIR`."""

import argparse
import signal
import sys
from pathlib import Path
from types import FrameType

from local_account.server import Options, describe, run
from local_account.service import Account


def _options(arguments: list[str]) -> Options:
    parser = argparse.ArgumentParser(prog="local_account", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="loopback port (default: a free one)")
    parser.add_argument("--state", type=Path, required=True, help="folder for state, ephemeral")
    parser.add_argument("--lambda-python", type=Path, default=Path(sys.executable))
    parser.add_argument("--lambda-native-packages", type=Path, required=True)
    parser.add_argument(
        "--cache", type=Path, required=True, help="folder for environments and layers, kept"
    )
    parsed = parser.parse_args(arguments)
    return Options(
        parsed.port,
        parsed.state.resolve(),
        parsed.lambda_python.absolute(),
        parsed.lambda_native_packages.resolve(),
        parsed.cache.resolve(),
    )


def _stop(signum: int, frame: FrameType | None) -> None:
    raise SystemExit(0)


def main() -> None:
    """Serve until told to stop; `account.json` in the state folder says where."""
    options = _options(sys.argv[1:])
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, _stop)
    contact = options.state / "account.json"

    def ready(account: Account) -> None:
        written = contact.with_suffix(".new")
        written.touch(mode=0o600)
        written.write_text(describe(account))
        written.rename(contact)
        print(f"account {account.account_id} {account.region} ready at {account.url}", flush=True)

    try:
        run(options, ready)
    finally:
        contact.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
