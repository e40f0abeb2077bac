"""The layers of builds that are kept: how many, and that nothing half-written stays."""

import os
import time
from pathlib import Path

import pytest

from local_account.image_builds import kept_layers
from local_account.image_builds.kept_layers import Entry, KeptLayers

_DAY = 24 * 3600


def _keep(kept: KeptLayers, folder: Path, name: str) -> Path:
    source = folder / name
    source.write_bytes(os.urandom(1000))
    layer = kept.keep(name, [Entry("x", source=source)]).layer
    assert layer is not None
    return layer.path


def _used(path: Path, days_ago: float) -> None:
    then = time.time() - days_ago * _DAY
    os.utime(path, (then, then))


def test_what_was_used_longest_ago_goes_when_there_is_too_much(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = KeptLayers(tmp_path)
    blobs = {name: _keep(kept, tmp_path, name) for name in ("oldest", "older", "asked", "new")}
    for name, days in (("oldest", 30), ("older", 20), ("asked", 40)):
        _used(blobs[name], days)
        _used(tmp_path / "layers/steps" / f"{name}.json", days)
    assert kept.find("asked") is not None  # which uses it
    kept.prune()
    assert all(kept.find(name) for name in ("asked", "new"))
    monkeypatch.setattr(kept_layers, "_MAX_BYTES", 2600)
    kept.prune()
    assert [name for name in blobs if blobs[name].exists()] == ["asked", "new"]
    steps = {path.stem for path in (tmp_path / "layers/steps").iterdir()}
    assert steps == {"asked", "new"}
    assert kept.find("older") is None


def test_a_layer_that_a_build_may_be_using_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = KeptLayers(tmp_path)
    blob = _keep(kept, tmp_path, "used")
    _used(blob, 1.5)
    monkeypatch.setattr(kept_layers, "_MAX_BYTES", 0)
    kept.prune()
    assert blob.exists()


def test_a_layer_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    kept = KeptLayers(tmp_path)
    with pytest.raises(FileNotFoundError):
        kept.keep("key", [Entry("x", source=tmp_path / "absent")])
    assert [path for path in (tmp_path / "layers").rglob("*") if path.is_file()] == []
