"""The rootless builder: what it does with a Dockerfile, what it keeps, and what it refuses."""

import contextlib
import json
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from local_account import environments
from local_account.contained import Isolation
from local_account.image_builds import locked_environments
from local_account.image_builds.building import Asked
from local_account.image_builds.console import BuildError, Cancelled, Console
from local_account.image_builds.dockerfile import DockerfileError
from local_account.image_builds.documents import BuiltImage
from local_account.image_builds.rootless import Rootless
from local_account.sandbox import bubblewrap_works
from tests.conftest import CACHE

BASE = f"python:3.12-slim@sha256:{'1' * 64}"
HEAD = f"FROM {BASE}\nWORKDIR /opt/program\n"
LOCKED = "--require-hashes --only-binary=:all:"


class Bench:
    """A context, a cache and the output of builds in them."""

    def __init__(self, folder: Path, isolation: Isolation) -> None:
        self.context, self.cache = folder / "context", folder / "cache"
        self.context.mkdir()
        self.cache.mkdir()
        (CACHE / "environments").mkdir(parents=True, exist_ok=True)
        (self.cache / "environments").symlink_to(CACHE / "environments")
        self.isolation: Isolation = isolation
        self.said = ""

    def build(self, dockerfile: str, **asked: Any) -> BuiltImage:
        written = bytearray()
        console = Console(lambda content: written.extend(content))
        try:
            wanted = Asked(self.context, dockerfile, **asked)
            return Rootless(self.cache, self.isolation).build(wanted, console)
        finally:
            self.said = written.decode()

    def write(self, name: str, content: str = "", mode: int = 0o644) -> None:
        path = self.context / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        path.chmod(mode)


