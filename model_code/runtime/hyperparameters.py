"""Hyperparameters: strings from the job's configuration, checked against a model's declaration."""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from model_code.runtime.errors import HyperparameterError

Number = int | float
MAX_HYPERPARAMETERS = 100
# Longer values are not repeated in messages, which end up in logs: they may be credentials.
SHOWN_CHARACTERS = 16
# A tuning job adds this one to every training job that it starts.
ADDED_BY_TUNING = frozenset({"_tuning_objective_metric"})


@dataclass(frozen=True)
class Hyperparameter:
    """One value that a model module lets a job set; the bounds are included."""

    name: str
    type: type[int] | type[float]
    default: Number
    minimum: Number
    maximum: Number

    @property
    def expected(self) -> str:
        """What a value must be, in words for messages."""
        kind = "a whole number" if self.type is int else "a number"
        return f"{kind} between {self.minimum} and {self.maximum}"

    def parse(self, text: str) -> Number:
        """Convert a job's string, refusing what is no number or out of bounds."""
        try:
            value = self.type(text)
        except ValueError as error:
            raise self._refused(text) from error
        if not math.isfinite(value) or not self.minimum <= value <= self.maximum:
            raise self._refused(text)
        return value

    def _refused(self, text: str) -> HyperparameterError:
        found = repr(text) if len(text) <= SHOWN_CHARACTERS else f"{len(text)} characters"
        return HyperparameterError(
            f"Hyperparameter '{self.name}': found {found}, expected {self.expected}. "
            "Correct it in the training job's HyperParameters."
        )


def read_hyperparameters(path: Path, declared: Iterable[Hyperparameter]) -> dict[str, Number]:
    """Read ``hyperparameters.json``; a job without one gets the defaults.

    Raises
    ------
    HyperparameterError
        If the file is no JSON object of strings, or a name or value is not declared.
    """
    return resolve(_strings(path) if path.exists() else {}, declared)


def resolve(given: Mapping[str, str], declared: Iterable[Hyperparameter]) -> dict[str, Number]:
    """Return every declared hyperparameter, with the given value or the default."""
    known = {parameter.name: parameter for parameter in declared}
    values = {name: parameter.default for name, parameter in known.items()}
    for name, text in given.items():
        if name in ADDED_BY_TUNING:
            continue
        if name not in known:
            raise _unknown(name, sorted(known))
        values[name] = known[name].parse(text)
    return values


def _unknown(name: str, known: list[str]) -> HyperparameterError:
    close = get_close_matches(name, known, n=1)
    hint = f" Did you mean '{close[0]}'?" if close else ""
    return HyperparameterError(
        f"Hyperparameter '{name[:64]}' is unknown; expected one of {', '.join(known)}.{hint}"
    )


def _strings(path: Path) -> dict[str, str]:
    try:
        content = json.loads(path.read_bytes(), object_pairs_hook=_without_duplicates)
    except ValueError as error:
        raise HyperparameterError(f"{path}: found no valid JSON ({error}).") from error
    if not isinstance(content, dict):
        raise HyperparameterError(f"{path}: expected a JSON object of strings.")
    if len(content) > MAX_HYPERPARAMETERS:
        raise HyperparameterError(
            f"{path}: found {len(content)} hyperparameters, expected at most {MAX_HYPERPARAMETERS}."
        )
    for name, value in content.items():
        if not isinstance(value, str):
            raise HyperparameterError(
                f"Hyperparameter '{name[:64]}': found a JSON {type(value).__name__}, expected a "
                "string, as SageMaker passes every hyperparameter."
            )
    return content


def _without_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    content = dict(pairs)
    if len(content) < len(pairs):
        raise ValueError("a name occurs twice")
    return content
