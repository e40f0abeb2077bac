"""Bills of materials: what an image's lock file installs, as CycloneDX documents.

They list Python packages only. What the base image brings, Python and the system's packages, is
named by its digest in ``base-image.lock``; the scan of the registry looks into it.
"""

from collections.abc import Iterator
from pathlib import Path

from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL
from packaging.requirements import InvalidRequirement, Requirement

from .errors import PipelineError


def write_bill(lock: Path, bill: Path) -> int:
    """Write the bill of a lock file and return how many packages it lists.

    Markers are judged by this interpreter: a test keeps the buildspecs' `runtime-versions` at the
    Python of the base image.

    Raises
    ------
    PipelineError
        If an entry is not locked to one version with hashes, or the document is not valid.
    """
    bom = Bom()
    for requirement, locked in _installed(lock):
        bom.components.add(_component(lock, requirement, locked))
    if not bom.components:
        raise PipelineError(f"{lock} installs nothing here; expected at least 1 package.")
    text = JsonV1Dot6(bom).output_as_string(indent=2)
    if problem := JsonStrictValidator(SchemaVersion.V1_6).validate_str(text):
        raise PipelineError(f"{bill}: {problem}; expected a valid CycloneDX document.")
    bill.write_text(text, "utf-8")
    return len(bom.components)


def _installed(lock: Path) -> Iterator[tuple[Requirement, bool]]:
    lines = lock.read_text("utf-8").replace("\\\n", " ").splitlines()
    for line in lines:
        entry = line.partition(" #")[0].strip()
        if not entry or entry.startswith("#"):
            continue
        try:
            requirement = Requirement(entry.partition(" --hash")[0].strip())
        except InvalidRequirement as error:
            raise PipelineError(f"{lock}: found {entry[:80]!r}, expected name==version.") from error
        if requirement.marker is None or requirement.marker.evaluate():
            yield requirement, " --hash=sha256:" in entry


def _component(lock: Path, requirement: Requirement, locked: bool) -> Component:
    pins = [each.version for each in requirement.specifier if each.operator == "=="]
    if len(pins) != 1 or not locked:
        raise PipelineError(
            f"{lock}: {requirement.name} is not locked to one version with hashes; lock it anew."
        )
    return Component(
        type=ComponentType.LIBRARY,
        name=requirement.name,
        version=pins[0],
        purl=PackageURL("pypi", None, requirement.name, pins[0]),
        bom_ref=f"{requirement.name}=={pins[0]}",
    )
