"""Synthesis: one archive for all Lambdas, and one line for a mistake."""

import json
import shutil
import subprocess
import zipfile
from pathlib import Path
from typing import Any

from tests.synth.assembly import ROOT, Assembly, run_app


def test_all_lambdas_share_one_asset_that_starts_at_the_handlers(dev: Assembly) -> None:
    keys = {
        json.dumps(resource["Properties"]["Code"])
        for template in dev.templates.values()
        for resource in template["Resources"].values()
        if resource["Type"] == "AWS::Lambda::Function"
    }
    (archive,) = dev.folder.glob("asset.*.zip")
    assert len(keys) == 1
    assert archive.name.removeprefix("asset.") in keys.pop()
    names = zipfile.ZipFile(archive).namelist()
    assert {"prepare_run/handler.py", "shared/errors.py", "pydantic/__init__.py"} <= set(names)
    assert "aws_lambda_powertools/__init__.py" in names
    assert not [name for name in names if "__pycache__" in name or name.endswith("RECORD")]
    assert not [name for name in names if name.startswith("bin/") or "requirements" in name]


def edited_project(tmp_path: Path, old: str, new: str) -> Path:
    """A project whose settings have a mistake, and which shares everything else."""
    settings = (ROOT / "mlops.toml").read_text()
    assert old in settings
    for name in ("app.py", "stacks", "lambdas", "model_code"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "app.py").unlink()
    shutil.copy(ROOT / "app.py", tmp_path)
    (tmp_path / "mlops.toml").write_text(settings.replace(old, new, 1))
    return tmp_path


def test_a_typo_in_the_settings_is_one_line_that_names_the_field(tmp_path: Path) -> None:
    project = edited_project(tmp_path, "noncurrent_version_days", "noncurent_version_days")
    done = run_app(tmp_path / "out", app=project)
    assert done.returncode == 1
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("error: mlops.toml: storage.noncurent_version_days: ")


def test_cdk_json_runs_the_app_and_sends_nothing_home() -> None:
    settings: dict[str, Any] = json.loads((ROOT / "cdk.json").read_text())
    assert settings["app"] == "python3 app.py"
    assert (settings["notices"], settings["versionReporting"]) == (False, False)
    assert "build" not in settings


def test_only_settings_data_and_model_code_know_the_project_s_subject() -> None:
    subject = "aba" + "lone"
    may = ("mlops.toml", "model_code/", "data/", "docs/", "tests/", ".ci/", "README", "CHANGELOG")
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    files = [ROOT / name for name in listed if not name.startswith(may)]
    knowing = [
        str(path.relative_to(ROOT))
        for path in files
        if path.is_file() and subject in path.read_text(errors="ignore").lower()
    ]
    assert knowing == []


def test_templates_know_the_project_s_name_from_the_settings_alone(
    dev: Assembly, tmp_path: Path
) -> None:
    name = json.dumps(dev.templates).partition("-model-group")[0].rpartition('"')[2]
    project = edited_project(tmp_path, f'name = "{name}"', 'name = "renamed"')
    (tmp_path / ".cache").symlink_to(ROOT / ".cache")
    done = run_app(tmp_path / "out", app=project)
    assert done.returncode == 0, done.stderr
    for path in (tmp_path / "out").glob("*.template.json"):
        assert name not in path.read_text().lower()
