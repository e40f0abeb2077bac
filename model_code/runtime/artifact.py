"""The model artifact: trees as UBJ, what they were made from, the contract of their rows."""

import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import xgboost as xgb

from model_code.runtime.contract import Contract, read_contract
from model_code.runtime.encode import FloatArray, encode, feature_names
from model_code.runtime.errors import AlgorithmError, ArtifactError
from model_code.runtime.files import sha256_of, write_bytes, write_json

MODEL_FILE = "model.ubj"
DESCRIPTION_FILE = "model.json"
CONTRACT_COPY = "contract.toml"
ARTIFACT_FILES = frozenset({MODEL_FILE, DESCRIPTION_FILE, CONTRACT_COPY})


@dataclass(frozen=True)
class Artifact:
    """A model that was verified against its description."""

    booster: xgb.Booster
    contract: Contract
    description: Mapping[str, Any]

    def predict(self, table: pl.DataFrame) -> list[str]:
        """Predict checked rows, one text each: the shortest that is the same float32 again.

        Serving sends these texts and evaluation computes with them, so the two cannot differ.
        """
        return prediction_texts(predict(self.booster, encode(self.contract, table)))


def predict(booster: xgb.Booster, features: FloatArray) -> FloatArray:
    """Predict encoded rows, (n_rows,) float32.

    Raises
    ------
    AlgorithmError
        If a prediction is not finite.
    """
    predictions: FloatArray = booster.inplace_predict(features)
    if not np.isfinite(predictions).all():
        raise AlgorithmError("The model predicts values that are not finite.")
    return predictions


def prediction_texts(predictions: FloatArray) -> list[str]:
    """Write each float32 as the shortest decimal that reads back as the same float32."""
    return [str(value) for value in predictions]


def save_artifact(
    folder: Path, booster: xgb.Booster, contract: Contract, description: Mapping[str, Any]
) -> None:
    """Write the three files; the description gets the digests and the library versions."""
    write_bytes(folder / MODEL_FILE, bytes(booster.save_raw("ubj")))
    write_bytes(folder / CONTRACT_COPY, contract.source)
    content = {
        "schema": 1,
        "sha256": sha256_of(folder / MODEL_FILE),
        "contract_sha256": contract.sha256,
        "feature_names": feature_names(contract),
        "libraries": _library_versions(),
        **description,
    }
    write_json(folder / DESCRIPTION_FILE, content)


def load_artifact(folder: Path) -> Artifact:
    """Load a model, refusing files that are not the ones that training described.

    Raises
    ------
    ArtifactError
        If a file is missing or its digest differs from the description.
    """
    description = _read_description(folder)
    for name, key in ((MODEL_FILE, "sha256"), (CONTRACT_COPY, "contract_sha256")):
        path = folder / name
        if not path.is_file():
            raise ArtifactError(f"The model artifact has no {name} in {folder}; train again.")
        if sha256_of(path) != description.get(key):
            raise ArtifactError(
                f"{name} of the model artifact has another sha256 than {DESCRIPTION_FILE} says; "
                "it was damaged or replaced. Deploy the registered artifact."
            )
    booster = xgb.Booster({"nthread": 1})
    booster.load_model(bytearray((folder / MODEL_FILE).read_bytes()))
    return Artifact(booster, read_contract(folder / CONTRACT_COPY), description)


def _read_description(folder: Path) -> dict[str, Any]:
    path = folder / DESCRIPTION_FILE
    try:
        description = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ArtifactError(f"{path}: found no readable description ({error}).") from error
    if not isinstance(description, dict) or description.get("schema") != 1:
        raise ArtifactError(f"{path}: expected an object with schema 1.")
    return description


def _library_versions() -> dict[str, str]:
    return {
        "python": platform.python_version(),
        "xgboost": xgb.__version__,
        **{name: version(name) for name in ("numpy", "polars")},
    }
