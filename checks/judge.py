"""Everything that looks at cloud assemblies, run together; two at a time, as they compute."""

import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from checks import own_rules, scanners
from checks.assembly import load
from checks.findings import CheckError, Finding
from checks.judged_elsewhere import JUDGED_ELSEWHERE

AT_ONCE = 2


@dataclass(frozen=True)
class Judgement:
    """What was found, what is only counted, and how long each tool took, in seconds."""

    findings: list[Finding]
    reported_only: list[Finding]
    seconds: dict[str, float]

    def without(self, is_left_out: Callable[[Finding], bool]) -> "Judgement":
        """Return what is left when some findings are left out."""
        findings = [each for each in self.findings if not is_left_out(each)]
        counted = [each for each in self.reported_only if not is_left_out(each)]
        return Judgement(findings, counted, self.seconds)


def judge(folders: Sequence[Path]) -> Judgement:
    """Judge cloud assemblies, or folders of templates, by every tool.

    A tool that cannot do its work is a finding: it takes no other's findings away.

    Raises
    ------
    CheckError
        If a folder has no templates, or one that cannot be read.
    """
    assemblies = [load(folder) for folder in folders]
    reported_only: list[Finding] = []
    seconds: dict[str, float] = {}

    def timed(name: str, find: Callable[[], Iterable[Finding]]) -> list[Finding]:
        begun = time.monotonic()
        try:
            found = list(find())
        except CheckError as error:
            found = [_unable(name, error)]
        seconds[name] = time.monotonic() - begun
        return found

    def nag() -> list[Finding]:
        nonlocal reported_only
        found, reported_only = scanners.cdk_nag(copied)
        return found

    with tempfile.TemporaryDirectory() as scratch, ThreadPoolExecutor(AT_ONCE) as pool:
        copied = scanners.copies(assemblies, Path(scratch).resolve())
        parts: dict[str, Callable[[], Iterable[Finding]]] = {
            "cdk-nag": nag,
            "checkov": lambda: scanners.checkov(copied),
            "cfn-lint": lambda: scanners.cfn_lint(copied),
            "asl-validator": lambda: scanners.asl_validator(assemblies),
            "checks": lambda: (each for one in assemblies for each in own_rules.find(one)),
        }
        running = [pool.submit(timed, name, find) for name, find in parts.items()]
        found = [finding for part in running for finding in part.result()]
    standing = {finding for finding in found if not _is_judged_elsewhere(finding)}
    return Judgement(sorted(standing), reported_only, seconds)


def _unable(tool: str, error: CheckError) -> Finding:
    expected = "a tool that does its work: it judged nothing"
    return Finding(tool, "not-judged", "", "every template", str(error), expected)


def _is_judged_elsewhere(finding: Finding) -> bool:
    return (finding.tool, finding.rule.partition("[")[0]) in JUDGED_ELSEWHERE
