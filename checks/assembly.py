"""A cloud assembly, or a folder of templates, and how to look into it."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from checks.findings import OWN, CheckError, Finding
from checks.intrinsics import resolve

UNKNOWN_ENVIRONMENT = "aws://unknown-account/unknown-region"
SUFFIXES = {".json", ".yaml", ".yml", ".template"}
STACK, NESTED = "aws:cloudformation:stack", "cdk:cloud-assembly"


@dataclass(frozen=True)
class Resource:
    """A resource of a template, with its properties as they are written and resolved."""

    template: "Template"
    logical_id: str
    type: str
    body: Mapping[str, Any]

    @cached_property
    def properties(self) -> dict[str, Any]:
        """What the functions in its properties come to."""
        resolved: dict[str, Any] = resolve(self.body.get("Properties") or {}, self.template)
        return resolved

    def get(self, *path: str) -> Any:
        """Return a resolved property by its path, or None."""
        found: Any = self.properties
        for name in path:
            found = found.get(name) if isinstance(found, dict) else None
        return found

    def finding(self, rule: str, found: str, expected: str, part: str = "") -> Finding:
        """Say what is wrong with it, or with a named part of it."""
        place = f"{self.logical_id}/{part}" if part else self.logical_id
        return Finding(OWN, rule, self.template.name, place, found, expected)


@dataclass(eq=False)
class Template:
    """One template of the assembly."""

    name: str
    path: Path
    body: Mapping[str, Any]
    environment: str
    assembly: "Assembly" = field(repr=False)

    @cached_property
    def resources(self) -> list[Resource]:
        """Every resource."""
        described = self.body.get("Resources") or {}
        return [Resource(self, name, each["Type"], each) for name, each in described.items()]

    def of_type(self, *types: str) -> Iterator[Resource]:
        """Resources of some types."""
        return (resource for resource in self.resources if resource.type in types)

    @property
    def exports(self) -> Iterator[tuple[str, Any]]:
        """What other stacks may import, resolved."""
        for output in (self.body.get("Outputs") or {}).values():
            if "Export" in output:
                yield resolve(output["Export"]["Name"], self), resolve(output["Value"], self)

    def parameter_default(self, name: str) -> Any:
        """Value of a parameter that is not given, or None."""
        return ((self.body.get("Parameters") or {}).get(name) or {}).get("Default")

    def imported(self, name: str) -> Any:
        """What another stack of the assembly exports under a name, or None."""
        return self.assembly.exports.get(name)

    def mapping(self, name: str) -> Mapping[str, Any]:
        """A mapping's two levels."""
        found: Mapping[str, Any] = (self.body.get("Mappings") or {}).get(name) or {}
        return found


@dataclass(eq=False)
class Assembly:
    """The templates of one app, and the files that they name."""

    folder: Path
    templates: list[Template] = field(default_factory=list)

    @cached_property
    def exports(self) -> dict[str, Any]:
        """What its stacks export, by name."""
        found: dict[str, Any] = {}
        for template in self.templates:
            # A value of another stack's is not a name of this one's.
            self.__dict__["exports"] = found
            found.update(template.exports)
        return found

    @property
    def resources(self) -> Iterator[Resource]:
        """Every resource of every template."""
        return (resource for template in self.templates for resource in template.resources)

    def of_type(self, *types: str) -> Iterator[Resource]:
        """Resources of some types."""
        return (resource for resource in self.resources if resource.type in types)

    @cached_property
    def _assets(self) -> dict[str, Path]:
        found = {}
        for manifest in self.folder.rglob("*.assets.json"):
            for digest, asset in json.loads(manifest.read_bytes()).get("files", {}).items():
                if path := asset.get("source", {}).get("path"):
                    found[digest] = manifest.parent / path
        return found

    def asset(self, key: str) -> Path | None:
        """Return the file or folder that is uploaded under an object key, if it is here."""
        path = self._assets.get(Path(key).name.partition(".")[0])
        return path if path and path.exists() else None


def load(folder: Path) -> Assembly:
    """Read a cloud assembly by its manifest, or every template of a plain folder.

    Raises
    ------
    CheckError
        If there is no template, or one that cannot be read.
    """
    assembly = Assembly(folder)
    for name, path, environment in _listed(folder):
        assembly.templates.append(Template(name, path, _read(path), environment, assembly))
    if not assembly.templates:
        raise CheckError(f"{folder} has no templates; expected a cloud assembly. Run `cdk synth`.")
    return assembly


def _listed(folder: Path) -> Iterator[tuple[str, Path, str]]:
    manifest = folder / "manifest.json"
    if not manifest.is_file():
        for path in sorted(folder.rglob("*")):
            if path.suffix in SUFFIXES and _is_template(path):
                yield path.name.split(".")[0], path, UNKNOWN_ENVIRONMENT
        return
    listed = set()
    for name, artifact in json.loads(manifest.read_bytes()).get("artifacts", {}).items():
        properties = artifact.get("properties", {})
        if artifact["type"] == STACK:
            listed.add(folder / properties["templateFile"])
            yield name, folder / properties["templateFile"], artifact.get("environment", "")
        elif artifact["type"] == NESTED:
            yield from _listed(folder / properties["directoryName"])
    for path in sorted(folder.glob("*.nested.template.json")):
        yield path.name.split(".")[0], path, UNKNOWN_ENVIRONMENT


def _is_template(path: Path) -> bool:
    if not path.is_file():
        return False
    text = path.read_text("utf-8", "replace")
    if path.suffix != ".json":
        return bool(re.search(r'^\s{0,4}"?Resources"?\s*:', text, re.MULTILINE))
    try:
        body = json.loads(text)
    except ValueError:
        return ".template." in path.name  # reading it says what is wrong
    return isinstance(body, dict) and ("Resources" in body or ".template." in path.name)


def _read(path: Path) -> Mapping[str, Any]:
    try:
        body = json.loads(path.read_bytes()) if path.suffix == ".json" else _yaml(path)
    except (OSError, ValueError) as error:
        raise CheckError(f"{path}: {error}; expected a template") from error
    resources = body.get("Resources") if isinstance(body, dict) else None
    if not isinstance(resources, dict) or not all("Type" in each for each in resources.values()):
        raise CheckError(f"{path}: no Resources with a Type each; expected a template")
    return dict(body)


def _yaml(path: Path) -> Any:
    from cfnlint.decode import decode  # takes seconds to load

    return decode(str(path))[0]
