"""Stage Test as the repository itself has it: a good commit passes, a bad one says why."""

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
TRAIN = "        train(paths, model)\n"
OUTSIDE = ROOT / "build" / "written-outside.txt"


@dataclass(frozen=True)
class Checkout:
    """The repository in a folder of another name, without what is around it."""

    folder: Path

    def edit(self, name: str, old: str, new: str) -> None:
        text = (self.folder / name).read_text()
        assert old in text
        (self.folder / name).write_text(text.replace(old, new, 1))

    def test(self) -> subprocess.CompletedProcess[str]:
        """Run the commands of the buildspec."""
        spec = yaml.safe_load((self.folder / "buildspec-test.yml").read_text())
        commands = [*spec["phases"]["install"]["commands"], *spec["phases"]["build"]["commands"]]
        home = self.folder.parent / "home"
        home.mkdir()
        (home / ".cache").symlink_to(ROOT / ".cache/builds")
        return subprocess.run(
            ["bash", "-e", "-c", "\n".join(commands)],
            cwd=self.folder,
            env={**os.environ, **spec["env"]["variables"], "HOME": str(home)},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    ignored = shutil.ignore_patterns("__pycache__", ".*_cache", "junit.xml")
    shutil.copytree(ROOT / "model_code", tmp_path / "ModelCode", ignore=ignored)
    return Checkout(tmp_path / "ModelCode")


def test_the_first_commit_passes(checkout: Checkout) -> None:
    before = {path for path in checkout.folder.rglob("*") if "__pycache__" not in path.parts}
    done = checkout.test()
    assert done.returncode == 0, done.stdout + done.stderr
    after = {path for path in checkout.folder.rglob("*") if "__pycache__" not in path.parts}
    assert {path.name for path in after - before} == {"junit.xml"}


def test_the_random_model_passes_too(checkout: Checkout) -> None:
    checkout.edit("app.py", "import model\n", "import model_random as model\n")
    done = checkout.test()
    assert done.returncode == 0, done.stdout + done.stderr


def with_syntax_error(checkout: Checkout) -> None:
    checkout.edit("model.py", "def fit(", "def fit((")


def with_package_of_another_image(checkout: Checkout) -> None:
    checkout.edit("model.py", "import xgboost as xgb\n", "import pandas\nimport xgboost as xgb\n")
    checkout.edit("model.py", "    num_round = ", "    print(pandas)\n    num_round = ")


def with_failing_test(checkout: Checkout) -> None:
    text = 'def test_two() -> None:\n    assert 1 + 1 == 3, "one and one are not three"\n'
    (checkout.folder / "tests/test_added.py").write_text(text)


def without_model(checkout: Checkout) -> None:
    checkout.edit("__main__.py", TRAIN, "        print(train, model)\n")


def with_endless_loop(checkout: Checkout) -> None:
    checkout.edit("model.py", "    num_round = ", "    while True:\n        pass\n    num_round = ")
    checkout.edit("tests/job.py", "LIMIT_SECONDS = 45", "LIMIT_SECONDS = 4")


def with_file_outside(checkout: Checkout) -> None:
    written = f'        open("{OUTSIDE}", "w").close()  # noqa\n'
    checkout.edit("__main__.py", TRAIN, written + TRAIN)


def with_chance(checkout: Checkout) -> None:
    drawn = '    import time\n\n    settings["seed"] = time.time_ns() % 10**6\n'
    checkout.edit("model.py", "    settings |= {\n", f"{drawn}    settings |= {{\n")


@pytest.mark.parametrize(
    ("commit", "cause"),
    [
        (with_syntax_error, "model.py:25:9: invalid-syntax: Expected `)`, found `(`"),
        (
            with_package_of_another_image,
            "`train` ended with exit code 1: AlgorithmError: ModuleNotFoundError: No module named "
            "'pandas'",
        ),
        (with_failing_test, "::test_two - AssertionError: one and one are not three"),
        (without_model, "`train` ended with exit code 0 but model/ has nothing; expected "),
        (with_endless_loop, "`train` did not end within 4 s on a few hundred rows"),
        (with_file_outside, f"`train` wrote {OUTSIDE}; expected files below SAGEMAKER_BASE_DIR"),
        (with_chance, "two trainings on the same data wrote different model.json"),
    ],
)
def test_a_bad_commit_says_why_in_one_line(
    checkout: Checkout, commit: Callable[[Checkout], None], cause: str
) -> None:
    commit(checkout)
    done = checkout.test()
    assert done.returncode != 0
    assert any(cause in line for line in done.stdout.splitlines()), done.stdout + done.stderr
    assert not OUTSIDE.exists()
