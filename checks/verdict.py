"""What is said of a judgement: findings as a table, acknowledgements, times."""

import io
from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from checks.acknowledgements import Acknowledgement, sort
from checks.findings import Finding
from checks.judge import Judgement
from checks.judged_elsewhere import JUDGED_ELSEWHERE

COLUMNS = ("tool", "rule", "stack / resource", "found", "expected")
WIDTH = 180


def tell(
    judgement: Judgement, table: Sequence[Acknowledgement], *, unused: bool, width: int = WIDTH
) -> tuple[str, bool]:
    """Return the words, and whether nothing is wrong; `unused` rows of the table may be wrong."""
    outcome = sort(judgement.findings, table)
    lines = [_table(outcome.standing, width)] if outcome.standing else []
    for row in outcome.used:
        lines.append(f"acknowledged: {row.tool} {row.rule} {row.resource}: {row.reason}")
    stale = outcome.unused if unused else []
    for row in stale:
        place = f"{row.tool} {row.rule} {row.resource}"
        lines.append(f"acknowledged, yet not found: {place}; expected a finding. Remove the row.")
    taken = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in judgement.seconds.items())
    lines += [
        f"tools: {taken}",
        f"rules judged by others: {', '.join(rule for _, rule in JUDGED_ELSEWHERE)}",
        f"NIST 800-53 R5, reported only: {len(judgement.reported_only)}",
        f"{len(outcome.standing)} findings, {len(outcome.used)} acknowledged",
    ]
    return "\n".join(lines), not outcome.standing and not stale


def _table(findings: Sequence[Finding], width: int) -> str:
    table = Table(box=box.SIMPLE_HEAD, show_lines=True, pad_edge=False)
    for column in COLUMNS:
        table.add_column(column, overflow="fold")
    for each in findings:
        row = (each.tool, each.rule, each.place, each.found, each.expected)
        table.add_row(*map(escape, row))
    text = io.StringIO()
    Console(file=text, width=width).print(table)
    return "\n".join(line for line in text.getvalue().splitlines() if line.strip())
