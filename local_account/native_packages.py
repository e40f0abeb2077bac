"""Native packages in a Lambda archive are built for Lambda; here is their build for this machine.

A function's archive carries, say, `pydantic_core` for CPython 3.13 on x86-64 Linux. On a
laptop with another interpreter or system that file cannot be loaded, so the account puts
the same version's build for this machine in its place, and nothing else.
"""

import shutil
from email.parser import HeaderParser
from pathlib import Path

from packaging.tags import parse_tag, sys_tags


def _wheel_tags(dist_info: Path) -> set[str]:
    wheel = HeaderParser().parsestr((dist_info / "WHEEL").read_text())
    return {str(tag) for line in wheel.get_all("Tag", []) for tag in parse_tag(line)}


def use_native_builds(task_root: Path, native_packages: Path) -> None:
    """Replace packages under `task_root` that this machine cannot load.

    Parameters
    ----------
    task_root
        An unpacked Lambda archive.
    native_packages
        A folder with the same locked packages, installed for this machine.

    Raises
    ------
    FileNotFoundError
        If `native_packages` does not hold the package in the same version.
    """
    here = {str(tag) for tag in sys_tags()}
    for dist_info in sorted(task_root.glob("*.dist-info")):
        if not (dist_info / "WHEEL").exists() or _wheel_tags(dist_info) & here:
            continue
        build = native_packages / dist_info.name
        if not build.exists():
            raise FileNotFoundError(
                f"The archive holds {dist_info.name} for another system and {native_packages} "
                "has no build of that version for this one; run `make` again to install it."
            )
        for line in (build / "RECORD").read_text().splitlines():
            name = line.rsplit(",", 2)[0]
            if ".." in Path(name).parts:
                continue
            (task_root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(native_packages / name, task_root / name)
