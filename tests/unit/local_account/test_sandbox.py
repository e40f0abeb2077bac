"""A container's process: what it sees, how it ends, and that it never outlives its parent."""

import os
import secrets
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path

import pytest

from local_account.contained import Isolation
from local_account.environments import base_python
from local_account.limits import MIB, Limits
from local_account.sandbox import Command, Sandbox, python_folders

ROOT = Path(__file__).parents[3]
SLEEP = "import time; print('ready', flush=True); time.sleep(60)"
WORKS: Isolation = Sandbox().isolation


@pytest.fixture(params=["bwrap", "process"])
def sandbox(request: pytest.FixtureRequest) -> Sandbox:
    if request.param == "bwrap" and WORKS != "bwrap":
        pytest.skip("bubblewrap does not work on this machine")
    return Sandbox(request.param)


@pytest.fixture
def only_bwrap() -> Sandbox:
    if WORKS != "bwrap":
        pytest.skip("bubblewrap does not work on this machine")
    return Sandbox("bwrap")


def _command(folder: Path, script: str, network: bool = True) -> Command:
    program = folder / "root/opt/program"
    program.mkdir(parents=True, exist_ok=True)
    (folder / "base" / "model").mkdir(parents=True, exist_ok=True)
    (program / "main.py").write_text(textwrap.dedent(script))
    return Command(
        arguments=["python", "/opt/program/main.py"],
        environment={"GIVEN": "yes", "PATH": "/nowhere"},
        virtual_environment=Path(sys.prefix),
        root=folder / "root",
        base=folder / "base",
        log=folder / "container.log",
        network=network,
        read_only=("model",),
    )


def _run(sandbox: Sandbox, command: Command) -> tuple[int | None, str]:
    status = sandbox.start(command).wait(20)
    return status, command.log.read_text()


