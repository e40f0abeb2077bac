"""The settings file: what it accepts, and what it says of what it does not."""

import re
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from stacks.settings import Settings
from stacks.settings_file import ENVIRONMENTS, SettingsError, chosen_environment, load_settings

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = ROOT / "mlops.toml"


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
        ("[project]", "[projet]", "projet: unknown name; expected one of account, endpoint"),
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


ACCOUNT, NETWORK, STORAGE = "[account]", "[account.network]", "[storage]"
TRIGGER, NOTIFICATIONS, MONITORING = "[trigger]", "[notifications]", "[monitoring]"
TAGS = "[account.tags]"
SLACK = '[notifications.slack]\nworkspace_id = "T01234567"\n'


@pytest.mark.parametrize(
    ("table", "added", "message"),
    [
        (ACCOUNT, 'role_paht = "/a/"', "account.role_paht: unknown name; expected one of network,"),
        (ACCOUNT, 'role_path = "mlops"', "account.role_path: String should match pattern"),
        (ACCOUNT, 'role_path = "/mlöps/"', "account.role_path: String should match pattern"),
        (ACCOUNT, f'role_name_prefix = "{"a" * 21}"', "account.role_name_prefix: String should"),
        (ACCOUNT, 'qualifier = "Much-too-long"', "account.qualifier: String should match pattern"),
        (
            ACCOUNT,
            'permissions_boundary_arn = "Boundary"',
            "account.permissions_boundary_arn: String should match pattern",
        ),
        (
            NETWORK,
            "subnets = []",
            "account.network.subnets: unknown name; expected one of security_group_ids, subnet_ids",
        ),
        (
            NETWORK,
            'subnet_ids = ["subnet-01234567"]',
            "account.network: Value error, expected subnet_ids and security_group_ids together",
        ),
        (
            NETWORK,
            'subnet_ids = ["subnet-01234567", "eu-west-1a"]',
            "account.network.subnet_ids.1: String should match pattern",
        ),
        (
            NETWORK,
            'subnet_ids = ["subnet-01234567", "subnet-01234567"]',
            "account.network.subnet_ids: Value error, expected each once",
        ),
        (TAGS, '"aws:owner" = "me"', "account.tags.aws:owner: Value error, expected another"),
        (TAGS, "owner = 5", "account.tags.owner: Input should be a valid string, found 5"),
        (
            TAGS,
            'owner = "me"\nOwner = "you"',
            "account.tags: Value error, expected each once, found owner and Owner",
        ),
        (
            STORAGE,
            'existing_key_arn = "alias/company"',
            "storage.existing_key_arn: String should match pattern",
        ),
        (STORAGE, 'existing_bucket_name = "Data"', "storage.existing_bucket_name: String should"),
        (
            STORAGE,
            'existing_repository_name = "a:b"',
            "storage.existing_repository_name: String should match pattern",
        ),
        (
            TRIGGER,
            'schedule_dataset = "v1.0"',
            "environments.dev.trigger: Value error, schedule_dataset: expected schedule as well",
        ),
        (
            NOTIFICATIONS,
            'https_urls = ["http://example.com"]',
            "notifications.https_urls.0: String should match pattern",
        ),
        ("[monitoring]", f"{SLACK}chanel_id = 'C1'", "notifications.slack.chanel_id: unknown name"),
        ("[monitoring]", SLACK, "notifications.slack.channel_id: missing"),
    ],
)
def test_a_mistake_in_an_optional_setting_is_one_line_that_names_the_field(
    edited: Callable[..., Settings], table: str, added: str, message: str
) -> None:
    new = f"{added}\n{table}" if added.startswith("[") else f"{table}\n{added}"
    with pytest.raises(SettingsError) as caught:
        edited(f"{table}\n", f"{new}\n")
    line = str(caught.value)
    assert line.startswith(f"mlops.toml: {message}")
    assert "\n" not in line


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("emails = []", 'emails = ["nobody"]', "notifications.emails.0: String should match"),
        (
            "emails = []",
            'emails = ["a@b.org", "A@b.org"]',
            "notifications.emails: Value error, expected each once, found a@b.org and A@b.org",
        ),
        ("quiet_period_seconds = 300", "quiet_period_seconds = -1", "trigger.quiet_period_seconds"),
        ("reconcile_minutes = 15", "reconcile_minutes = 0", "trigger.reconcile_minutes: Input"),
        ("spot = false", 'spot = "no"', "training.spot: Input should be a valid boolean"),
        ("kept_configs = 3", "kept_configs = 0", "endpoint.kept_configs: Input should be greater"),
        ("time_to_live_hours = 8", "time_to_live_hours = nan", "endpoint.time_to_live_hours"),
        (
            "lock_timeout_seconds = 7200",
            "lock_timeout_seconds = 1",
            "endpoint.lock_timeout_seconds",
        ),
        ("monthly_budget_usd = 100", "monthly_budget_usd = inf", "monitoring.monthly_budget_usd"),
        ("monthly_budget_usd = 100", "monthly_budget_usd = -1", "monitoring.monthly_budget_usd"),
        (
            "run_duration_alarm_minutes = 120",
            "run_duration_alarm_minutes = 0",
            "monitoring.run_duration_alarm_minutes: Input should be greater",
        ),
        (
            'budget_scope = "account"',
            'budget_scope = "team"',
            "monitoring.budget_scope: Input should be 'account' or 'project'",
        ),
        (
            "trigger.reconcile_minutes = 1",
            "trigger.reconcile_minute = 1",
            "environments.dev.trigger.reconcile_minute: unknown name; expected one of quiet_",
        ),
        (
            "trigger.reconcile_minutes = 1",
            'notifications.emails = ["nobody"]',
            "environments.dev.notifications.emails.0: String should match pattern",
        ),
        (
            "trigger.reconcile_minutes = 1",
            'account.tags."aws:x" = "y"',
            "environments.dev.account.tags.aws:x: Value error, expected another beginning",
        ),
    ],
)
def test_a_value_out_of_bounds_is_one_line_that_names_the_field(
    edited: Callable[..., Settings], old: str, new: str, message: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        edited(old, new)
    line = str(caught.value)
    assert line.startswith(f"mlops.toml: {message}")
    assert "\n" not in line


@pytest.mark.parametrize(
    "expression",
    [
        "cron(0 3 ? * MON *)",
        "cron(0/15 8-18 ? * MON-FRI *)",
        "cron(0 0 1,15 * ? 2026-2030)",
        "cron(0 0 L * ? *)",
        "cron(0 12 ? JAN,JUL 2#1 *)",
        "cron(30 6 15W * ? *)",
        "rate(1 day)",
        "rate(12 hours)",
    ],
)
def test_a_schedule_is_one_that_the_scheduler_takes(
    edited: Callable[..., Settings], expression: str
) -> None:
    settings = edited(f"{TRIGGER}\n", f'{TRIGGER}\nschedule = "{expression}"\n')
    assert settings.trigger.schedule == expression


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("cron(0 3 * * MON)", "expected 6 fields of cron (minutes, hours, day of month, month,"),
        ("cron(0  3 ? * MON *)", "with one space between, found 7"),
        ("cron(60 3 ? * MON *)", "'60' is no minutes of cron"),
        ("cron(0 3 ? * MO *)", "'MO' is no day of week of cron"),
        ("cron(0 3 ? 13 MON *)", "'13' is no month of cron"),
        ("cron(0 3 * * MON *)", 'expected "?" as day of month or as day of week'),
        ("cron(0 3 ? * ? *)", 'expected "?" as day of month or as day of week'),
        ("rate(1 days)", 'expected "day" after 1'),
        ("rate(2 hour)", '"hours" after other numbers'),
        ("rate(0 days)", "expected a number and minutes, hours or days"),
        ("rate(5 weeks)", "expected a number and minutes, hours or days"),
        ("at(2026-01-01T00:00:00)", 'expected "cron(…)" or "rate(…)"'),
        ("cron(0 3 ? * MON *", 'expected "cron(…)" or "rate(…)"'),
    ],
)
def test_a_schedule_that_the_scheduler_would_refuse_is_explained(
    edited: Callable[..., Settings], expression: str, message: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        edited(f"{TRIGGER}\n", f'{TRIGGER}\nschedule = "{expression}"\n')
    line = str(caught.value)
    assert line.startswith("mlops.toml: trigger.schedule: Value error, ")
    assert message in line
    assert "\n" not in line


def test_a_budget_of_the_project_needs_the_project_s_own_tag(
    edited: Callable[..., Settings],
) -> None:
    assert edited('budget_scope = "account"', 'budget_scope = "project"')
    with pytest.raises(SettingsError) as caught:
        edited(
            "[environments.staging]",
            "[environments.staging]\n"
            'monitoring.budget_scope = "project"\naccount.tags.Project = "x"',
        )
    line = str(caught.value)
    assert line.startswith('mlops.toml: Value error, monitoring.budget_scope: expected "account"')
    assert "account.tags.Project" in line
    assert "\n" not in line


def test_every_optional_setting_s_example_is_one_that_can_be_used() -> None:
    text = SETTINGS.read_text()
    used = re.sub(r"^#(?=[a-z_-]+ = |\[)", "", text, flags=re.MULTILINE)
    settings = Settings.model_validate(
        {name: table for name, table in tomllib.loads(used).items() if name != "environments"}
    )
    unset = [
        f"{name}.{field}"
        for name, section in settings
        for field in type(section).model_fields
        if field not in section.model_fields_set
    ]
    assert unset == []
    assert settings.notifications.slack
    assert settings.account.network.subnet_ids


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
