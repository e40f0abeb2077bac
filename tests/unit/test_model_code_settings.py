"""The settings of the model code's repository, pipeline and builds."""

from collections.abc import Callable

import pytest

from stacks.settings import Settings
from stacks.settings_file import SettingsError


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            'source = "codecommit"',
            'source = "github:models"',
            "model_code.source: String should match pattern",
        ),
        (
            'source = "codecommit"',
            'source = "gitea:company/models"',
            "model_code.source: String should match pattern",
        ),
        (
            'repository_name = "ModelCode"',
            'repository_name = "Model.git"',
            'model_code.repository_name: Value error, expected another ending than ".git"',
        ),
        (
            'repository_name = "ModelCode"',
            'repository_name = "Model/Code"',
            "model_code.repository_name: String should match pattern",
        ),
        (
            'branch = "main"',
            'branch = "a..b"',
            "model_code.branch: Value error, expected the name of a git branch",
        ),
        ('branch = "main"', 'branch = ""', "model_code.branch: Value error, expected the name of"),
        (
            'pipeline_name = "TrainDeployModelPipeline"',
            'pipeline_name = "Train Deploy"',
            "model_code.pipeline_name: String should match pattern",
        ),
        (
            'build_image = "aws/codebuild/amazonlinux-x86_64-standard:5.0"',
            'build_image = "python:latest"',
            "model_code.build_image: String should match pattern",
        ),
        (
            'compute_type = "BUILD_GENERAL1_SMALL"',
            'compute_type = "SMALL"',
            "model_code.compute_type: Input should be 'BUILD_GENERAL1_SMALL', 'BUILD_",
        ),
        (
            "test_timeout_minutes = 15",
            "test_timeout_minutes = 4",
            "model_code.test_timeout_minutes: Input should be greater than or equal to 5",
        ),
        (
            "build_timeout_minutes = 60",
            "build_timeout_minutes = 2161",
            "model_code.build_timeout_minutes: Input should be less than or equal to 2160",
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
    ("source", "connected"),
    [
        ("codecommit", None),
        ("github:company/models", ("github", "company/models")),
        ("bitbucket:company/models", ("bitbucket", "company/models")),
        ("gitlab:company/team/models", ("gitlab", "company/team/models")),
    ],
)
def test_a_source_is_codecommit_or_a_repository_of_a_provider(
    edited: Callable[..., Settings], source: str, connected: tuple[str, str] | None
) -> None:
    settings = edited('source = "codecommit"', f'source = "{source}"')
    assert settings.model_code.connected == connected


@pytest.mark.parametrize("branch", ["main", "release/1.0", "feature_x", "v1-2"])
def test_a_branch_is_one_that_git_takes(edited: Callable[..., Settings], branch: str) -> None:
    assert edited('branch = "main"', f'branch = "{branch}"').model_code.branch == branch


@pytest.mark.parametrize("branch", ["/main", "main/", "a//b", "main.lock", "-x", "a b", "refs~1"])
def test_a_branch_that_git_refuses_is_refused(edited: Callable[..., Settings], branch: str) -> None:
    with pytest.raises(SettingsError, match=r"model_code\.branch: Value error, expected the name"):
        edited('branch = "main"', f'branch = "{branch}"')


def test_artifacts_begin_with_the_first_twenty_characters_of_the_pipeline_s_name(
    edited: Callable[..., Settings],
) -> None:
    same = edited(
        'pipeline_name = "TrainDeployModelPipeline"', 'pipeline_name = "TrainDeployModelPipes"'
    )
    assert same.model_code.artifact_prefix == "TrainDeployModelPipe"
    short = edited('pipeline_name = "TrainDeployModelPipeline"', 'pipeline_name = "Train"')
    assert short.model_code.artifact_prefix == "Train"
