"""The one table: one resource and a reason a row, and no row without a finding."""

from pathlib import Path

import pytest

from checks.acknowledgements import Acknowledgement, read, sort
from checks.findings import CheckError
from checks.judge import Judgement
from checks.verdict import COLUMNS, WIDTH, tell
from tests.unit.checks.factories import finding

REASON = "A reason that says why this is as it should be here."
ROW = """
[[acknowledged]]
tool = "{tool}"
rule = "r"
resource = "{resource}"
reason = "{reason}"
"""


def row(tool: str = "t", resource: str = "R", reason: str = REASON) -> str:
    return ROW.format(tool=tool, resource=resource, reason=reason)


def table(folder: Path, text: str) -> list[Acknowledgement]:
    path = folder / "table.toml"
    path.write_text(text)
    return read(path)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (row(resource="R*"), "one resource"),
        (row(reason="because"), "real reason"),
        (row() + row(), "twice"),
        ('[[acknowledged]]\ntool = "t"\n', "row 1 has"),
        ("".join(row(resource=f"R{index}") for index in range(26)), "at most 25"),
    ],
)
def test_a_table_that_says_too_little_or_too_much_is_refused(
    tmp_path: Path, text: str, problem: str
) -> None:
    with pytest.raises(CheckError, match=problem):
        table(tmp_path, text)


def test_a_row_takes_one_finding_of_one_resource_away(tmp_path: Path) -> None:
    rows = table(tmp_path, row() + row(resource="Gone"))
    of_another = finding(resource="Other")
    outcome = sort([finding(), finding(stack="s2"), of_another], rows)
    assert outcome.standing == [of_another]
    assert [each.resource for each in outcome.used] == ["R"]
    assert [each.resource for each in outcome.unused] == ["Gone"]


def test_the_verdict_prints_findings_and_reasons_and_fails_on_unused_rows(tmp_path: Path) -> None:
    rows = table(tmp_path, row() + row(resource="Gone"))
    clean = Judgement([finding()], [], {"t": 1.0})
    words, passed = tell(clean, rows, unused=True, width=WIDTH)
    assert not passed
    assert "acknowledged, yet not found: t r Gone" in words
    assert f"acknowledged: t r R: {REASON}" in words
    assert tell(clean, rows, unused=False, width=WIDTH)[1]
    wrong = Judgement([finding(rule="IAM5[Resource::*]", found="this", expected="that")], [], {})
    words, passed = tell(wrong, rows, unused=False, width=WIDTH)
    assert not passed
    shown = next(line for line in words.splitlines() if "IAM5" in line)
    assert shown.split() == ["t", "IAM5[Resource::*]", "s", "/", "R", "this", "that"]


def test_without_a_terminal_a_finding_is_one_line_however_long() -> None:
    name = "A" * 300
    wrong = Judgement([finding(resource=name, found="this\n  and that")], [], {})
    words, passed = tell(wrong, [], unused=False, width=None)
    assert not passed
    assert words.splitlines()[0].split("\t") == list(COLUMNS)
    assert words.splitlines()[1].split("\t")[2:4] == [f"s / {name}", "this and that"]
