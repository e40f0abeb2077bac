"""A clone of the model code's repository, in which the demonstration commits."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlops.errors import ResponseError

if TYPE_CHECKING:
    from pathlib import Path

    from mlops.stage import Stage

CHOICE = "app.py"
"""The file that chooses which model is trained, by one import."""
IMPROVED = "from model_code import model\n"
FORMER = "from model_code import model_random as model\n"
# nobody's own settings: who demonstrates may have none, or sign commits with a card
_AUTHOR = (("user.name", "Demo"), ("user.email", "demo@example.com"), ("commit.gpgsign", "false"))


@dataclass(frozen=True)
class Workspace:
    """A folder that git works in, as a data scientist has one."""

    stage: Stage
    folder: Path

    def clone(self, url: str) -> None:
        """Clone the repository; a clone of an earlier demonstration goes."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        self.stage.run_git("clone", "--quiet", url, self.folder.name, cwd=self.folder.parent)
        for setting in _AUTHOR:
            self.stage.run_git("config", *setting, cwd=self.folder, shown=False)

    def choose(self, wanted: str, message: str) -> str:
        """Commit and push which model is trained; return the commit's id.

        Raises
        ------
        ResponseError
            If the file does not choose the other one.
        """
        file = self.folder / CHOICE
        before = file.read_text(encoding="utf-8")
        instead_of = IMPROVED if wanted == FORMER else FORMER
        if instead_of not in before:
            raise ResponseError(
                f"{file} has no line {instead_of.strip()!r}; expected the demonstration's own. "
                f"Put it back into model_code/{CHOICE}."
            )
        file.write_text(before.replace(instead_of, wanted), encoding="utf-8")
        self.stage.run_git("commit", "--quiet", "-am", message, cwd=self.folder)
        self.stage.run_git("push", "--quiet", cwd=self.folder)
        return self.stage.run_git("rev-parse", "HEAD", cwd=self.folder, shown=False).strip()
