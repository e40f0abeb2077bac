"""Every tunable: one frozen model of `mlops.toml`, each stack gets its own sections of it."""

import json
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from stacks.fields import (
    BranchName,
    BucketName,
    BuildImage,
    BuildMinutes,
    DatasetVersion,
    EmailAddress,
    Finite,
    HttpsUrl,
    HyperparameterName,
    HyperparameterValue,
    InstanceType,
    KeyArn,
    MetricName,
    PipelineName,
    PolicyArn,
    Qualifier,
    RepositoryName,
    RoleNamePrefix,
    RolePath,
    Schedule,
    Seconds,
    SecurityGroupId,
    SlackChannelId,
    SlackWorkspaceId,
    SourceName,
    SourceRepository,
    SubnetId,
    TagKey,
    TagValue,
    Unique,
    UniqueKeys,
)


class Section(BaseModel):
    """A table of the settings file: no unknown names, no silent conversions, no changes."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class SlackSettings(Section):
    """A channel of a workspace that the account's chat client knows."""

    workspace_id: SlackWorkspaceId
    channel_id: SlackChannelId


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


class NetworkSettings(Section):
    """The VPC that jobs and endpoints run in; without subnets, SageMaker's own network."""

    subnet_ids: Annotated[tuple[SubnetId, ...], Field(max_length=16, strict=False), Unique] = ()
    security_group_ids: Annotated[
        tuple[SecurityGroupId, ...], Field(max_length=5, strict=False), Unique
    ] = ()

    @model_validator(mode="after")
    def _has_both(self) -> Self:
        if bool(self.subnet_ids) != bool(self.security_group_ids):
            raise ValueError("expected subnet_ids and security_group_ids together, or neither")
        return self


class AccountSettings(Section):
    """How an organisation wants what is created in its account."""

    permissions_boundary_arn: PolicyArn | None = None
    role_path: RolePath = "/"
    role_name_prefix: RoleNamePrefix = ""
    qualifier: Qualifier = "hnb659fds"  # the CDK's own
    tags: Annotated[dict[TagKey, TagValue], Field(max_length=40), UniqueKeys] = {}
    network: NetworkSettings = NetworkSettings()


class StorageSettings(Section):
    """What outlives a deployment; what has a name here exists already and is left as it is."""

    removal_policy: Literal["retain", "destroy"]
    noncurrent_version_days: Annotated[int, Field(ge=1, le=3650)]
    existing_bucket_name: BucketName | None = None
    existing_key_arn: KeyArn | None = None
    existing_repository_name: RepositoryName | None = None


class TriggerSettings(Section):
    """What starts a run besides a manifest: a quiet period after uploads, and a schedule."""

    quiet_period_seconds: Annotated[int, Field(ge=0, le=86_400)]
    schedule: Schedule | None = None
    schedule_dataset: DatasetVersion | None = None
    reconcile_minutes: Annotated[int, Field(ge=1, le=1440)]

    @model_validator(mode="after")
    def _is_scheduled(self) -> Self:
        if self.schedule_dataset and not self.schedule:
            raise ValueError("schedule_dataset: expected schedule as well, which says when")
        return self


class NotificationSettings(Section):
    """Who hears of a run's end, and of alarms."""

    on_success: bool
    emails: Annotated[tuple[EmailAddress, ...], Field(max_length=50, strict=False), Unique] = ()
    https_urls: Annotated[tuple[HttpsUrl, ...], Field(max_length=10, strict=False), Unique] = ()
    slack: SlackSettings | None = None


class MonitoringSettings(Section):
    """When somebody is to look."""

    run_duration_alarm_minutes: Annotated[int, Field(ge=1, le=43_200)]
    monthly_budget_usd: Annotated[Finite, Field(ge=0, le=10_000_000)]
    budget_scope: Literal["account", "project"] = "account"


class JobSettings(Section):
    """The machine that a job runs on, and for how long at most."""

    instance_type: InstanceType
    volume_size_gb: Annotated[int, Field(ge=1, le=16_384)]
    max_runtime_seconds: Seconds


class TrainingSettings(JobSettings):
    """The training job, and the processing jobs around it."""

    spot: bool = False
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


class ModelCodeSettings(Section):
    """Where the model's code is, and what tests it and builds its images."""

    source: SourceRepository
    repository_name: SourceName
    branch: BranchName
    pipeline_name: PipelineName
    build_image: BuildImage
    compute_type: Literal["BUILD_GENERAL1_SMALL", "BUILD_GENERAL1_MEDIUM", "BUILD_GENERAL1_LARGE"]
    test_timeout_minutes: BuildMinutes
    build_timeout_minutes: BuildMinutes

    @property
    def connected(self) -> tuple[str, str] | None:
        """Provider and full name of a repository elsewhere; None means CodeCommit."""
        provider, _, repository = self.source.partition(":")
        return (provider, repository) if repository else None

    @property
    def artifact_prefix(self) -> str:
        """What CodePipeline begins the keys of a pipeline's artifacts with."""
        return self.pipeline_name[:20]


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
    lock_timeout_seconds: Annotated[int, Field(ge=60, le=43_200)]
    kept_configs: Annotated[int, Field(ge=2, le=20)]
    time_to_live_hours: Annotated[Finite, Field(ge=0, le=8760)]


class Settings(Section):
    """One environment's settings: each stack gets its own sections of it."""

    project: ProjectSettings
    account: AccountSettings = AccountSettings()
    storage: StorageSettings
    trigger: TriggerSettings
    training: TrainingSettings
    model_code: ModelCodeSettings
    quality: QualitySettings
    endpoint: EndpointSettings
    notifications: NotificationSettings
    monitoring: MonitoringSettings

    @model_validator(mode="after")
    def _budget_finds_the_project(self) -> Self:
        named = [key for key in self.account.tags if key.lower() == "project"]
        if self.monitoring.budget_scope == "project" and named:
            raise ValueError(
                f'monitoring.budget_scope: expected "account", as account.tags.{named[0]}'
                " replaces the tag by which the project's costs are found"
            )
        return self
