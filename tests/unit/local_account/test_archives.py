"""Archives: what they may hold, and that what they say of themselves is not believed."""

import gzip
import io
import os
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest

from local_account.archives import ArchiveError, extract_tar, extract_zip
from local_account.limits import MIB


def _member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, link
    return member


def _tar(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for member, content in members:
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def _zip(path: Path, name: str, content: bytes = b"x", mode: int = stat.S_IFREG | 0o644) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as opened:
        entry = zipfile.ZipInfo(name)
        entry.external_attr = mode << 16
        entry.compress_type = zipfile.ZIP_DEFLATED
        opened.writestr(entry, content)
    return path


@pytest.mark.parametrize(
    "member",
    [
        _member("../up"),
        _member("/absolute"),
        _member("deep/../../up"),
        _member("link", tarfile.SYMTYPE, "/etc/passwd"),
        _member("link", tarfile.LNKTYPE, "other"),
        _member("pipe", tarfile.FIFOTYPE),
        _member("device", tarfile.CHRTYPE),
        _member("sparse", tarfile.GNUTYPE_SPARSE),
    ],
    ids=lambda member: f"{member.name} {member.type.decode()}",
)
def test_a_tar_member_that_is_refused(tmp_path: Path, member: tarfile.TarInfo) -> None:
    folder = tmp_path / "folder"
    with pytest.raises(ArchiveError):
        extract_tar(_tar(tmp_path / "a.tar.gz", (member, b"")), folder, MIB)
    assert not folder.exists() or list(folder.iterdir()) == []
    assert {path.name for path in tmp_path.iterdir()} <= {"a.tar.gz", "folder"}


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        ("../up", stat.S_IFREG),
        ("/absolute", stat.S_IFREG),
        ("deep/../../up", stat.S_IFREG),
        ("..\\up", stat.S_IFREG),
        ("link", stat.S_IFLNK),
        ("pipe", stat.S_IFIFO),
    ],
)
def test_a_zip_member_that_is_refused(tmp_path: Path, name: str, mode: int) -> None:
    archive, folder = _zip(tmp_path / "a.zip", name, b"/etc/passwd", mode), tmp_path / "folder"
    with pytest.raises(ArchiveError):
        extract_zip(archive, folder, MIB)
    assert not folder.exists()


def test_files_and_folders_are_extracted(tmp_path: Path) -> None:
    extract_zip(_zip(tmp_path / "a.zip", "deep/file.py", b"1", 0), tmp_path / "zip", MIB)
    members = ((_member("deep", tarfile.DIRTYPE), b""), (_member("deep/file"), b"2"))
    extract_tar(_tar(tmp_path / "a.tar.gz", *members), tmp_path / "tar", MIB)
    assert (tmp_path / "zip/deep/file.py").read_bytes() == b"1"
    assert (tmp_path / "tar/deep/file").read_bytes() == b"2"


def test_an_archive_over_its_size_is_refused(tmp_path: Path) -> None:
    noise = os.urandom(2 * MIB)
    for extract, archive in (
        (extract_zip, _zip(tmp_path / "a.zip", "noise", noise)),
        (extract_tar, _tar(tmp_path / "a.tar.gz", (_member("noise"), noise))),
    ):
        with pytest.raises(ArchiveError, match=f"over {MIB} bytes"):
            extract(archive, tmp_path / "folder", MIB)


def test_an_archive_that_unpacks_to_hundreds_of_times_its_size_is_refused(tmp_path: Path) -> None:
    nothing = bytes(64 * MIB)
    for extract, archive in (
        (extract_zip, _zip(tmp_path / "a.zip", "bomb", nothing)),
        (extract_tar, _tar(tmp_path / "a.tar.gz", (_member("bomb"), nothing))),
    ):
        with pytest.raises(ArchiveError, match="unpacks from"):
            extract(archive, tmp_path / "folder", 1024 * MIB)
    assert not (tmp_path / "folder" / "bomb").exists()


def test_a_member_that_is_larger_than_it_says_is_damaged(tmp_path: Path) -> None:
    archive = _zip(tmp_path / "a.zip", "liar", b"x" * MIB)
    honest = MIB.to_bytes(4, "little")
    content = archive.read_bytes()
    assert content.count(honest) >= 2
    archive.write_bytes(content.replace(honest, (9).to_bytes(4, "little")))
    with pytest.raises(ArchiveError, match="cannot be extracted"):
        extract_zip(archive, tmp_path / "folder", MIB)
    assert (tmp_path / "folder/liar").stat().st_size <= 9


@pytest.mark.parametrize("content", [b"", b"garbage", gzip.compress(b"x" * 2000, mtime=0)[:-20]])
def test_what_is_no_archive(tmp_path: Path, content: bytes) -> None:
    archive = tmp_path / "archive"
    archive.write_bytes(content)
    for extract in (extract_zip, extract_tar):
        with pytest.raises(ArchiveError, match="archive cannot be extracted"):
            extract(archive, tmp_path / "folder", MIB)
