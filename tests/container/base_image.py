"""A base image made of this machine's own CPython: what `python:3.12-slim` has, as far as pip and
the model code need it. Nothing is pulled.
"""

import io
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path

SHELL = "/bin/sh"
LOADER = "/lib64/ld-linux-x86-64.so.2"
# What compiled packages and the resolver of names load by themselves.
LIBRARIES = (
    *(
        "libstdc++.so.6",
        "libgcc_s.so.1",
        "libgomp.so.1",
        "librt.so.1",
        "libdl.so.2",
        "libutil.so.1",
    ),
    *("libpthread.so.0", "libresolv.so.2", "libnss_dns.so.2", "libnss_files.so.2"),
)
LINKS = {"bin": "usr/bin", "lib": "usr/lib", "lib64": "usr/lib64", "sbin": "usr/sbin"}
FOLDERS = {"tmp": 0o1777, "var/tmp": 0o1777, "root": 0o755, "opt": 0o755, "proc": 0o755}
FOLDERS |= {"sys": 0o755, "dev": 0o755, "run": 0o755, "usr/local/bin": 0o755, "etc": 0o755}
FILES = (
    ("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n"),
    ("etc/group", "root:x:0:\nnogroup:x:65534:\n"),
    ("etc/nsswitch.conf", "hosts: files dns\n"),
)
NOT_NEEDED = {"test", "tests", "idlelib", "turtledemo", "site-packages", "dist-packages"}
NOT_NEEDED |= {"__pycache__", "EXTERNALLY-MANAGED"}
DOCKERFILE = "FROM scratch\nADD base.tar /\nENV PATH=/usr/local/bin:/usr/bin:/bin\n"
_ASKED = """
import json, os, sys, sysconfig
paths = sysconfig.get_paths()
print(json.dumps([os.path.realpath(sys.executable), paths["stdlib"], paths["purelib"]]))
"""


def write_context(folder: Path) -> None:
    """Write a Dockerfile and the archive that it adds: the same machine, the same bytes."""
    (folder / "Dockerfile").write_text(DOCKERFILE)
    with tarfile.open(folder / "base.tar", "w") as archive:
        _add(archive, dict(_entries()))


def _entries() -> Iterator[tuple[str, Path | str | int]]:
    """Yield each place with a file to copy, the target of a link, or a folder's mode."""
    yield from FOLDERS.items()
    executable, standard_library, packages = _interpreter()
    copied = [*_tree(standard_library), *_pip(packages)]
    yield from ((place, file) for place, file in copied)
    yield _place(executable), executable
    yield "usr/local/bin/python", f"/{_place(executable)}"
    compiled = [file for _, file in copied if ".so" in file.name]
    for library in _libraries([executable, Path(SHELL).resolve(), *compiled]):
        yield _place(library), library.resolve()
    yield "usr/bin/sh", Path(SHELL).resolve()
    yield "etc/ld.so.cache", Path("/etc/ld.so.cache")


def _interpreter() -> tuple[Path, Path, Path]:
    """Ask the interpreter below this virtual environment where it and its modules are."""
    base = str(Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info.minor}")
    asked = subprocess.run([base, "-I", "-c", _ASKED], capture_output=True, text=True, check=True)
    executable, standard_library, packages = map(Path, json.loads(asked.stdout))
    return executable, standard_library, packages


def _tree(folder: Path) -> Iterator[tuple[str, Path]]:
    for root, folders, names in os.walk(folder):
        folders[:] = [
            name for name in folders if name not in NOT_NEEDED and not name.startswith("config-")
        ]
        for name in names:
            if name not in NOT_NEEDED:
                yield _place(Path(root) / name), Path(root) / name


def _pip(packages: Path) -> Iterator[tuple[str, Path]]:
    """Yield pip, from the environment that runs the tests: an interpreter may be without."""
    own = Path(sys.prefix) / f"lib/python3.{sys.version_info.minor}/site-packages"
    for folder in (own / "pip", *own.glob("pip-*.dist-info")):
        for place, file in _tree(folder):
            yield _place(packages / Path("/", place).relative_to(own)), file


def _libraries(programs: Iterable[Path]) -> set[Path]:
    """Return what the loader loads for the programs, as `ldd` tells."""
    known = subprocess.run(["ldconfig", "-p"], capture_output=True, text=True, check=True).stdout
    lines = [line.split() for line in known.splitlines()]
    extra = {line[0]: line[-1] for line in lines if "libc6,x86-64" in str(line)}
    found = {Path(LOADER), *(Path(extra[name]) for name in LIBRARIES if name in extra)}
    listed = [str(program) for program in [*programs, *found]]
    told = subprocess.run(["ldd", *listed], capture_output=True, text=True, check=False).stdout
    for line in told.splitlines():
        name, arrow, rest = line.strip().partition(" => ")
        path = (rest if arrow else name).split(" (")[0]
        if path.startswith("/") and line.startswith("\t"):
            found.add(Path(path))
    return found


def _place(path: Path) -> str:
    """Return where a file lies in the archive: below /usr what this machine has there, too."""
    first, _, rest = str(path).lstrip("/").partition("/")
    return f"{LINKS.get(first, first)}/{rest}"


def _add(archive: tarfile.TarFile, entries: dict[str, Path | str | int]) -> None:
    parents = {str(parent) for place in entries for parent in Path(place).parents}
    folders = dict.fromkeys(parents - {"."}, 0o755) | {
        place: mode for place, mode in entries.items() if isinstance(mode, int)
    }
    for place in sorted(folders):
        _member(archive, place, tarfile.DIRTYPE, folders[place])
    for name, target in LINKS.items():
        _member(archive, name, tarfile.SYMTYPE, 0o777, link=target)
    for place, text in FILES:
        _member(archive, place, tarfile.REGTYPE, 0o644, content=text.encode())
    for place, source in sorted(entries.items(), key=lambda entry: entry[0]):
        if isinstance(source, Path):
            mode = 0o755 if os.access(source, os.X_OK) else 0o644
            _member(archive, place, tarfile.REGTYPE, mode, content=source.read_bytes())
        elif isinstance(source, str):
            _member(archive, place, tarfile.SYMTYPE, 0o777, link=source)


def _member(
    archive: tarfile.TarFile,
    place: str,
    kind: bytes,
    mode: int,
    *,
    content: bytes = b"",
    link: str = "",
) -> None:
    member = tarfile.TarInfo(place)
    member.type, member.mode, member.linkname, member.size = kind, mode, link, len(content)
    archive.addfile(member, io.BytesIO(content))
