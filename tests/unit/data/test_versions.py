"""The split and the versions: what is held out is held out of every version."""

import os
from pathlib import Path

import pytest

import data
from data.synthesize import synthesize
from data.versions import split

SYNTHETIC = data.Source("synthetic", synthesize(), "made up for tests")


def rows(version: data.DatasetVersion, name: str) -> list[str]:
    return (version.folder / name / f"{name}.csv").read_text().splitlines()


@pytest.fixture(scope="module")
def versions(tmp_path_factory: pytest.TempPathFactory) -> list[data.DatasetVersion]:
    return data.build_versions(tmp_path_factory.mktemp("versions"), SYNTHETIC)


def test_training_grows_from_version_to_version_and_validation_stays(
    versions: list[data.DatasetVersion],
) -> None:
    assert [version.name for version in versions] == ["v1.0", "v1.0-retrain", "v1.1"]
    half, three_quarters, everything = (rows(version, "train") for version in versions)
    assert half == everything[: len(everything) // 2]
    assert three_quarters == everything[: len(everything) * 3 // 4]
    held_out = [rows(version, "validation") for version in versions]
    assert held_out[0] == held_out[1] == held_out[2]
    assert sorted([*everything, *held_out[0]]) == sorted(SYNTHETIC.content.decode().split())


def test_no_validation_row_is_in_any_training_split(versions: list[data.DatasetVersion]) -> None:
    for version in versions:
        assert not set(rows(version, "train")) & set(rows(version, "validation"))


def test_about_a_fifth_is_held_out() -> None:
    training, validation = split(SYNTHETIC.content)
    assert len(validation) / (len(training) + len(validation)) == pytest.approx(0.2, abs=0.015)


def test_equal_rows_land_on_the_same_side() -> None:
    training, validation = split(SYNTHETIC.content * 3)
    assert not set(training) & set(validation)


def test_a_row_keeps_its_side_when_others_come_and_go() -> None:
    lines = SYNTHETIC.content.splitlines()
    _, validation = split(SYNTHETIC.content)
    _, of_some = split(b"\n".join(reversed(lines[::3])))
    assert set(of_some) == set(validation) & set(lines[::3])


def test_files_keep_the_order_of_the_source() -> None:
    lines = SYNTHETIC.content.splitlines()
    for part in split(SYNTHETIC.content):
        positions = [lines.index(row) for row in part[:50]]
        assert positions == sorted(positions)


def test_building_again_gives_the_same_bytes_and_leaves_nothing_else(tmp_path: Path) -> None:
    def contents() -> dict[str, bytes]:
        data.build_versions(tmp_path, SYNTHETIC)
        files = (path for path in tmp_path.rglob("*") if path.is_file())
        return {str(path.relative_to(tmp_path)): path.read_bytes() for path in files}

    first = contents()
    assert contents() == first
    assert len(first) == 9


def test_the_manifest_describes_the_files(versions: list[data.DatasetVersion]) -> None:
    for version in versions:
        manifest = data.build_manifest(version.folder, version.name)
        assert version.manifest.read_bytes() == data.manifest_bytes(manifest)
        assert version.digest == data.dataset_digest(manifest["files"])
        assert version.train_rows == len(rows(version, "train"))
        assert version.validation_rows == len(rows(version, "validation"))


def test_a_caller_learns_that_rows_are_made_up(versions: list[data.DatasetVersion]) -> None:
    assert {(version.origin, version.note) for version in versions} == {
        ("synthetic", "made up for tests")
    }


def test_files_of_somebody_else_are_not_overwritten(tmp_path: Path) -> None:
    foreign = tmp_path / "v1.0/train/mine.csv"
    foreign.parent.mkdir(parents=True)
    foreign.write_text("mine")
    with pytest.raises(data.ManifestError, match=r"mine\.csv is not part of the version v1\.0"):
        data.build_versions(tmp_path, SYNTHETIC)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [foreign]


def test_the_published_data_gives_the_versions_that_are_documented(tmp_path: Path) -> None:
    if not os.environ.get("ABALONE_DATA"):
        pytest.skip("$ABALONE_DATA names no copy of the published data")
    versions = data.build_versions(tmp_path)
    counts = [(version.train_rows, version.validation_rows) for version in versions]
    assert counts == [(1677, 823), (2515, 823), (3354, 823)]
    assert versions[-1].digest.startswith("sha256:0958658a")
