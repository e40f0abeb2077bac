"""Every tunable, checked once: `mlops.toml` to one frozen model."""

import json
import math
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails

InstanceType = Annotated[
    str, Field(pattern=r"^ml\.[a-z][a-z0-9]*(-[a-z0-9]+)?\.(medium|large|(\d+)?xlarge)$")
]
MetricName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Seconds = Annotated[int, Field(ge=60, le=432_000)]
HyperparameterName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]{0,255}$")]


class SettingsError(Exception):
    """The settings file is wrong; the message is one line that names file and field."""


def _is_hyperparameter(value: object) -> object:
    if not isinstance(value, (bool, int, float, str)):
        raise ValueError("expected a number, a string or a boolean")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("expected a finite number")
    if len(str(value)) > 2500:
        raise ValueError("expected at most 2500 characters")
    return value


HyperparameterValue = Annotated[object, AfterValidator(_is_hyperparameter)]


class Section(BaseModel):
    """A table of the settings file: no unknown names, no silent conversions, no changes."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class ProjectSettings(Section):
    """Names that everything else derives from."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$", max_length=20)]

    @property
    def model_package_group_name(self) -> str:
        """The group of the model's versions."""
        return f"{self.name}-model-group"

    @property
    def repository_name(self) -> str:
        """The repository of its images."""
        return f"{self.name}-model"

    @property
    def staging_endpoint_name(self) -> str:
        """The one endpoint that every run updates."""
        return f"{self.name}-staging"


class StorageSettings(Section):
    """What outlives a deployment."""

    removal_policy: Literal["retain", "destroy"]
    noncurrent_version_days: Annotated[int, Field(ge=1, le=3650)]


class JobSettings(Section):
    """The machine that a job runs on, and for how long at most."""

    instance_type: InstanceType
    volume_size_gb: Annotated[int, Field(ge=1, le=16_384)]
    max_runtime_seconds: Seconds


class TrainingSettings(JobSettings):
    """The training job, and the processing jobs around it."""

    hyperparameters: Annotated[
        dict[HyperparameterName, HyperparameterValue], Field(max_length=100)
    ] = {}
    processing: JobSettings
    log_retention_days: Literal[7, 30, 90, 365]

    @property
    def hyperparameter_strings(self) -> dict[str, str]:
        """Hyperparameters as SageMaker takes them: strings only."""
        return {
            name: value if isinstance(value, str) else json.dumps(value)
            for name, value in sorted(self.hyperparameters.items())
        }


class Threshold(Section):
    """Limits of one metric: `min` and `max` pass themselves, `above` and `below` do not."""

    min: Finite | None = None
    max: Finite | None = None
    above: Finite | None = None
    below: Finite | None = None

    @model_validator(mode="after")
    def _has_a_limit(self) -> Self:
        if not self.limits:
            raise ValueError("expected at least one of min, max, above, below")
        return self

    @property
    def limits(self) -> dict[str, float]:
        """Kinds of limit that are set."""
        return {kind: float(limit) for kind, limit in self if limit is not None}


class BaselineSettings(Section):
    """How much worse than the baseline a model may be proven to be."""

    lower_bound_max: Finite


class QualitySettings(Section):
    """The quality gate and the model test."""

    mode: Literal["enforce", "report"]
    metric: MetricName
    model_test_tolerance: Annotated[float, Field(gt=0, le=0.1)]
    thresholds: Annotated[dict[MetricName, Threshold], Field(min_length=1)]
    baseline: BaselineSettings

    @property
    def _bound_name(self) -> str:
        return f"{self.metric}_difference_lower_bound"

    @model_validator(mode="after")
    def _limits_the_bound_once(self) -> Self:
        if self._bound_name in self.thresholds:
            raise ValueError(f"limit {self._bound_name} by baseline.lower_bound_max alone")
        return self

    @property
    def limits(self) -> dict[str, dict[str, float]]:
        """Limits by the name that the evaluation reader gives the figure."""
        return {
            **{name: threshold.limits for name, threshold in self.thresholds.items()},
            self._bound_name: {"max": self.baseline.lower_bound_max},
        }


class EndpointSettings(Section):
    """The staging endpoint."""

    instance_type: InstanceType
    instance_count: Annotated[int, Field(ge=1, le=100)]
    timeout_seconds: Annotated[int, Field(ge=60, le=14_400)]
    startup_timeout_seconds: Annotated[int, Field(ge=60, le=3600)]


class Settings(Section):
    """One environment's settings: each stack gets its own sections of it."""

    project: ProjectSettings
    storage: StorageSettings
    training: TrainingSettings
    quality: QualitySettings
    endpoint: EndpointSettings


class Environments(Section):
    """What each environment overrides; checked as settings once it is merged."""

    dev: dict[str, Any] = {}
    staging: dict[str, Any] = {}
    prod: dict[str, Any] = {}


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
        location = _problems(error)[0]["loc"]
        table = f"environments.{environment}" if _contains(overrides, location) else ""
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


def _contains(tables: object, location: tuple[int | str, ...]) -> bool:
    for part in location:
        if not isinstance(tables, dict) or part not in tables:
            return False
        tables = tables[part]
    return True


_PLAINER = {"extra_forbidden": "unknown name", "missing": "missing"}


def _problems(error: ValidationError) -> list[ErrorDetails]:
    """List what is wrong, unknown names first: a typo leaves a missing setting behind as well."""
    found = error.errors(include_url=False, include_context=False)
    return sorted(found, key=lambda problem: problem["type"] != "extra_forbidden")


def _names(model: Any, table: tuple[int | str, ...]) -> list[str]:
    """List the names that a table below a model may have."""
    for part in table:
        fields = getattr(model, "model_fields", None)
        model = fields[part].annotation if fields else get_args(model)[-1]
    return sorted(model.model_fields)


def _first_problem(error: ValidationError, model: type[BaseModel], table: str) -> str:
    first, *others = _problems(error)
    field = ".".join(str(part) for part in (table, *first["loc"]) if part)
    problem = _PLAINER.get(first["type"], first["msg"])
    if first["type"] == "extra_forbidden":
        problem += f"; expected one of {', '.join(_names(model, first['loc'][:-1]))}"
    found = "" if first["type"] == "missing" else f", found {first['input']!r}"
    more = f" (and {len(others)} more)" if others else ""
    return f"{field}: {problem}{found}{more}"
