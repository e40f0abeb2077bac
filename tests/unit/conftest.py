"""The settings file with a change, for whoever tests settings."""

from collections.abc import Callable
from pathlib import Path

import pytest

from stacks.settings import Settings
from stacks.settings_file import load_settings

SETTINGS = Path(__file__).resolve().parents[2] / "mlops.toml"


@pytest.fixture
def edited(tmp_path: Path) -> Callable[..., Settings]:
    """Load the project's settings after replacing text in the file."""

    def load(old: str, new: str, environment: str = "dev") -> Settings:
        text = SETTINGS.read_text()
        assert old in text
        path = tmp_path / "mlops.toml"
        path.write_text(text.replace(old, new, 1))
        return load_settings(path, environment)

    return load
