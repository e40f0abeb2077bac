"""What is in the repository besides code: no secrets, and a bill of materials of every lock."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

from checks.findings import CheckError, Finding

BIN = Path(sys.executable).parent
GENERATED = re.compile(r"(\.lock|package-lock\.json|tests/account/moto_sources\.json)$")
FIXTURES = re.compile(r"^tests/unit/lambdas/events/")
"""Sample events, full of made-up digests and identifiers."""
DIGESTS = "^(sha256:)?([0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{64})$"


def secrets(root: Path) -> Iterator[Finding]:
    """Yield what looks like a secret in a file of the repository, committed or about to be.

    A line that only looks so ends with `pragma: allowlist secret`.
    """
    listed = _run(["git", "ls-files", "-co", "--exclude-standard"], root).split("\n")
    files = [name for name in listed if name and (root / name).is_file()]
    scanned = [name for name in files if not (GENERATED.search(name) or FIXTURES.match(name))]
    scan = [str(BIN / "detect-secrets"), "scan", "--no-verify", "--exclude-secrets", DIGESTS]
    found = json.loads(_run([*scan, *scanned], root))["results"]
    for name, problems in found.items():
        for each in problems:
            place = f"{name}:{each['line_number']}"
            yield Finding("detect-secrets", each["type"], "", place, "a secret", "none")


def bills_of_materials(root: Path, folder: Path) -> list[Path]:
    """Write a CycloneDX bill of materials of each lock file that has changed; return them all.

    Raises
    ------
    CheckError
        If one cannot be made, or is not valid.
    """
    folder.mkdir(parents=True, exist_ok=True)
    locks = sorted([*root.glob("requirements/*.lock"), *root.glob("*/requirements*.lock")])
    made = []
    for lock in dict.fromkeys([*locks, root / "package-lock.json"]):
        bill = folder / f"{'-'.join(lock.relative_to(root).with_suffix('').parts)}.json"
        if not bill.is_file() or bill.stat().st_mtime < lock.stat().st_mtime:
            bill.write_text(_of_npm(lock) if lock.suffix == ".json" else _of_python(lock, root))
            _validate(bill)
        made.append(bill)
    return made


def _of_python(lock: Path, root: Path) -> str:
    options = ["--output-reproducible", "--of", "JSON", "--no-validate"]
    return _run([str(BIN / "cyclonedx-py"), "requirements", str(lock), *options], root)


def _of_npm(lock: Path) -> str:
    packages = json.loads(lock.read_bytes())["packages"]
    bom = Bom()
    for place, package in packages.items():
        if place:
            name, version = place.rpartition("node_modules/")[2], package["version"]
            group, _, short = name.rpartition("/")
            purl = PackageURL("npm", group or None, short, version)
            bom.components.add(
                Component(
                    name=short,
                    group=group or None,
                    version=version,
                    purl=purl,
                    type=ComponentType.LIBRARY,
                    bom_ref=str(purl),
                )
            )
    return str(JsonV1Dot6(bom).output_as_string(indent=2))


def _validate(bill: Path) -> None:
    version = json.loads(bill.read_bytes())["specVersion"]
    schema = SchemaVersion.from_version(version)
    if problem := JsonStrictValidator(schema).validate_str(bill.read_text("utf-8")):
        bill.unlink()
        raise CheckError(f"{bill}: {problem}; expected a valid CycloneDX document")


def _run(command: list[str], root: Path) -> str:
    ended = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        said = (ended.stderr.strip() or f"it ended with {ended.returncode}").splitlines()[-1]
        raise CheckError(f"{Path(command[0]).name} {command[1]}: {said}")
    return ended.stdout
