"""``python -m model_code train|serve|validate|evaluate``: what the container is started with."""

import argparse
import os
import signal
from collections.abc import Sequence
from types import FrameType

from model_code.runtime.failure import FailureReport
from model_code.runtime.paths import Paths

COMMANDS = ("train", "serve", "validate", "evaluate")
STOPPED_BY_SIGTERM = 128 + signal.SIGTERM


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command; an error ends the process with one line and exit code 1."""
    options = _parser().parse_args(arguments)
    paths = Paths.from_environment()
    _handle_sigterm(0 if options.command == "serve" else STOPPED_BY_SIGTERM)
    failure_file = {
        "train": paths.failure,
        "validate": paths.message,
        "evaluate": paths.message,
    }.get(options.command)
    with FailureReport(failure_file, options.debug):
        _run(options.command, paths)


def _run(command: str, paths: Paths) -> None:
    """Import what the command needs and nothing else: start-up is most of a small job."""
    if command == "train":
        from model_code.app import model
        from model_code.runtime.train import train

        train(paths, model)
    elif command == "serve":
        _serve_with_one_thread(paths)
    elif command == "validate":
        from model_code.runtime.validate import validate

        validate(paths)
    else:
        from model_code.runtime.evaluate import evaluate

        evaluate(paths)


def _serve_with_one_thread(paths: Paths) -> None:
    # Read when the libraries are loaded. More threads make one row slower, not faster.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("POLARS_MAX_THREADS", "1")
    from model_code.runtime.serve import serve

    serve(paths)


def _handle_sigterm(exit_code: int) -> None:
    """Process 1 of a container ignores signals that it does not handle."""

    def stop(signal_number: int, frame: FrameType | None) -> None:
        raise SystemExit(exit_code)

    signal.signal(signal.SIGTERM, stop)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="model_code", description="Runs one container command.")
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("--debug", action="store_true", help="print tracebacks")
    return parser


if __name__ == "__main__":
    main()
