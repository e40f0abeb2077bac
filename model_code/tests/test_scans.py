"""When a scan stops an image: critical, with a fix, and not allowed today."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from model_code.pipeline.allowed import Allowance, read_allowed
from model_code.pipeline.errors import PipelineError
from model_code.pipeline.scans import (
    LIMIT_SECONDS,
    Finding,
    entries,
    refusal,
    stopping,
    wait_for_findings,
)
from model_code.tests.aws import DIGESTS, FakeAws
from model_code.tests.conftest import REPOSITORY

TODAY = date(2026, 6, 1)
ENTRY = '[[allowed]]\nid = "CVE-1"\nuntil = 2026-06-01\nreason = "not reached"\n'


def wait(aws: Any) -> tuple[list[Finding], float]:
    pauses: list[float] = []
    return wait_for_findings(aws, "models", DIGESTS[0], pauses.append), sum(pauses)


def test_a_scan_is_awaited() -> None:
    aws = FakeAws()
    aws.statuses = ["none", "PENDING", "IN_PROGRESS", "COMPLETE"]
    assert wait(aws) == ([], 3.5)


@pytest.mark.parametrize("status", ["FAILED", "UNSUPPORTED_IMAGE"])
def test_a_scan_without_result_stops_the_image(status: str) -> None:
    aws = FakeAws()
    aws.statuses = [status]
    with pytest.raises(PipelineError, match=rf"ended as {status} \(as told\)"):
        wait(aws)


@pytest.mark.parametrize("status", ["none", "IN_PROGRESS"])
def test_a_scan_that_does_not_end_stops_the_image(status: str) -> None:
    aws = FakeAws()
    aws.statuses = [status]
    with pytest.raises(PipelineError, match=f"no result after {LIMIT_SECONDS} s .status {status}"):
        wait(aws)


def test_findings_of_both_kinds_of_scan_are_read() -> None:
    aws = FakeAws()
    attributes = [
        {"key": "package_name", "value": "openssl"},
        {"key": "package_version", "value": "3.0"},
    ]
    aws.findings = [{"name": "CVE-1", "severity": "HIGH", "attributes": attributes}]
    details = {
        "vulnerabilityId": "CVE-2",
        "vulnerablePackages": [{"name": "numpy", "version": "2.0"}],
    }
    aws.enhanced = [
        {"severity": "LOW", "fixAvailable": fix, "packageVulnerabilityDetails": details}
        for fix in ("YES", "PARTIAL", "NO")
    ]
    found, _ = wait(aws)
    assert found == [
        Finding("CVE-1", "HIGH", "openssl 3.0", None),
        Finding("CVE-2", "LOW", "numpy 2.0", True),
        Finding("CVE-2", "LOW", "numpy 2.0", True),
        Finding("CVE-2", "LOW", "numpy 2.0", False),
    ]


@pytest.mark.parametrize(
    ("severity", "has_fix", "stops"),
    [
        ("CRITICAL", True, True),
        ("CRITICAL", None, True),
        ("CRITICAL", False, False),
        ("HIGH", True, False),
    ],
)
def test_a_critical_finding_that_may_have_a_fix_stops_the_image(
    severity: str, has_fix: bool | None, stops: bool
) -> None:
    finding = Finding("CVE-1", severity, "numpy 2.0", has_fix)
    assert stopping([finding], {}, TODAY) == ([finding] if stops else [])


def test_an_allowed_finding_stops_again_after_its_last_day() -> None:
    finding = Finding("CVE-1", "CRITICAL", "numpy 2.0", True)
    allowed = {"CVE-1": Allowance("CVE-1", TODAY, "not reached")}
    assert stopping([finding], allowed, TODAY) == []
    assert stopping([finding], allowed, date(2026, 6, 2)) == [finding]
    refused = str(refusal([finding], allowed, "tag"))
    assert refused.startswith("tag: critical finding CVE-1 in numpy 2.0, with a fix; its entry in ")
    assert "ended on 2026-06-01 (1 such)" in refused
    assert "enhanced" not in refused


def test_who_scans_basically_is_told_what_tells_of_fixes() -> None:
    finding = Finding("CVE-1", "CRITICAL", "numpy 2.0", None)
    refused = str(refusal([finding, finding], {}, "tag"))
    assert "perhaps with a fix (basic scanning does not tell; ECR's enhanced" in refused
    assert "(2 such)" in refused
    assert "\n" not in refused


def test_entries_are_ready_to_paste_below_what_is_there(tmp_path: Path) -> None:
    found = [
        Finding("CVE-2", "CRITICAL", "openssl 3", True),
        Finding("CVE-3", "CRITICAL", "zlib 1", None),
        Finding("CVE-3", "CRITICAL", "zlib 1", None),
    ]
    (tmp_path / "list.toml").write_text(ENTRY + entries(found, TODAY))
    allowed = read_allowed(tmp_path / "list.toml")
    assert list(allowed) == ["CVE-1", "CVE-2", "CVE-3"]
    assert allowed["CVE-2"].reason == "accepted on 2026-06-01, although there is a fix"
    assert allowed["CVE-3"].reason == "accepted on 2026-06-01, not knowing of a fix"
    assert stopping(found, allowed, date(2026, 7, 1)) == []
    assert stopping(found, allowed, date(2026, 7, 2)) == found


def test_the_list_is_read(tmp_path: Path) -> None:
    (tmp_path / "list.toml").write_text(ENTRY)
    assert read_allowed(tmp_path / "list.toml") == {
        "CVE-1": Allowance("CVE-1", TODAY, "not reached")
    }
    assert read_allowed(REPOSITORY / "scan-allowed.toml") is not None


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("until = 2026-06-01\n", "", "expected id, until"),
        ("2026-06-01", '"2026-06-01"', "expected id, until"),
        ("2026-06-01", "2026-06-01T00:00:00", "expected id, until"),
        ('reason = "not reached"', 'reason = ""', "expected id, until"),
        ("allowed", "alowed", "'alowed', expected"),
        ("[[allowed]]", "[[allowed", "no TOML"),
    ],
)
def test_an_entry_without_end_or_reason_is_refused(
    tmp_path: Path, old: str, new: str, expected: str
) -> None:
    (tmp_path / "list.toml").write_text(ENTRY.replace(old, new))
    with pytest.raises(PipelineError, match=rf"list\.toml.*{expected}"):
        read_allowed(tmp_path / "list.toml")
