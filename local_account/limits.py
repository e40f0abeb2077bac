"""What one container may use of this machine: a noisy job must not take the laptop with it.

The shell that starts a container sets what the kernel counts by process; a thread looks at
the rest, for neither memory nor processes are counted by container without a cgroup, which
takes rights that this account does not ask for. Over a limit, the container is killed.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MIB, GIB = 1024**2, 1024**3
POLL_SECONDS = 0.2
_DISK_EVERY = 10  # polls: a sum over all files costs more than the rest
_BLOCK_BYTES = 512  # of `ulimit -f`, by POSIX


@dataclass(frozen=True)
class Limits:
    """The limits of one container."""

    memory_bytes: int = 8 * GIB
    """In memory at once, shared pages left out: what an ml.m5.large has."""
    processes: int = 256
    """Alive at once: a server's workers on the largest instance are fewer, a fork bomb's not."""
    log_bytes: int = 64 * MIB
    """What it prints: it is kept on disk, and in the account's memory as CloudWatch Logs."""
    disk_bytes: int = 20 * GIB
    """In `/opt/ml`, `/tmp` and `/dev/shm`, which are folders of this machine's disk."""
    file_bytes: int = 20 * GIB
    """In one file: the kernel's own stop, should the thread come late."""
    open_files: int = 4096
    """A web server's connections; the account's own are not at stake."""
    niceness: int = 10
    """All cores, but only where nobody else wants them."""

    @property
    def shell(self) -> str:
        """Lines of a POSIX shell that set what the kernel enforces."""
        return (
            f"ulimit -c 0; ulimit -f {self.file_bytes // _BLOCK_BYTES}; "
            # a lower hard limit of this machine stays
            f"ulimit -n {self.open_files} 2>/dev/null; "
            # Linux: when memory ends, the kernel takes a container before anything else
            "{ echo 1000 >/proc/self/oom_score_adj; } 2>/dev/null; "
        )


@dataclass
class Watch:
    """Looks at a container again and again.

    Attributes
    ----------
    folders : list of Path
        What the container can write to.
    """

    limits: Limits
    pid: int
    log: Path
    folders: list[Path]
    polls: int = 0

    def exceeded(self) -> str:
        """Return which limit is exceeded, in words, or nothing."""
        limits, self.polls = self.limits, self.polls + 1
        alive = family(self.pid)
        measured = [
            ("processes", len(alive), limits.processes),
            ("bytes of memory", sum(map(memory_of, alive)), limits.memory_bytes),
            ("bytes of log", self.log.stat().st_size, limits.log_bytes),
        ]
        if self.polls % _DISK_EVERY == 0:
            size = sum(_size(folder) for folder in self.folders)
            measured.append(("bytes of disk", size, limits.disk_bytes))
        for what, found, allowed in measured:
            if found > allowed:
                return f"The container was killed: it had {found} {what}, at most {allowed} allowed"
        return ""


def family(pid: int) -> list[int]:
    """Return a process and those below it: the first is the container's own without bubblewrap."""
    return [pid, *descendants(pid)]


def descendants(pid: int) -> Iterator[int]:
    """Yield the processes below a process; none where the system has no `/proc`."""
    try:
        lists = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children")]
    except OSError:  # it has ended
        return
    for child in (int(word) for text in lists for word in text.split()):
        yield child
        yield from descendants(child)


def memory_of(pid: int) -> int:
    """Return what a process has in memory for itself, in bytes."""
    try:
        _, resident, shared, *_ = Path(f"/proc/{pid}/statm").read_text().split()
    except (OSError, ValueError):  # it has ended
        return 0
    return (int(resident) - int(shared)) * os.sysconf("SC_PAGE_SIZE")


def _size(folder: Path) -> int:
    """Return the bytes on disk below a folder, whatever becomes of it meanwhile."""
    total = 0
    for root, _, names in os.walk(folder):
        for name in names:
            try:
                total += Path(root, name).lstat().st_blocks * 512
            except OSError:  # it is gone
                continue
    return total
