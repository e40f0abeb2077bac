"""What is said of a judgement: findings as a table, acknowledgements, times."""

import io
import shutil
import sys
from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from checks.acknowledgements import Acknowledgement, sort
from checks.judge import Judgement
from checks.judged_elsewhere import JUDGED_ELSEWHERE

COLUMNS = ("tool", "rule", "stack / resource", "found", "expected")
WIDTH = 180
NARROWEST = 100


def page_width() -> int | None:
    """Return a terminal's columns, or None where output goes elsewhere: it is not to wrap."""
    if not sys.stdout.isatty():
        return None
    return max(NARROWEST, shutil.get_terminal_size((WIDTH, 1)).columns)


def tell(
    judgement: Judgement, table: Sequence[Acknowledgement], *, unused: bool, width: int | None
) -> tuple[str, bool]:
    """Return the words, and whether nothing is wrong; `unused` rows of the table may be wrong.

    Without a width each finding is one line, its columns apart by tabs.
    """
    outcome = sort(judgement.findings, table)
    lines = []
    if outcome.standing:
        rows = [
            (each.tool, each.rule, each.place, each.found, each.expected)
            for each in outcome.standing
        ]
        lines.append(_lines(rows) if width is None else _table(rows, width))
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


def _lines(rows: Sequence[Sequence[str]]) -> str:
    return "\n".join("\t".join(" ".join(cell.split()) for cell in row) for row in (COLUMNS, *rows))


def _table(rows: Sequence[Sequence[str]], width: int) -> str:
    table = Table(box=box.SIMPLE_HEAD, show_lines=True, pad_edge=False)
    for column in COLUMNS:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*map(escape, row))
    text = io.StringIO()
    Console(file=text, width=width).print(table)
    return "\n".join(line for line in text.getvalue().splitlines() if line.strip())