@pytest.fixture(params=["bwrap", "process"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Bench:
    if request.param == "bwrap" and not bubblewrap_works():
        pytest.skip("bubblewrap does not work on this machine")
    return Bench(tmp_path, request.param)


@pytest.fixture
def plain(tmp_path: Path) -> Bench:
    """A bench for what runs nothing."""
    return Bench(tmp_path, "process")


def _members(image: BuiltImage) -> Iterator[tarfile.TarInfo]:
    for layer in image.layers:
        with tarfile.open(layer.path) as tar:
            yield from tar.getmembers()


def _files(image: BuiltImage) -> dict[str, int]:
    return {member.name: member.mode for member in _members(image)}


def _config(image: BuiltImage) -> dict[str, Any]:
    config: dict[str, Any] = json.loads(image.config)["config"]
    return config


def test_the_configuration_says_what_the_instructions_say(plain: Bench) -> None:
    image = plain.build(
        f"""
        ARG BASE={BASE}
        FROM ${{BASE}} AS base
        ARG VERSION=1
        ARG GIVEN
        ENV A=1 B="two $VERSION" C=${{GIVEN:-none}}
        WORKDIR /opt/program
        LABEL a.b=c
        STOPSIGNAL SIGTERM
        EXPOSE 8080 9090/udp
        CMD ["lost"]
        ENTRYPOINT ["python", "-m", "x"]
        FROM base
        ENV D=$A$VERSION
        CMD serve me
        """,
        arguments={"GIVEN": "here", "SOURCE_DATE_EPOCH": "86400"},
        labels={"given": "label"},
    )
    document = json.loads(image.config)
    assert document["created"] == "1970-01-02T00:00:00Z"
    assert _config(image) == {
        "Env": ["A=1", "B=two 1", "C=here", "D=1"],  # an ARG ends with its stage
        "Labels": {
            "a.b": "c",
            "given": "label",
            "org.opencontainers.image.base.name": BASE,
            "embedded-account.builder": "rootless",
            "embedded-account.environment": locked_environments.EMPTY,
        },
        "WorkingDir": "/opt/program",
        "Entrypoint": ["python", "-m", "x"],
        "Cmd": ["/bin/sh", "-c", "serve me"],
        "ExposedPorts": {"8080/tcp": {}, "9090/udp": {}},
        "StopSignal": "SIGTERM",
    }
    assert json.loads(image.manifest)["mediaType"].endswith("manifest.v2+json")


def test_copies_have_modes_that_do_not_depend_on_the_checkout(plain: Bench) -> None:
    plain.write("code/a.py", mode=0o600)
    plain.write("code/sub/run.sh", mode=0o777)
    plain.write("one.txt", mode=0o664)
    image = plain.build(
        HEAD + "COPY code package/\nCOPY one.txt .\nCOPY --chmod=0700 *.txt /tmp/\n"
        "COPY one.txt renamed\n"
    )
    assert _files(image) == {
        "opt/program/package": 0o755,
        "opt/program/package/a.py": 0o644,
        "opt/program/package/sub": 0o755,
        "opt/program/package/sub/run.sh": 0o755,
        "opt/program/one.txt": 0o644,
        "opt/program/renamed": 0o644,
        "tmp/one.txt": 0o700,
    }
    assert {(m.uid, m.gid, m.mtime) for m in _members(image)} == {(0, 0, 0)}


def test_a_link_that_stays_in_the_context_is_followed(plain: Bench) -> None:
    plain.write("real/a.py")
    (plain.context / "way").symlink_to("real")
    assert list(_files(plain.build(HEAD + "COPY way/a.py .\n"))) == ["opt/program/a.py"]


def test_the_same_content_is_the_same_digest_and_other_content_another(plain: Bench) -> None:
    plain.write("a.py", "1")
    first = plain.build(HEAD + "COPY a.py .\n")
    assert plain.build(HEAD + "COPY a.py .\n", no_cache=True).image_id == first.image_id
    plain.write("a.py", "2")
    assert plain.build(HEAD + "COPY a.py .\n").image_id != first.image_id
    plain.write("a.py", "1", mode=0o755)
    assert plain.build(HEAD + "COPY a.py .\n").image_id != first.image_id


def test_run_changes_what_the_image_has(bench: Bench) -> None:
    bench.write("old.txt", "old")
    bench.write("gone/deep/x.txt", "x")
    image = bench.build(
        HEAD + "ARG WORD=told\nENV OWN=set\nCOPY . .\n"
        'RUN echo "$WORD $OWN" > new.txt && rm -r gone && chmod 755 /opt/program/old.txt && pwd\n'
        "RUN cat new.txt && test ! -e gone && ln -s new.txt link\n"
    )
    (_, changed, linked) = image.layers
    with tarfile.open(changed.path) as tar:
        assert sorted(tar.getnames()) == [
            "opt/program/.wh.gone",
            "opt/program/new.txt",
            "opt/program/old.txt",
        ]
        content = tar.extractfile("opt/program/new.txt")
        assert content is not None
        assert content.read() == b"told set\n"
    with tarfile.open(linked.path) as tar:
        assert tar.getmember("opt/program/link").linkname == "new.txt"
    assert "told set" in bench.said


def test_a_step_that_is_kept_is_not_done_again(bench: Bench) -> None:
    dockerfile = HEAD + "ARG SALT=1\nRUN date +%N > /opt/program/time.txt; echo ran\n"
    first = bench.build(dockerfile)
    again = bench.build(dockerfile)
    assert again.image_id == first.image_id
    assert "Using cache" in bench.said
    assert "\nran\n" not in bench.said
    assert bench.build(dockerfile, no_cache=True).image_id != first.image_id
    assert bench.build(dockerfile, arguments={"SALT": "2"}).image_id != first.image_id


def test_a_command_that_fails_is_named_with_its_line(bench: Bench) -> None:
    with pytest.raises(BuildError) as failed:
        bench.build(HEAD + "RUN true\nRUN echo said && exit 7\n")
    said = 'process "/bin/sh -c echo said && exit 7" did not complete successfully: exit code: 7'
    assert str(failed.value) == f"Dockerfile:4: {said}"
    assert "said\n" in bench.said


def test_an_environment_below_tmp_leaves_nothing_in_the_image(bench: Bench) -> None:
    _own_store(bench)
    image = bench.build(HEAD + 'RUN python -c \'open("/tmp/x", "w")\'\n')
    assert str(bench.cache).startswith("/tmp/")
    if bench.isolation == "bwrap":
        assert list(_files(image)) == ["tmp/x"]


def _own_store(bench: Bench) -> Path:
    """Give a bench a store of its own, with the empty environment."""
    store = bench.cache / "environments"
    store.unlink()
    copy = store / locked_environments.EMPTY
    locked_environments.copy_of(locked_environments.empty(CACHE, Console(lambda _: None)), copy)
    (copy / ".complete").touch()
    return store


def test_nothing_of_an_image_has_a_part_in_the_environment_of_a_lock_file(bench: Bench) -> None:
    store = _own_store(bench)
    lock = f"# {bench.isolation}\n"
    bench.write("r.lock", lock)
    bench.write("evil/sitecustomize.py", "import sys; open(sys.prefix + '/evil', 'w')\n")
    bench.write("evil/pip/__main__.py", "import sys; open(sys.prefix + '/evil', 'w')\n")
    bench.build(
        HEAD + "ENV PYTHONPATH=/opt/program PIP_REQUIREMENT=/nowhere\nCOPY evil .\n"
        f"COPY r.lock /tmp/\nRUN python -m pip install {LOCKED} -r /tmp/r.lock\n"
    )
    made = store / environments.key_of(lock.encode())
    assert (made / ".complete").exists()
    assert not (made / "evil").exists()


def test_a_link_of_an_image_leads_to_no_lock_file_of_this_machine(
    bench: Bench, tmp_path: Path
) -> None:
    store = _own_store(bench)
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "r.lock").write_text("# another\n")
    (bench.context / "linked").mkdir()
    (bench.context / "linked/out").symlink_to(outside)
    install = f"RUN python -m pip install {LOCKED} -r linked/out/r.lock\n"
    with contextlib.suppress(BuildError):  # a plain process sees this machine's files
        bench.build(HEAD + "COPY linked linked\n" + install)
    assert not (store / environments.key_of(b"# another\n")).exists()


@pytest.mark.parametrize(
    "change",
    [
        "echo home = / >> $P/pyvenv.cfg",
        "rm $P/bin/python; ln -s /tmp/python $P/bin/python",
        "ln -s /tmp/python $P/bin/python9",
    ],
)
def test_a_command_that_changes_the_interpreter_of_its_environment_fails(
    bench: Bench, change: str
) -> None:
    store = _own_store(bench)
    find = "P=$(python -c 'import sys; print(sys.prefix)')"
    with pytest.raises(BuildError, match=r"changed pyvenv\.cfg or bin/python"):
        bench.build(HEAD + f"RUN pip --version; {find}; {change}\n")
    assert [path.name for path in store.iterdir()] == [locked_environments.EMPTY]


def test_a_command_cannot_make_the_marker_of_its_environment_a_link(
    bench: Bench, tmp_path: Path
) -> None:
    _own_store(bench)
    mark = "ln -s $T $(python -c 'import sys; print(sys.prefix)')/.complete"
    bench.build(HEAD + f"ENV T={tmp_path}/made\nRUN pip --version; {mark}\n")
    assert not (tmp_path / "made").exists()


def test_python_is_the_environments(bench: Bench) -> None:
    bench.write("m.py", "x = 1\n")
    dockerfile = HEAD + "ENV SOURCE_DATE_EPOCH=1\nCOPY m.py .\nRUN python -m compileall -q .\n"
    first = bench.build(dockerfile)
    assert any(name.endswith(".pyc") for name in _files(first))
    if bench.isolation == "bwrap":  # a plain process sees the folder's real name
        assert bench.build(dockerfile, no_cache=True).image_id == first.image_id


@pytest.mark.parametrize("bench", ["bwrap"], indirect=True)  # a plain process may do all that
def test_only_bubblewrap_keeps_the_environment_and_this_machine_unchanged(bench: Bench) -> None:
    dockerfile = HEAD + "RUN touch $(dirname $(command -v python))/x 2>&1 || touch /usr/x\n"
    with pytest.raises(BuildError, match="exit code: 1"):
        bench.build(dockerfile)
    assert bench.said.count("Read-only file system") == 2


def test_nothing_of_the_accounts_process_reaches_a_command(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-of-the-account")
    bench.build(HEAD + "RUN env\n")
    assert "secret-of-the-account" not in bench.said


def test_the_lock_file_of_an_environment_in_the_store_installs_nothing(
    plain: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain.write("r.lock", "")
    key = locked_environments.EMPTY  # which that lock file means
    install = "RUN python -m pip install --require-hashes --only-binary :all: -r /tmp/r.lock\n"
    monkeypatch.setattr(locked_environments, "copy_of", _unexpected)
    image = plain.build(HEAD + "COPY r.lock /tmp/\n" + install)
    assert f"Using the environment {key}" in plain.said
    assert _config(image)["Labels"]["embedded-account.environment"] == key


def _unexpected(*_: object) -> None:
    raise AssertionError("the environment is there already")


@pytest.mark.parametrize(
    ("dockerfile", "expected"),
    [
        ("FROM python:latest", "1: FROM python:latest: python:latest names no digest"),
        ("FROM python:3.12-slim", "1: .* names no digest, so that it may be another image"),
        (f"FROM debian@sha256:{'1' * 64}", "1: .*has to be a python image; others are built by"),
        (HEAD + "USER nobody", "3: USER nobody: a rootless build does not model USER, it knows"),
        (HEAD + "ADD a b", "3: ADD a b: a rootless build does not model ADD"),
        (HEAD + 'SHELL ["x"]', "3: SHELL"),
        (HEAD + "RUN --mount=type=secret,id=x y", "3: RUN .*does not model its options"),
        (HEAD + "COPY --from=base a b", "3: COPY .*copies from the context only"),
        (HEAD + "COPY --link a .", "3: COPY .*does not model --link"),
        (HEAD + "COPY gone.txt .", "3: .*COPY failed: .*gone.txt: file does not exist"),
        (HEAD + "COPY a.txt /usr/lib/", "3: .*/usr/lib is outside /opt/program and /tmp"),
        (HEAD + "COPY a.txt /opt/program/../x", "3: .*/opt/x is outside"),
        (HEAD + "COPY ../a.txt b.txt c", "3: .*the destination must end with /"),
        (HEAD + "COPY a.txt", "3: .*one source or more and a destination"),
        (HEAD + "COPY link .", "3: .*link is a link"),
        (HEAD + "COPY out/secret .", "3: .*out/secret leads through a link out of the build"),
        (HEAD + "COPY o*/s* .", "3: .* leads through a link out of the build context"),
        (HEAD + "COPY out/deep .", "3: .* leads through a link out of the build context"),
        (HEAD + "ENV PATH=/x:$PATH", "3: .*sets PATH to its environment's"),
        (HEAD + "WORKDIR /srv", "3: WORKDIR /srv: /srv is outside"),
    ],
)
def test_what_is_refused_by_its_line(plain: Bench, dockerfile: str, expected: str) -> None:
    plain.write("a.txt")
    plain.write("b.txt")
    (plain.context / "link").symlink_to("/etc/passwd")
    outside = plain.cache / "outside"
    (outside / "deep").mkdir(parents=True)
    (outside / "secret").write_text("of this machine")
    (plain.context / "out").symlink_to(outside)
    with pytest.raises(DockerfileError, match=f"^Dockerfile:{expected}"):
        plain.build(dockerfile)


def test_what_is_not_known_is_refused_before_anything_is_done(bench: Bench) -> None:
    with pytest.raises(DockerfileError):
        bench.build(HEAD + "RUN echo done\nUSER nobody\n")
    assert "done" not in bench.said


def _gone(content: bytes) -> None:
    raise BrokenPipeError


def _cancelling(console: list[Console]) -> Callable[[bytes], None]:
    def write(content: bytes) -> None:
        if b"ready" in content.splitlines():
            console[0].cancel()

    return write


def test_a_build_ends_with_its_client(bench: Bench) -> None:
    asked = Asked(bench.context, HEAD + "RUN echo ready; sleep 600\n")
    console: list[Console] = []
    console.append(Console(_cancelling(console)))
    with pytest.raises(Cancelled):
        Rootless(bench.cache, bench.isolation).build(asked, console[0])
    with pytest.raises(Cancelled):
        Rootless(bench.cache, bench.isolation).build(asked, Console(_gone))
