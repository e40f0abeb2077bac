"""What a Lambda worker sees of this machine: its code, its `/tmp`, Python, and the network.

Under bubblewrap the code is at `/var/task`, read-only as on AWS. Compiled modules are kept
beside the code for the next cold start. Without bubblewrap a worker is a plain process.
"""

from dataclasses import dataclass
from pathlib import Path

from local_account.contained import Isolation, leader
from local_account.sandbox import bubblewrap_works, isolated, own_python_folders

_CLIENT = Path(__file__).parents[1] / "lambda_client"
_TASK_ROOT, _CLIENT_INSIDE, _COMPILED = "/var/task", "/var/runtime", "/var/cache/python"


@dataclass(frozen=True)
class Confinement:
    """How one worker is started, and where it finds its code."""

    isolation: Isolation
    leader: list[str]
    scratch: Path
    task_root: str
    client: str
    home: str
    environment: dict[str, str]


def confine(python: Path, code: Path, scratch: Path) -> Confinement:
    """Return how to start a worker in the best isolation that this machine allows.

    Parameters
    ----------
    python
        The interpreter, in a virtual environment.
    code
        The unpacked archive.
    scratch
        A folder of this worker's own.
    """
    if not bubblewrap_works():
        found = (str(code), str(_CLIENT), str(code.parent))
        return Confinement("process", leader("process"), scratch, *found, {})
    compiled = code.parent / "compiled"
    for folder in (compiled, scratch / "tmp", scratch / "shm"):
        folder.mkdir(parents=True, exist_ok=True)
    argv = isolated(network=True, scratch=scratch)
    for path in own_python_folders(python.parent.parent):
        argv += ["--ro-bind", path, path]
    argv += ["--ro-bind", str(code), _TASK_ROOT, "--ro-bind", str(_CLIENT), _CLIENT_INSIDE]
    argv += ["--bind", str(compiled), _COMPILED, "--remount-ro", "/", "--chdir", _TASK_ROOT, "--"]
    return Confinement(
        isolation="bwrap",
        leader=[*leader("bwrap"), *argv],
        scratch=scratch,
        task_root=_TASK_ROOT,
        client=_CLIENT_INSIDE,
        home="/tmp",  # noqa: S108 - the worker's own
        environment={"PYTHONPYCACHEPREFIX": _COMPILED},
    )
