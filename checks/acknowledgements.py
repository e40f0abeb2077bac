"""The one table of findings that are as they should be, each on one resource with a reason."""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from checks.findings import CheckError, Finding

FIELDS = {"tool", "rule", "resource", "reason"}
MOST_ROWS = 25
SHORTEST_REASON = 40


@dataclass(frozen=True)
class Acknowledgement:
    """A finding of one tool's rule on one resource, whatever its stack is called."""

    tool: str
    rule: str
    resource: str
    reason: str

    def covers(self, finding: Finding) -> bool:
        """Tell whether it is this finding."""
        found = (finding.tool, finding.rule, finding.resource)
        return found == (self.tool, self.rule, self.resource)


@dataclass(frozen=True)
class Sorted:
    """Findings that stand, and the rows of the table that took others away, or none."""

    standing: list[Finding]
    used: list[Acknowledgement]
    unused: list[Acknowledgement]


def read(path: Path) -> list[Acknowledgement]:
    """Read the table.

    Raises
    ------
    CheckError
        If it is longer than it may be, or a row is incomplete, has a wildcard or no real reason.
    """
    rows = tomllib.loads(path.read_text("utf-8")).get("acknowledged", [])
    if len(rows) > MOST_ROWS:
        raise CheckError(f"{path}: {len(rows)} rows; expected at most {MOST_ROWS}")
    for index, row in enumerate(rows, start=1):
        if row.keys() != FIELDS:
            raise CheckError(f"{path}: row {index} has {sorted(row)}; expected {sorted(FIELDS)}")
        if "*" in row["resource"] or len(row["reason"]) < SHORTEST_REASON:
            raise CheckError(f"{path}: row {index}: expected one resource and a real reason")
    found = [Acknowledgement(**row) for row in rows]
    if len({(row.tool, row.rule, row.resource) for row in found}) < len(found):
        raise CheckError(f"{path}: a row is there twice; expected each once")
    return found


def sort(findings: Sequence[Finding], table: Sequence[Acknowledgement]) -> Sorted:
    """Take away what is acknowledged."""
    used = {row for row in table for finding in findings if row.covers(finding)}
    standing = [each for each in findings if not any(row.covers(each) for row in table)]
    return Sorted(
        standing, [row for row in table if row in used], [row for row in table if row not in used]
    )
