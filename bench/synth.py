"""How long the project takes to synthesize, beside an app of one resource.

``python -m bench.synth`` runs both in turns and prints the medians of five rounds and their
ratio; it ends with code 1 if the ratio by the clock misses its bar.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from mlops.node import tool_environment

ROOT = Path(__file__).resolve().parents[1]
MAXIMUM_RATIO = 1.5
# a stack of nothing is warned about: this is the least that is not
EMPTY = """
from aws_cdk import App, CfnWaitConditionHandle, Stack
app = App()
CfnWaitConditionHandle(Stack(app, "empty"), "Nothing")
app.synth()
"""
APPS = {"empty app": ["-c", EMPTY], "project": ["app.py"]}


class Cost(NamedTuple):
    """What one synthesis took: by the clock, and of all processors together."""

    wall_seconds: float
    cpu_seconds: float


def synthesize(arguments: list[str], folder: Path, environment: str) -> Cost:
    """Synthesize once, as the CDK CLI does."""
    context = json.loads((ROOT / "cdk.json").read_text())["context"] | {"env": environment}
    variables = {"CDK_OUTDIR": str(folder), "CDK_CONTEXT_JSON": json.dumps(context)}
    command = [sys.executable, *arguments]
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, cwd=ROOT, env=tool_environment() | variables, check=True)
    wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    return Cost(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def measure(rounds: int, environment: str) -> dict[str, list[Cost]]:
    """Run both apps in turns, so that what else the machine does slows both."""
    costs: dict[str, list[Cost]] = {name: [] for name in APPS}
    for _ in range(rounds + 1):  # the first fills caches
        for name, arguments in APPS.items():
            with tempfile.TemporaryDirectory() as folder:
                costs[name].append(synthesize(arguments, Path(folder), environment))
    return {name: found[1:] for name, found in costs.items()}


def median(costs: list[Cost]) -> Cost:
    """Return the medians of both."""
    return Cost(*(statistics.median(column) for column in zip(*costs, strict=True)))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--env", default="dev")
    options = parser.parse_args()
    costs = measure(options.rounds, options.env)
    medians = {name: median(found) for name, found in costs.items()}
    for name, (wall, cpu) in medians.items():
        print(f"{name:10} {wall:6.2f} s by the clock, {cpu:6.2f} s of processors")
    wall, cpu = (
        project / empty
        for project, empty in zip(medians["project"], medians["empty app"], strict=True)
    )
    passed = wall <= MAXIMUM_RATIO
    print(f"ratio {wall:.2f} by the clock, {cpu:.2f} of processors; at most {MAXIMUM_RATIO}")
    print(f"load of this machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    sys.exit(0 if passed else 1)


if __name__ == "__main__":
    main()
