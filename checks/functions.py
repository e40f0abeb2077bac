"""Lambda functions: their logs, and that environment and code know each other."""

import re
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from checks.assembly import Assembly, Resource
from checks.findings import Finding
from checks.intrinsics import UNKNOWN
from checks.python_reads import Reads
from checks.secret_values import secrets_in

OTHERS_READ = re.compile(
    r"(AWS|POWERTOOLS|PYTHON|NODE|OTEL|_X|LAMBDA|LD|JAVA|DOTNET|OPENTELEMETRY|DD)_|"
    r"(TZ|LANG|PATH|HOME|LOG_LEVEL|PYTHONPATH|PYTHONUNBUFFERED)$"
)
"""Variables of the runtime, its extensions and libraries."""
CODE = {".py", ".js", ".mjs", ".cjs", ".ts"}


def find(assembly: Assembly) -> Iterator[Finding]:
    """Yield what is wrong with functions and log groups."""
    owned = {str(group.get("LogGroupName")) for group in assembly.of_type("AWS::Logs::LogGroup")}
    for function in assembly.of_type("AWS::Lambda::Function"):
        yield from _log_group(function, owned)
        for name in secrets_in(function.get("Environment", "Variables")):
            yield function.finding(
                "secret", f"{name} as plain text", "a secret's ARN, read at run time"
            )
        yield from _environment(function, _code(function, assembly))
    for group in assembly.of_type("AWS::Logs::LogGroup"):
        if not group.get("RetentionInDays"):
            yield group.finding("log-retention", "no RetentionInDays", "a number of days")


def _log_group(function: Resource, owned: set[str]) -> Iterator[Finding]:
    name = function.get("FunctionName") or f"«{function.logical_id}»"
    if not function.get("LoggingConfig", "LogGroup") and f"/aws/lambda/{name}" not in owned:
        yield function.finding(
            "function-log-group",
            "Lambda makes its log group, which is kept for ever",
            "LoggingConfig.LogGroup, with a retention",
        )


@dataclass(frozen=True)
class Code:
    """A function's source files by path: its own, and its libraries'."""

    own: Mapping[str, str]
    libraries: Mapping[str, str]


def _code(function: Resource, assembly: Assembly) -> Code:
    if inline := function.get("Code", "ZipFile"):
        return Code({"index.py": str(inline), "index.js": str(inline)}, {})
    path = assembly.asset(str(function.get("Code", "S3Key")))
    return _unpacked(path) if path else Code({}, {})


@cache
def _unpacked(path: Path) -> Code:
    """Read an archive or folder; a library is what has its `.dist-info` beside it."""
    if path.is_dir():
        files = {
            each.relative_to(path).as_posix(): each for each in path.rglob("*") if each.is_file()
        }
        return _parted({name: each.read_bytes for name, each in files.items()})
    if not zipfile.is_zipfile(path):
        return Code({}, {})
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        return _parted({name: partial(archive.read, name) for name in names})


def _parted(files: Mapping[str, Callable[[], bytes]]) -> Code:
    installed = {name.partition("-")[0].lower() for name in files if ".dist-info/" in name}
    installed.add("node_modules")
    own: dict[str, str] = {}
    libraries: dict[str, str] = {}
    for name, read in files.items():
        if Path(name).suffix in CODE:
            top = name.partition("/")[0].removesuffix(".py").lower()
            (libraries if top in installed else own)[name] = read().decode("utf-8", "replace")
    return Code(own, libraries)


def _environment(function: Resource, code: Code) -> Iterator[Finding]:
    variables = function.get("Environment", "Variables") or {}
    own = sorted(name for name in variables if not OTHERS_READ.match(name))
    if not code.own:
        return
    if not str(function.get("Runtime") or "").startswith("python"):
        unread = (name for name in own if not _mentioned(name, code.own))
        yield from (_unread(function, name) for name in unread)
        return
    handler, _, name = str(function.get("Handler") or "").replace("/", ".").rpartition(".")
    reads = Reads(code.own)
    if UNKNOWN.search(handler + name):
        return
    if not reads.has(handler):
        if not function.get("Layers") and not Reads(code.libraries).has(handler):
            found = f"no module {handler}"
            yield function.finding("function-handler", found, "a module of the code")
        return
    try:
        reads.follow(handler)
        reads.follow(handler, name)
        if not reads.defines(handler, name):
            found = f"no {name} in {handler}"
            yield function.finding("function-handler", found, "a function of that module")
    except SyntaxError as error:
        yield function.finding("function-handler", f"{handler}: {error}", "Python that can be read")
        return
    for name in own:
        if not reads.reads(name) and not _asked_for(name, code.libraries):
            yield _unread(function, name)
    for name in sorted(reads.required - variables.keys()):
        if name.startswith("POWERTOOLS_") or not OTHERS_READ.match(name):
            yield function.finding(
                "environment-missing", f"{name} is not set", f"{name}, which {handler} requires"
            )


def _mentioned(name: str, sources: Mapping[str, str]) -> bool:
    whole = re.compile(rf"\b{re.escape(name)}\b")
    return any(whole.search(source) for source in sources.values())


def _asked_for(name: str, libraries: Mapping[str, str]) -> bool:
    asked = re.compile(rf"""(environ(\.get\(|\[)|getenv\()\s*["']{re.escape(name)}["']""")
    return any(asked.search(source) for source in libraries.values())


def _unread(function: Resource, name: str) -> Finding:
    return function.finding(
        "environment-unread", f"{name} is set", "variables that the function's code reads"
    )
