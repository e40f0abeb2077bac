"""The settings file: what it accepts, and what it says of what it does not."""

from collections.abc import Callable
from pathlib import Path

import pytest

from stacks.settings import (
    ENVIRONMENTS,
    Settings,
    SettingsError,
    chosen_environment,
    load_settings,
)

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = ROOT / "mlops.toml"


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


def test_every_environment_is_valid() -> None:
    for environment in ENVIRONMENTS:
        assert load_settings(SETTINGS, environment).project.name


def test_an_environment_overrides_single_values() -> None:
    dev, prod = load_settings(SETTINGS, "dev"), load_settings(SETTINGS, "prod")
    assert (dev.quality.mode, prod.quality.mode) == ("report", "enforce")
    assert dev.storage.noncurrent_version_days == prod.storage.noncurrent_version_days
    assert dev.quality.thresholds == prod.quality.thresholds


def test_settings_cannot_be_changed() -> None:
    settings = load_settings(SETTINGS, "dev")
    with pytest.raises(ValueError, match="frozen"):
        settings.project.name = "other"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('name = "', 'nmae = "', "project.nmae: unknown name; expected one of name"),
        ('name = "', 'name = "Upper', "project.name: String should match pattern"),
        ("instance_type", "instance_typ", "training.instance_typ: unknown name; expected one of"),
        ("ml.m5.large", "ml.m5.lage", "training.instance_type: String should match pattern"),
        ("max_runtime_seconds = 3600", "max_runtime_seconds = 5", "greater than or equal to 60"),
        ("volume_size_gb = 10", 'volume_size_gb = "10"', "training.volume_size_gb: Input should"),
        ("max = 2.35", "max = nan", "quality.thresholds.rmse.max: Input should be a finite"),
        ("max = 2.35", "maks = 2.35", "quality.thresholds.rmse.maks: unknown name"),
        (
            "rmse = { max = 2.35 }",
            "rmse_difference_lower_bound = { max = -0.1 }",
            "quality: Value error, limit rmse_difference_lower_bound by baseline.lower_bound_max",
        ),
        ("{ max = 2.35 }", "{}", "quality.thresholds.rmse: Value error, expected at least one"),
        ("[training.hyperparameters]", "[training.hyperparameters]\neta = inf", "eta: Value error"),
        ("[training.hyperparameters]", "[training.hyperparameters]\neta = []", "eta: Value error"),
        ("quality.mode = ", "quality.mood = ", "environments.dev.quality.mood: unknown name"),
        (
            'mode = "report"',
            'mode = "YES"',
            "environments.dev.quality.mode: Input should be 'enforce' or 'report', found 'YES'",
        ),
        ("[environments.staging]", "[environments.stagin]", "environments.stagin: unknown name"),
        ("[project]", "[projet]", "projet: unknown name; expected one of endpoint, project"),
        ("[project]", "[project", "not valid TOML"),
    ],
)
def test_a_mistake_is_one_line_that_names_file_and_field(
    edited: Callable[..., Settings], old: str, new: str, message: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        edited(old, new)
    line = str(caught.value)
    assert line.startswith("mlops.toml: ")
    assert message in line
    assert "\n" not in line


def test_a_mistake_in_an_environment_that_is_not_chosen_is_found(
    edited: Callable[..., Settings],
) -> None:
    with pytest.raises(SettingsError, match="environments.prod.endpoint.instance_type"):
        edited('endpoint.instance_type = "ml.m5.large"', "endpoint.instance_type = 5", "dev")


def test_an_unknown_environment_is_refused_with_those_that_exist() -> None:
    with pytest.raises(SettingsError, match="env=production: .* expected dev, staging, prod"):
        load_settings(SETTINGS, "production")


def test_a_mistyped_context_does_not_deploy_the_default_environment() -> None:
    flags = {"@aws-cdk/core:checkSecretUsage": True, "aws:cdk:bundling-stacks": ["**"]}
    assert chosen_environment(flags) == "dev"
    assert chosen_environment({"env": "prod", **flags}) == "prod"
    with pytest.raises(SettingsError, match="-c enviroment=prod: unknown context; expected env"):
        chosen_environment({"enviroment": "prod", **flags})


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="other.toml: cannot be read"):
        load_settings(tmp_path / "other.toml", "dev")


def test_hyperparameters_become_sorted_strings(edited: Callable[..., Settings]) -> None:
    table = "[training.hyperparameters]"
    values = 'eta = 0.03\nmax_depth = 5\nbooster = "gbtree"\nseeded = true\nalpha = 1e-5'
    settings = edited(table, f"{table}\n{values}")
    assert list(settings.training.hyperparameter_strings.items()) == [
        ("alpha", "1e-05"),
        ("booster", "gbtree"),
        ("eta", "0.03"),
        ("max_depth", "5"),
        ("seeded", "true"),
    ]


def test_the_gate_limits_every_threshold_and_the_comparison_with_the_baseline() -> None:
    assert load_settings(SETTINGS, "staging").quality.limits == {
        "rmse": {"max": 2.35},
        "r2": {"above": 0.0},
        "rmse_difference_lower_bound": {"max": 0.0},
    }
