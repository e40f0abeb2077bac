"""What ECR found in an image, and whether it may be used with that."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from .allowed import Allowance
from .errors import PipelineError

if TYPE_CHECKING:
    from mypy_boto3_ecr import ECRClient

LIMIT_SECONDS = 600
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.5, 5.0
ENDED = ("COMPLETE", "ACTIVE")
ENDED_WITHOUT_RESULT = (
    *("FAILED", "UNSUPPORTED_IMAGE", "SCAN_ELIGIBILITY_EXPIRED"),
    *("FINDINGS_UNAVAILABLE", "LIMIT_EXCEEDED", "IMAGE_ARCHIVED", "IMAGE_SIZE_EXCEEDED"),
)
CRITICAL = "CRITICAL"
ALLOWED_DAYS = 30


@dataclass(frozen=True)
class Finding:
    """A vulnerability; `has_fix` is None where the scan does not tell."""

    id: str
    severity: str
    package: str
    has_fix: bool | None


def wait_for_findings(
    ecr: "ECRClient",
    repository: str,
    digest: str,
    pause: Callable[[float], None] = time.sleep,
) -> list[Finding]:
    """Return what the scan of an image found, once it has ended.

    Raises
    ------
    PipelineError
        If it ended without a result, or has none within the limit.
    """
    waited, seconds = 0.0, FIRST_PAUSE_SECONDS
    while True:
        status, description, found = _scan(ecr, repository, digest)
        if status in ENDED:
            return found
        if status in ENDED_WITHOUT_RESULT:
            raise PipelineError(
                f"The scan of {digest} ended as {status} ({description}); expected a result. Look "
                "at the repository's scan settings, then retry the stage."
            )
        if waited >= LIMIT_SECONDS:
            raise PipelineError(
                f"The scan of {digest} has no result after {LIMIT_SECONDS} s (status {status}); "
                "expected the repository to scan on push. Retry the stage."
            )
        pause(seconds)
        waited += seconds
        seconds = min(2 * seconds, LONGEST_PAUSE_SECONDS)


def stopping(
    findings: Iterable[Finding], allowed: Mapping[str, Allowance], today: date
) -> list[Finding]:
    """Return the critical findings that neither are without a fix nor are allowed today.

    A scan that does not tell of fixes (ECR's basic one) is taken at its worst.
    """
    return [
        finding
        for finding in findings
        if finding.severity == CRITICAL
        and finding.has_fix is not False
        and not (finding.id in allowed and today <= allowed[finding.id].until)
    ]


def entries(found: Iterable[Finding], today: date) -> str:
    """Return what `scan-allowed.toml` needs for these to pass, for a month, ready to paste."""
    until = today + timedelta(days=ALLOWED_DAYS)
    reasons = {
        finding.id: f"accepted on {today}, "
        + ("although there is a fix" if finding.has_fix else "not knowing of a fix")
        for finding in found
    }
    return "\n".join(
        f'[[allowed]]\nid = "{name}"\nuntil = {until}\nreason = "{reason}"\n'
        for name, reason in reasons.items()
    )


def refusal(found: list[Finding], allowed: Mapping[str, Allowance], image: str) -> PipelineError:
    """Make the error for an image that findings stop; the entries are for the log before it."""
    first = found[0]
    outdated = allowed.get(first.id)
    ended = f"; its entry in scan-allowed.toml ended on {outdated.until}" if outdated else ""
    known = "with a fix"
    if first.has_fix is None:
        known = "perhaps with a fix (basic scanning does not tell; ECR's enhanced scanning does)"
    return PipelineError(
        f"{image}: critical finding {first.id} in {first.package}, {known}{ended} ({len(found)} "
        "such). Update the package or the base image, or add the [[allowed]] entries above to "
        "scan-allowed.toml, and push that as a new commit."
    )


def _scan(ecr: "ECRClient", repository: str, digest: str) -> tuple[str, str, list[Finding]]:
    pages = ecr.get_paginator("describe_image_scan_findings").paginate(
        repositoryName=repository, imageId={"imageDigest": digest}
    )
    status, description, found = "none", "no description", list[Finding]()
    try:
        for page in pages:
            scan = page.get("imageScanStatus", {})
            status = scan.get("status", status)
            description = scan.get("description", description)
            found += _findings(page.get("imageScanFindings", {}))
    except ecr.exceptions.ScanNotFoundException:
        return "none", description, []
    return status, description, found


def _findings(content: Mapping[str, Any]) -> Iterator[Finding]:
    for basic in content.get("findings", []):
        attributes = {each["key"]: each.get("value", "") for each in basic.get("attributes", [])}
        names = (attributes.get(f"package_{name}", "") for name in ("name", "version"))
        package = " ".join(filter(None, names)) or "an unnamed package"
        yield Finding(basic["name"], basic["severity"], package, None)
    for enhanced in content.get("enhancedFindings", []):
        details = enhanced.get("packageVulnerabilityDetails", {})
        packages = details.get("vulnerablePackages", [])
        named = [f"{each['name']} {each.get('version', '')}".strip() for each in packages]
        yield Finding(
            details.get("vulnerabilityId", enhanced.get("title", "unnamed")),
            enhanced["severity"],
            ", ".join(named) or "an unnamed package",
            enhanced.get("fixAvailable", "YES") != "NO",
        )
