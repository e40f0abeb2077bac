"""Packages that are installed here and not in an image: imported, they are absent here too."""

import sys
from collections.abc import Collection, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType


def hide(packages: Collection[str]) -> None:
    """Let nothing find these packages any more."""

    class Finder(PathFinder):
        @classmethod
        def find_spec(
            cls,
            fullname: str,
            path: Sequence[str] | None = None,
            target: ModuleType | None = None,
        ) -> ModuleSpec | None:
            """Find a module as ever, unless it is of a hidden package."""
            if fullname in packages:
                return None
            return super().find_spec(fullname, path, target)

    sys.meta_path[sys.meta_path.index(PathFinder)] = Finder