def test_an_environment_does_not_choose_which_python_a_container_sees(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/python").symlink_to("/etc/secrets/bin/python")
    (tmp_path / "pyvenv.cfg").write_text("home = /home/somebody/bin\n")
    own = {sys.base_prefix, str(base_python().parent.parent)}
    assert set(python_folders(tmp_path)) == {str(tmp_path), *own}


def test_output_of_both_streams_and_exit_status(sandbox: Sandbox, tmp_path: Path) -> None:
    script = "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"
    status, log = _run(sandbox, _command(tmp_path, script))
    assert (status, sorted(log.split())) == (3, ["err", "out"])


def test_death_by_signal_is_128_plus_its_number(sandbox: Sandbox, tmp_path: Path) -> None:
    mark = f"killed-{time.time_ns()}"
    command = _marked(_command(tmp_path, SLEEP), mark)
    process = sandbox.start(command)
    _until_logged(command, "ready")
    (line,) = (line for line in _processes(mark) if line.split()[1] == "python")
    os.kill(int(line.split()[0]), signal.SIGKILL)
    assert process.wait(10) == 137


def test_environment_is_clean(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_OF_THE_HOST", "1")
    script = "import os, sys; print(sys.prefix, os.environ['GIVEN'], *os.environ)"
    status, log = _run(sandbox, _command(tmp_path, script))
    assert status == 0, log
    assert log.startswith(f"{sys.prefix} yes ")
    assert "SECRET_OF_THE_HOST" not in log


def test_folders_are_found_and_written(sandbox: Sandbox, tmp_path: Path) -> None:
    script = """
        import os, pathlib
        base = pathlib.Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))
        (base / "made.txt").write_text(os.getcwd())
    """
    command = _command(tmp_path, script)
    assert _run(sandbox, command)[0] == 0
    cwd = (tmp_path / "base/made.txt").read_text()
    expected = "/opt/program" if sandbox.isolation == "bwrap" else str(command.program)
    assert cwd == expected


def test_stop_asks_first(sandbox: Sandbox, tmp_path: Path) -> None:
    script = """
        import signal, sys, time
        def end(*_):
            print("asked", flush=True)
            sys.exit(4)
        signal.signal(signal.SIGTERM, end)
        print("ready", flush=True)
        time.sleep(60)
    """
    command = _command(tmp_path, script)
    process = sandbox.start(command)
    _until_logged(command, "ready")
    assert process.stop(grace_seconds=10) == 4
    assert "asked" in command.log.read_text()


def test_stop_kills_what_does_not_end(sandbox: Sandbox, tmp_path: Path) -> None:
    child = _seconds()
    script = f"""
        import signal, subprocess, time
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        child = subprocess.Popen(["sleep", "{child}"])
        print("ready", flush=True)
        time.sleep(60)
    """
    command = _command(tmp_path, script)
    process = sandbox.start(command)
    _until_logged(command, "ready")
    assert process.stop(grace_seconds=0.2) == 137
    _until_gone(child)


def test_children_end_with_the_first_process(sandbox: Sandbox, tmp_path: Path) -> None:
    child = _seconds()
    script = f"import subprocess; subprocess.Popen(['sleep', '{child}'])"
    assert _run(sandbox, _command(tmp_path, script))[0] == 0
    _until_gone(child)


def test_nothing_outlives_a_killed_parent(sandbox: Sandbox, tmp_path: Path) -> None:
    mark = f"orphan-{time.time_ns()}"
    command = _marked(_command(tmp_path, SLEEP), mark)
    parent = f"""
        import time
        from pathlib import Path, PosixPath
        from local_account.sandbox import Command, Sandbox
        Sandbox({sandbox.isolation!r}).start({command!r})
        time.sleep(60)
    """
    started = subprocess.Popen([sys.executable, "-c", textwrap.dedent(parent)], cwd=ROOT)
    _until_logged(command, "ready")
    assert _processes(mark)
    started.send_signal(signal.SIGKILL)
    started.wait()
    _until_gone(mark)


def test_files_of_the_host_are_out_of_sight(only_bwrap: Sandbox, tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    script = f"import os; print(os.path.exists({str(secret)!r}), os.path.exists('/etc/passwd'))"
    assert _run(only_bwrap, _command(tmp_path, script)) == (0, "False False\n")


WRITES = """
import os, secrets

def attempt(folder):  # and leave nothing behind where that works
    path = os.path.join(folder, secrets.token_hex(8))
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
    except OSError as error:
        return error.strerror
    os.unlink(path)
    return "written"

"""


def test_model_and_program_are_read_only(only_bwrap: Sandbox, tmp_path: Path) -> None:
    script = (
        WRITES
        + """
for folder in ("/opt/ml/model", "/opt/program", "/usr"):
    print(attempt(folder))
"""
    )
    expected = "Read-only file system\n" * 3
    assert _run(only_bwrap, _command(tmp_path, script)) == (0, expected)


def test_of_the_system_s_keys_only_what_is_public_is_seen(
    only_bwrap: Sandbox, tmp_path: Path
) -> None:
    script = "import os; print(*os.listdir('/etc/ssl') if os.path.exists('/etc/ssl') else ())"
    status, log = _run(only_bwrap, _command(tmp_path, script))
    assert status == 0
    assert set(log.split()) <= {"certs", "openssl.cnf"}


def test_without_network_there_is_only_a_loopback_of_its_own(
    only_bwrap: Sandbox, tmp_path: Path
) -> None:
    script = "import socket; print([name for _, name in socket.if_nameindex()])"
    assert _run(only_bwrap, _command(tmp_path, script, network=False)) == (0, "['lo']\n")


def test_only_its_own_folders_can_be_written(only_bwrap: Sandbox, tmp_path: Path) -> None:
    inside = ("/tmp", "/dev/shm", "/opt/ml")
    outside = ("/", "/dev", "/run", "/opt", "/etc", "/usr/bin")
    script = (
        WRITES
        + f"""
for folder in {inside + outside}:
    if attempt(folder) == "written":
        print(folder)
for path in ("/proc/sys/kernel/core_pattern", "/proc/self/oom_score_adj"):
    if not os.statvfs(path).f_flag & os.ST_RDONLY:
        print(path)
print(open("/proc/self/status").read().partition("CapEff:")[2].split()[0])
"""
    )
    status, log = _run(only_bwrap, _command(tmp_path, script))
    assert (status, log.split()) == (0, [*inside, "0000000000000000"])


def test_whoever_leaves_the_group_and_the_session_ends_too(
    only_bwrap: Sandbox, tmp_path: Path
) -> None:
    child = _seconds()
    script = f"""
        import ctypes, os, sys, time
        os.setsid()
        ctypes.CDLL(None).prctl(1, 0)  # no signal when the parent dies
        if os.fork() == 0:
            os.setsid()
            os.execvp("sleep", ["sleep", "{child}"])
        print("ready", flush=True)
        time.sleep(60)
    """
    mark = f"left-{time.time_ns()}"
    command = _marked(_command(tmp_path, script), mark)
    process = only_bwrap.start(command)
    _until_logged(command, "ready")
    process.kill()
    _until_gone(mark)
    _until_gone(child)


def test_the_account_connects_to_a_port_in_a_network_of_its_own(
    only_bwrap: Sandbox, tmp_path: Path
) -> None:
    script = """
        import socket
        with socket.create_server(("0.0.0.0", 8080)) as server:
            print("ready", flush=True)
            for _ in range(2):
                connection, _ = server.accept()
                connection.sendall(connection.recv(9)[::-1])
    """
    command = replace(_command(tmp_path, script, network=False), port=8080)
    process = only_bwrap.start(command)
    _until_logged(command, "ready")
    for text in (b"first", b"second"):
        with process.connect(5) as connection:
            connection.sendall(text)
            assert connection.recv(9) == text[::-1]
    assert process.wait(10) == 0
    with pytest.raises(OSError):
        process.connect(5)


def test_a_port_where_nobody_listens(only_bwrap: Sandbox, tmp_path: Path) -> None:
    command = replace(_command(tmp_path, SLEEP, network=False), port=8080)
    process = only_bwrap.start(command)
    _until_logged(command, "ready")
    with pytest.raises(ConnectionRefusedError, match="nobody listens"):
        process.connect(5)
    process.kill()


SMALL = Limits(memory_bytes=200 * MIB, processes=20, log_bytes=MIB, disk_bytes=8 * MIB)


@pytest.mark.parametrize(
    ("script", "what"),
    [
        ("kept = [bytearray(b'x' * 2**20) for _ in range(400)]", "bytes of memory"),
        ("import subprocess; [subprocess.Popen(['sleep', '60']) for _ in range(30)]", "processes"),
        ("print('x' * 2**22)", "bytes of log"),
        (
            "import os; base = os.environ.get('SAGEMAKER_BASE_DIR', '/opt/ml'); "
            "open(base + '/large', 'wb').write(b'x' * 2**24)",
            "bytes of disk",
        ),
    ],
)
def test_a_container_over_a_limit_is_killed_and_says_why(
    sandbox: Sandbox, tmp_path: Path, script: str, what: str
) -> None:
    if " of memory" in what or what == "processes":
        _needs_proc()
    script = f"{script}; import time; time.sleep(60)"
    process = Sandbox(sandbox.isolation, SMALL).start(_command(tmp_path, script))
    assert process.wait(30) is not None
    assert f" {what}, at most " in process.exceeded


def test_the_kernel_stops_a_file_that_grows_too_large(sandbox: Sandbox, tmp_path: Path) -> None:
    script = """
        import errno, resource
        print(resource.getrlimit(resource.RLIMIT_CORE)[0])
        try:
            open("/opt/ml/large", "wb").write(b"x" * 2**22)
        except OSError as error:
            print(errno.errorcode[error.errno])
    """
    command = _command(tmp_path, script.replace("/opt/ml", str(tmp_path / "base")))
    if sandbox.isolation == "bwrap":
        command = _command(tmp_path, script)
    limited = Sandbox(sandbox.isolation, Limits(file_bytes=MIB))
    assert _run(limited, command) == (0, "0\nEFBIG\n")


def _needs_proc() -> None:
    if not Path("/proc/self/statm").exists():
        pytest.skip("neither memory nor processes are measured without /proc")


def _seconds() -> str:
    """Return how long to sleep: nobody else sleeps so long."""
    return str(10**6 + secrets.randbelow(10**9))


def _until_logged(command: Command, text: str) -> None:
    deadline = time.monotonic() + 20
    while not command.log.exists() or text not in command.log.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _until_gone(mark: str) -> None:
    """Wait until no process has the mark in its command line."""
    deadline = time.monotonic() + 10
    while found := _processes(mark):
        assert time.monotonic() < deadline, found
        time.sleep(0.02)


def _processes(mark: str) -> list[str]:
    command = ["ps", "-wweo", "pid=,args="]
    listing = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return [line for line in listing.splitlines() if mark in line]


def _marked(command: Command, mark: str) -> Command:
    return replace(command, arguments=[*command.arguments, mark])
