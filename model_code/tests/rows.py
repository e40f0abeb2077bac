"""Rows that keep the contract, whatever it says: a changed contract needs no changed test."""

import csv
import hashlib
import json
import random
from pathlib import Path

from model_code.runtime.contract import Column, Contract, read_contract
from model_code.runtime.paths import CONTRACT_FILE, SPLITS

SEED = 20


def contract() -> Contract:
    """Return the contract of this repository."""
    return read_contract(CONTRACT_FILE)


def write_version(folder: Path) -> None:
    """Write a data set version with as many rows as the contract asks for, and its manifest."""
    drawn = random.Random(SEED)  # noqa: S311
    rules = contract()
    for split in SPLITS:
        (folder / split).mkdir(parents=True)
        count = rules.minimum_rows.get(split, 1)
        with (folder / split / f"{split}.csv").open("w", newline="") as file:
            rows = ([_value(column, drawn) for column in rules.columns] for _ in range(count))
            csv.writer(file).writerows(rows)
    files = [_entry(folder, folder / split / f"{split}.csv") for split in SPLITS]
    manifest = {"schema": 1, "version": "synthetic", "files": files}
    (folder / "_MANIFEST.json").write_text(json.dumps(manifest))


def _value(column: Column, drawn: random.Random) -> str | int | float:
    if column.type == "category":
        return drawn.choice(column.categories)
    if column.type == "integer":
        return drawn.randint(int(column.minimum), int(column.maximum))
    return round(drawn.uniform(column.minimum, column.maximum), 6)


def _entry(folder: Path, path: Path) -> dict[str, str | int]:
    content = path.read_bytes()
    return {
        "key": path.relative_to(folder).as_posix(),
        "sha256": hashlib.sha256(content).hexdigest(),
        "size": len(content),
    }
