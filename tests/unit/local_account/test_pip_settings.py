"""What of this machine's configuration of pip reaches a build, and what it brings with it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from local_account import pip_settings

Configure = Callable[..., None]


@pytest.fixture
def configure(monkeypatch: pytest.MonkeyPatch) -> Configure:
    """Let variables be all that configures pip."""
    monkeypatch.setattr(pip_settings, "_configured", dict)
    for name in pip_settings.pip_settings():
        monkeypatch.delenv(name)

    def configured(**settings: object) -> None:
        for name, value in settings.items():
            monkeypatch.setenv(f"PIP_{name}", str(value))

    return configured


def test_only_what_packages_come_from_is_told_and_brought(
    tmp_path: Path, configure: Configure
) -> None:
    for name in ("wheels", "private", "target"):
        (tmp_path / name).mkdir()
    configure(
        FIND_LINKS=f"{tmp_path}/wheels https://example.com/wheels",
        TARGET=tmp_path / "target",
        SRC=tmp_path / "private",
        CONFIG_FILE=tmp_path / "private",
        TRUSTED_HOST=tmp_path / "private",
        NO_INDEX=1,
    )
    assert set(pip_settings.pip_settings()) == {
        "PIP_FIND_LINKS",
        "PIP_NO_INDEX",
        "PIP_TRUSTED_HOST",
    }
    assert pip_settings.pip_folders() == [str(tmp_path / "wheels")]


def test_an_index_on_disk_brings_where_its_pages_say_the_files_are(
    tmp_path: Path, configure: Configure
) -> None:
    page = tmp_path / "simple/numpy/index.html"
    page.parent.mkdir(parents=True)
    links = ("../../files/numpy-1.whl#sha256=0", "../../../elsewhere/a.whl", "numpy-2.tar.gz")
    page.write_text("".join(f'<a href="{link}">numpy</a>\n' for link in links))
    for name in ("files", "home"):
        (tmp_path / name).mkdir()
    configure(EXTRA_INDEX_URL=f"file://{tmp_path}/simple/ file://{tmp_path}/absent")
    assert pip_settings.pip_folders() == [str(tmp_path / "files"), str(tmp_path / "simple")]


def test_what_signs_in_to_indexes_is_known(configure: Configure) -> None:
    configure(
        INDEX_URL="https://me:pass%2Fword@example.com/simple",  # pragma: allowlist secret
        EXTRA_INDEX_URL="https://token-alone@example.com/simple https://example.org/simple",
        PROXY="http://proxy:8080",
    )
    assert pip_settings.pip_secrets() == ["pass%2Fword", "token-alone", "pass/word"]
