"""A model archive may have been made by anybody."""

import gzip
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from model_code.runtime.archive import unpack
from model_code.runtime.errors import ArtifactError

NAMES = frozenset({"a", "b"})
Pack = Callable[..., bytes]


def unpack_bytes(content: bytes, folder: Path, limit: int = 100_000) -> Path:
    (folder / "model.tar.gz").write_bytes(content)
    target = folder / "unpacked"
    target.mkdir()
    unpack(folder / "model.tar.gz", target, NAMES, limit)
    return target


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


def sparse(name: str, real_size: int) -> tarfile.TarInfo:
    """A member of no bytes that unpacks into as many zeros as it says."""
    member = tarfile.TarInfo(name)
    headers = {"size": real_size, "numblocks": 1, "map": "0,0"}
    member.pax_headers = {f"GNU.sparse.{key}": str(value) for key, value in headers.items()}
    return member


@pytest.mark.parametrize("prefix", ["", "./"])
def test_the_named_files_are_unpacked(tmp_path: Path, tar_gz: Pack, prefix: str) -> None:
    root = special("./", tarfile.DIRTYPE)
    packed = tar_gz(root, (f"{prefix}a", b"1"), (f"{prefix}b", b"2"))
    target = unpack_bytes(packed, tmp_path)
    assert {path.name: path.read_bytes() for path in target.iterdir()} == {"a": b"1", "b": b"2"}


@pytest.mark.parametrize(
    ("member", "expected"),
    [
        (("c", b""), "found the member 'c'"),
        (("../a", b""), "found the member '../a'"),
        (("/a", b""), "found the member"),
        (("code/a", b""), "found the member 'code/a'"),
        (("a", b"again"), "found the member 'a'"),
        (special("b", tarfile.SYMTYPE, "/etc/passwd"), "found the member 'b'"),
        (special("b", tarfile.LNKTYPE, "a"), "found the member 'b'"),
        (special("b", tarfile.FIFOTYPE), "found the member 'b'"),
        (special("b", tarfile.CHRTYPE), "found the member 'b'"),
        (special("sub", tarfile.DIRTYPE), "found the member 'sub'"),
        (sparse("b", 10**6), "found the member 'b'"),
    ],
)
def test_any_other_member_is_refused(
    tmp_path: Path, tar_gz: Pack, member: object, expected: str
) -> None:
    with pytest.raises(ArtifactError) as caught:
        unpack_bytes(tar_gz(("a", b"1"), member), tmp_path)
    assert expected in str(caught.value)
    assert not (tmp_path / "a").exists()


def test_a_small_archive_of_many_bytes_is_refused_before_it_fills_the_disk(
    tmp_path: Path, tar_gz: Pack
) -> None:
    packed = tar_gz(("a", bytes(5_000_000)))
    assert len(packed) < 100_000
    with pytest.raises(ArtifactError, match="unpacks into more bytes than allowed"):
        unpack_bytes(packed, tmp_path)
    assert sum(path.stat().st_size for path in (tmp_path / "unpacked").iterdir()) <= 100_000


@pytest.mark.parametrize(
    "content", [b"", b"no archive", gzip.compress(b"no tar" * 1000)], ids=["empty", "text", "gzip"]
)
def test_what_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(ArtifactError, match=r"model\.tar\.gz: "):
        unpack_bytes(content, tmp_path)


def test_a_truncated_archive_is_refused(tmp_path: Path, tar_gz: Pack) -> None:
    packed = tar_gz(("a", bytes(range(256)) * 20), ("b", b"2"))
    with pytest.raises(ArtifactError):
        unpack_bytes(packed[: len(packed) // 2], tmp_path)


def test_a_missing_file_is_named(tmp_path: Path, tar_gz: Pack) -> None:
    with pytest.raises(ArtifactError, match="b is missing"):
        unpack_bytes(tar_gz(("a", b"1")), tmp_path)
    with pytest.raises(ArtifactError, match="No such file"):
        unpack(tmp_path / "absent.tar.gz", tmp_path, NAMES)
