"""The `validate` command: is this data set version what its manifest and the contract say?"""

from pathlib import Path

import polars as pl

from model_code.runtime.contract import Contract, read_contract
from model_code.runtime.errors import DataError, JobInputError
from model_code.runtime.files import sha256_of, write_json
from model_code.runtime.manifest import MANIFEST_NAME, Manifest, ManifestFile, read_manifest
from model_code.runtime.paths import CONTRACT_FILE, SPLITS, Paths
from model_code.runtime.tables import concatenate, read_file
from model_code.runtime.violations import ViolationList, shown


def validate(paths: Paths) -> None:
    """Check every file and every row of a version and write ``validation.json``.

    Raises
    ------
    JobInputError
        If the files are not the ones that the manifest lists.
    DataError
        If rows break the contract; all files are read before it is raised.
    """
    contract = read_contract(CONTRACT_FILE)
    folder = paths.processing_input("dataset")
    manifest = read_manifest(folder / MANIFEST_NAME)
    _check_files(folder, manifest)
    tables = _read(contract, folder, manifest)
    splits = {
        split: concatenate(contract, split, [tables[file.key] for file in manifest.of_split(split)])
        for split in SPLITS
    }
    warnings = _warnings(splits)
    report = {
        "schema": 1,
        "version": manifest.version,
        "contract_sha256": contract.sha256,
        "files": [
            {"key": file.key, "sha256": file.sha256, "rows": tables[file.key].height}
            for file in manifest.files
        ],
        "rows": {split: table.height for split, table in splits.items()},
        "columns": {split: _summaries(contract, table) for split, table in splits.items()},
        "warnings": warnings,
    }
    write_json(paths.processing_output("validation") / "validation.json", report)
    rows = ", ".join(f"{split} {table.height}" for split, table in splits.items())
    print(f"{manifest.version} keeps the contract: rows: {rows}")
    for warning in warnings:
        print(f"warning: {warning}")


def _check_files(folder: Path, manifest: Manifest) -> None:
    present = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    unlisted = sorted(present - {file.key for file in manifest.files} - {MANIFEST_NAME})
    if unlisted:
        raise JobInputError(
            f"{shown(unlisted[0])} is not in {MANIFEST_NAME} ({len(unlisted)} such files); remove "
            "it or publish the version again."
        )
    for file in manifest.files:
        _check_file(folder / file.key, file)


def _check_file(path: Path, file: ManifestFile) -> None:
    if not path.is_file():
        raise JobInputError(f"{file.key} is in {MANIFEST_NAME} but not in the version; upload it.")
    size = path.stat().st_size
    found, expected = f"{size} bytes", f"{file.size}"
    if size == file.size:
        found, expected = f"sha256 {sha256_of(path)}", file.sha256
        if found == f"sha256 {expected}":
            return
    raise JobInputError(
        f"{file.key}: found {found}, expected {expected} by {MANIFEST_NAME}; upload it again."
    )


def _read(contract: Contract, folder: Path, manifest: Manifest) -> dict[str, pl.DataFrame]:
    tables = {}
    violations = ViolationList()
    for file in manifest.files:
        try:
            tables[file.key] = read_file(contract, folder / file.key, file.key)
        except DataError as error:
            violations.add(error)
    violations.raise_if_any()
    return tables


def _summaries(contract: Contract, table: pl.DataFrame) -> dict[str, object]:
    summaries: dict[str, object] = {}
    for column in contract.columns:
        series = table[column.name]
        if column.type == "category":
            counts = series.value_counts(sort=True).rows()
            summaries[column.name] = {"counts": dict(counts)}
        else:
            summaries[column.name] = {
                "minimum": series.min(),
                "maximum": series.max(),
                "mean": series.mean(),
                "standard_deviation": series.std(),
            }
    return summaries


def _warnings(splits: dict[str, pl.DataFrame]) -> list[str]:
    warnings = []
    for split, table in splits.items():
        duplicates = table.height - table.unique().height
        if duplicates:
            warnings.append(f"rows of {split} that occur more than once: {duplicates}")
    shared = splits["validation"].join(splits["train"], on=splits["train"].columns, how="semi")
    if shared.height:
        warnings.append(f"rows of validation that are also in train, a leak: {shared.height}")
    return warnings
