"""`mlops.toml` to the settings of one environment, or to one line that says what is wrong."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from types import UnionType
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from stacks.settings import Section, Settings

Location = tuple[int | str, ...]


class SettingsError(Exception):
    """The settings file is wrong; the message is one line that names file and field."""


class Environments(Section):
    """What each environment overrides; checked as settings once it is merged."""

    dev: dict[str, Any] = {}
    staging: dict[str, Any] = {}
    prod: dict[str, Any] = {}
    smoke: dict[str, Any] = {}


ENVIRONMENTS = tuple(Environments.model_fields)


def chosen_environment(context: Mapping[str, Any]) -> str:
    """The environment that `-c env=` names, or dev.

    Raises
    ------
    SettingsError
        If the context has another name of ours: a mistyped `env` must not deploy dev. Names of
        the CDK's own contain a colon or a slash.
    """
    for name, value in context.items():
        if name != "env" and ":" not in name and "/" not in name:
            raise SettingsError(f"-c {name}={value}: unknown context; expected env")
    return str(context.get("env", "dev"))


def load_settings(path: Path, environment: str) -> Settings:
    """Read the settings of one environment, after checking those of all.

    Parameters
    ----------
    path
        The TOML file.
    environment
        Whose overrides apply: one of `ENVIRONMENTS`.

    Raises
    ------
    SettingsError
        If the file, a field of any environment, or the environment's name is wrong.
    """
    if environment not in ENVIRONMENTS:
        expected = ", ".join(ENVIRONMENTS)
        raise SettingsError(f"-c env={environment}: unknown environment; expected {expected}")
    tables = _read(path)
    overrides = _overrides(path, tables.pop("environments", {}))
    checked = {name: _settings(path, tables, name, overrides[name]) for name in ENVIRONMENTS}
    return checked[environment]


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path.name}: not valid TOML: {error}") from error


def _overrides(path: Path, tables: object) -> dict[str, dict[str, Any]]:
    try:
        return Environments.model_validate(tables).model_dump()
    except ValidationError as error:
        raise SettingsError(
            f"{path.name}: {_first_problem(error, Environments, 'environments')}"
        ) from error


def _settings(
    path: Path, tables: Mapping[str, Any], environment: str, overrides: Mapping[str, Any]
) -> Settings:
    try:
        return Settings.model_validate(_merge(tables, overrides))
    except ValidationError as error:
        location = _location(_problems(error)[0])
        table = f"environments.{environment}" if location and _contains(overrides, location) else ""
        raise SettingsError(f"{path.name}: {_first_problem(error, Settings, table)}") from error


def _merge(base: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in overrides.items():
        below = merged.get(key)
        if isinstance(below, dict) and isinstance(value, dict):
            merged[key] = _merge(below, value)
        else:
            merged[key] = value
    return merged


def _contains(tables: Any, location: Location) -> bool:
    for part in location:
        if isinstance(tables, list):
            return True  # lists are replaced as a whole
        if not isinstance(tables, dict) or part not in tables:
            return False
        tables = tables[part]
    return True


_PLAINER = {"extra_forbidden": "unknown name", "missing": "missing"}


def _problems(error: ValidationError) -> list[ErrorDetails]:
    """List what is wrong, unknown names first: a typo leaves a missing setting behind as well."""
    found = error.errors(include_url=False, include_context=False)
    return sorted(found, key=lambda problem: problem["type"] != "extra_forbidden")


def _location(problem: ErrorDetails) -> Location:
    """Where a problem is in the file; pydantic marks names of its own that are wrong."""
    return tuple(part for part in problem["loc"] if part != "[key]")


def _names(model: Any, table: Location) -> list[str]:
    """List the names that a table below a model may have."""
    for part in table:
        annotation = (
            model.model_fields[part].annotation if _is_model(model) else get_args(model)[-1]
        )
        model = _required(annotation)
    return sorted(model.model_fields)


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _required(annotation: Any) -> Any:
    """What is there, if it is: `Table` of `Table | None`."""
    return get_args(annotation)[0] if isinstance(annotation, UnionType) else annotation


def _first_problem(error: ValidationError, model: type[BaseModel], table: str) -> str:
    first, *others = _problems(error)
    location = _location(first)
    field = ".".join(str(part) for part in (table, *location) if part != "")
    problem = _PLAINER.get(first["type"], first["msg"])
    if first["type"] == "extra_forbidden":
        problem += f"; expected one of {', '.join(_names(model, location[:-1]))}"
    found = "" if first["type"] == "missing" else f", found {first['input']!r}"
    more = f" (and {len(others)} more)" if others else ""
    return f"{field}: {problem}{found}{more}" if field else f"{problem}{more}"
