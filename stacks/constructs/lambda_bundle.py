"""One deterministic asset for all Lambdas, built without docker: source and locked packages."""

import hashlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from aws_cdk import AssetHashType
from aws_cdk import aws_lambda as lambda_

PIP_INSTALL = (sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
PIP_TARGET = (
    "--platform=manylinux2014_x86_64",
    "--python-version=3.14",
    "--implementation=cp",
    "--only-binary=:all:",
    "--require-hashes",
    "--no-deps",
    "--no-compile",
)
# Whatever names the installer or the machine that installed: it changes without the packages.
VOLATILE = (
    "*.dist-info/RECORD",
    "*.dist-info/INSTALLER",
    "*.dist-info/REQUESTED",
    "*.dist-info/direct_url.json",
    "bin",
    "**/__pycache__",
)


class BundleError(Exception):
    """The packages cannot be installed; the message is one line."""


@dataclass(frozen=True)
class LambdaBundle:
    """The archive of all Lambdas, and the digest of what is in it."""

    archive: Path
    digest: str

    def code(self) -> lambda_.Code:
        """Return the archive as the code of one stack's Lambdas: CDK lets no two share it."""
        return lambda_.Code.from_asset(
            str(self.archive), asset_hash=self.digest, asset_hash_type=AssetHashType.CUSTOM
        )


def bundle_lambdas(source: Path, cache: Path) -> LambdaBundle:
    """Zip the handlers beside their packages.

    Parameters
    ----------
    source
        Folder of the handlers and `requirements.lock`; becomes the root of the archive.
    cache
        Where packages are kept by the digest of their lock: later calls need no network.

    Raises
    ------
    BundleError
        If pip cannot install the locked packages.
    """
    cache.mkdir(parents=True, exist_ok=True)
    lock = source / "requirements.lock"
    packages_digest = _digest(lock.read_bytes(), *(option.encode() for option in PIP_TARGET))
    packages = cache / f"packages-{packages_digest[:16]}"
    if not packages.is_dir():
        _install(lock, packages)
    modules = sorted(path.relative_to(source) for path in source.rglob("*.py"))
    contents = (part for path in modules for part in _named(source, path))
    digest = _digest(packages_digest.encode(), *contents)
    archive = cache / f"bundle-{digest[:16]}.zip"
    if not archive.is_file():
        _zip({packages: _files(packages), source: modules}, archive)
    return LambdaBundle(archive, digest)


def _named(source: Path, path: Path) -> tuple[bytes, bytes]:
    return path.as_posix().encode(), (source / path).read_bytes()


def _digest(*parts: bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()


def _install(lock: Path, packages: Path) -> None:
    with _replacing(packages) as partial:
        pip = subprocess.run(
            (*PIP_INSTALL, *PIP_TARGET, f"--target={partial}", f"--requirement={lock}"),
            capture_output=True,
            text=True,
            check=False,
        )
        if pip.returncode != 0:
            problem = (pip.stderr.strip() or f"pip ended with {pip.returncode}").splitlines()[-1]
            raise BundleError(f"{lock}: packages for the Lambdas cannot be installed: {problem}")
        for pattern in VOLATILE:
            for path in list(partial.glob(pattern)):
                shutil.rmtree(path) if path.is_dir() else path.unlink()


def _files(folder: Path) -> list[Path]:
    return sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())


def _zip(contents: Mapping[Path, Sequence[Path]], archive: Path) -> None:
    """Write files in a fixed order, with fixed times and modes: equal files, equal bytes."""
    with (
        _replacing(archive) as partial,
        zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as bundle,
    ):
        for folder, paths in contents.items():
            for path in paths:
                entry = zipfile.ZipInfo(path.as_posix(), date_time=(1980, 1, 1, 0, 0, 0))
                entry.compress_type = zipfile.ZIP_DEFLATED
                entry.external_attr = 0o644 << 16
                bundle.writestr(entry, (folder / path).read_bytes())


@contextmanager
def _replacing(target: Path) -> Iterator[Path]:
    """A name beside the target to write to; it is put in place at once, or not at all."""
    outdated = list(target.parent.glob(f"{target.name.partition('-')[0]}-*"))
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".partial-") as folder:
        partial = Path(folder) / target.name
        yield partial
        if not target.exists():  # else another synth was faster
            partial.rename(target)
    for path in outdated:
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
