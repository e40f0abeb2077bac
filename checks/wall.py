"""`make lint`: everything that is checked without running the project, side by side."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from checks import canary
from checks.acknowledgements import read
from checks.findings import CheckError, Finding
from checks.judge import AT_ONCE, judge
from checks.repository import bills_of_materials, secrets
from checks.scanners import ROOT
from checks.verdict import page_width, tell

BIN = Path(sys.executable).parent
ENVIRONMENTS = ("dev", "staging", "prod")
ASSEMBLIES = ROOT / "build" / "lint"
ACKNOWLEDGED = ROOT / "stacks" / "acknowledgements.toml"
TYPED = (
    *("app.py", "stacks", "lambdas", "model_code", "data", "mlops", "local_account"),
    *("checks", "bench", "docs", "tests"),
)


@dataclass(frozen=True)
class Outcome:
    """What a part said, and whether it passed."""

    name: str
    seconds: float
    output: str
    passed: bool


def main() -> int:
    """Run every part; print each one's seconds, and what did not pass."""
    begun = time.monotonic()
    parts: list[tuple[str, Callable[[], tuple[str, bool]]]] = [
        ("mypy --strict", lambda: _command("mypy", *TYPED)),
        ("synth", _synthesize),
        ("ruff check", lambda: _command("ruff", "check", ".")),
        ("ruff format", lambda: _command("ruff", "format", "--check", ".")),
        ("imports", lambda: _command("lint-imports", "--no-cache")),
        ("detect-secrets", _secrets),
        ("bills of materials", _bills),
    ]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        running = [pool.submit(_timed, name, part) for name, part in parts]
        outcomes = [_shown(each.result()) for each in running]
    if all(outcome.passed for outcome in outcomes if outcome.name == "synth"):
        outcomes.append(_shown(_timed("assemblies and canary", _assemblies)))
    failed = [outcome.name for outcome in outcomes if not outcome.passed]
    said = f"failed: {', '.join(failed)}" if failed else "passed"
    print(f"{time.monotonic() - begun:6.1f} s  all: {said}")
    return 1 if failed else 0


def _timed(name: str, part: Callable[[], tuple[str, bool]]) -> Outcome:
    begun = time.monotonic()
    try:
        output, passed = part()
    except CheckError as error:
        output, passed = f"error: {error}", False
    return Outcome(name, time.monotonic() - begun, output.strip(), passed)


def _shown(outcome: Outcome) -> Outcome:
    told = outcome.output.splitlines()
    print(f"{outcome.seconds:6.1f} s  {outcome.name}: {'passed' if outcome.passed else 'FAILED'}")
    # what passed says all in its last line
    for line in told[-1:] if outcome.passed and "acknowledged" not in outcome.output else told:
        print(f"          {line}".rstrip())
    sys.stdout.flush()
    return outcome


def _command(program: str, *arguments: str) -> tuple[str, bool]:
    return _run([str(BIN / program), *arguments])


def _run(command: Sequence[str]) -> tuple[str, bool]:
    paths = {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "lambdas")])}
    ended = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, **paths},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return ended.stdout, ended.returncode == 0


def _synthesize() -> tuple[str, bool]:
    """Synthesize each environment as `cdk deploy` would."""
    cdk = [sys.executable, "-m", "mlops.cdk", "synth", "--quiet"]
    for name in ENVIRONMENTS:
        output, passed = _run([*cdk, "-c", f"env={name}", "--output", str(ASSEMBLIES / name)])
        if not passed:
            return output, False
    return f"{', '.join(ENVIRONMENTS)} in {ASSEMBLIES.relative_to(ROOT)}", True


def _secrets() -> tuple[str, bool]:
    found = list(secrets(ROOT))
    lines = [f"{each.place}: {each.rule}" for each in found]
    return "\n".join([*lines, f"{len(found)} findings"]), not found


def _bills() -> tuple[str, bool]:
    made = bills_of_materials(ROOT, ROOT / "build" / "sbom")
    return f"{len(made)} valid CycloneDX documents in build/sbom", True


def _assemblies() -> tuple[str, bool]:
    """Judge the three environments, and the canary beside them."""
    judgement = judge([*(ASSEMBLIES / name for name in ENVIRONMENTS), canary.ASSEMBLY])
    mistakes = list(canary.differences(filter(_is_canary, judgement.findings)))
    own = judgement.without(_is_canary)
    output, passed = tell(own, read(ACKNOWLEDGED), unused=True, width=page_width())
    sings = mistakes or ["the canary's mistakes, and no others, were found in it"]
    return "\n".join([*sings, output]), passed and not mistakes


def _is_canary(finding: Finding) -> bool:
    return finding.stack == canary.STACK


if __name__ == "__main__":
    sys.exit(main())
