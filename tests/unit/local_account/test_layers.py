"""Layers over one another, and that no link in them leads out of the image's root."""

import io
import tarfile
from pathlib import Path

import pytest

from local_account.archives import Allowance, ArchiveError
from local_account.layers import apply_layer

File = tuple[str, str]


def _layer(folder: Path, *members: tarfile.TarInfo | File) -> Path:
    path = folder / f"{len(list(folder.iterdir()))}.tar"
    with tarfile.open(path, "w") as tar:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                tar.addfile(member)
                continue
            entry = tarfile.TarInfo(member[0])
            entry.size, entry.mtime = len(member[1]), 7
            tar.addfile(entry, io.BytesIO(member[1].encode()))
    return path


def _of_type(kind: bytes, name: str, target: str = "") -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname, entry.mode = kind, target, 0o755
    return entry


def _apply(root: Path, *layers: Path, below: tuple[str, ...] = ()) -> None:
    for layer in layers:
        apply_layer(layer, root, Allowance("image", 1000), below)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root").mkdir()
    return tmp_path / "root"


def test_later_layers_replace_and_remove(tmp_path: Path, root: Path) -> None:
    first = _layer(tmp_path, ("a/one", "1"), ("a/two", "2"), ("b/x", "x"), ("c", "old"))
    second = _layer(
        tmp_path,
        ("a/.wh.one", ""),
        ("b/.wh..wh..opq", ""),
        ("b/y", "y"),
        _of_type(tarfile.DIRTYPE, "c"),
    )
    _apply(root, first, second)
    found = sorted(str(path.relative_to(root)) for path in root.rglob("*"))
    assert found == ["a", "a/two", "b", "b/y", "c"]
    assert (root / "c").is_dir()
    assert (root / "b/y").stat().st_mtime == 7


def test_links_stay_inside_the_root(tmp_path: Path, root: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("kept")
    layer = _layer(
        tmp_path,
        _of_type(tarfile.SYMTYPE, "absolute", str(outside)),
        _of_type(tarfile.SYMTYPE, "up", "../outside"),
        ("absolute/x", "x"),
        ("up/y", "y"),
        ("up/.wh.kept", ""),
        _of_type(tarfile.SYMTYPE, "lib", "usr/lib"),
        ("lib/z", "z"),
        _of_type(tarfile.LNKTYPE, "hard", "lib/z"),
    )
    _apply(root, layer)
    assert [path.name for path in outside.iterdir()] == ["kept"]
    assert (root / str(outside).lstrip("/") / "x").read_text() == "x"
    assert (root / "outside/y").read_text() == "y"
    assert (root / "usr/lib/z").read_text() == (root / "hard").read_text() == "z"


def test_a_hard_link_to_a_file_of_this_machine_is_none(tmp_path: Path, root: Path) -> None:
    layer = _layer(tmp_path, _of_type(tarfile.LNKTYPE, "x", "/etc/hostname"))
    with pytest.raises(ArchiveError, match="cannot be extracted"):
        _apply(root, layer)


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ([("../x", "x")], "leads out of its folder"),
        ([("etc/passwd", "x")], "etc/passwd is outside /opt/program and /tmp"),
        ([("opt/program/x", "x" * 1001)], "over 1000 bytes"),
        (
            [_of_type(tarfile.SYMTYPE, "tmp/a", "a"), ("tmp/a/x", "x")],
            "leads through too many links",
        ),
    ],
)
def test_what_is_refused(
    tmp_path: Path, root: Path, members: list[tarfile.TarInfo | File], expected: str
) -> None:
    below = () if "folder" in expected else ("opt/program", "tmp")
    with pytest.raises(ArchiveError, match=expected):
        _apply(root, _layer(tmp_path, *members), below=below)


@pytest.mark.parametrize(("name", "value"), [("mtime", "1e300"), ("mtime", "nan")])
def test_a_time_that_no_file_can_have_is_refused(
    tmp_path: Path, root: Path, name: str, value: str
) -> None:
    entry = tarfile.TarInfo("x")
    entry.pax_headers = {name: value}
    path = tmp_path / "odd.tar"
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        tar.addfile(entry)
    with pytest.raises(ArchiveError, match=r"odd\.tar cannot be extracted"):
        _apply(root, path)


def test_devices_are_left_out(tmp_path: Path, root: Path) -> None:
    _apply(root, _layer(tmp_path, _of_type(tarfile.CHRTYPE, "dev/null"), ("x", "x")))
    assert sorted(path.name for path in root.iterdir()) == ["dev", "x"]
    assert list((root / "dev").iterdir()) == []
