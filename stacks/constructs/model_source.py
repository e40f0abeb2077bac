"""Where the model's code comes from: a repository of the account, or one elsewhere."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from aws_cdk import RemovalPolicy
from aws_cdk import aws_codecommit as codecommit
from aws_cdk import aws_codeconnections as codeconnections
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3_assets as s3_assets
from constructs import Construct

from stacks.constructs import statements
from stacks.settings import ModelCodeSettings

# What working in the folder leaves there; everything else is the repository's first commit.
NOT_CODE = ("__pycache__", ".venv", ".venv*", ".*_cache", "junit.xml", "*.egg-info", ".DS_Store")
PROVIDERS = {"github": "GitHub", "gitlab": "GitLab", "bitbucket": "Bitbucket"}


@dataclass(frozen=True)
class ModelSource:
    """A branch whose commits the pipeline takes.

    Parameters
    ----------
    name
        The repository's name: in CodeCommit, or with its owner elsewhere.
    provider, configuration
        The source action, as CodePipeline knows it.
    pipeline_rights, build_rights, author_rights
        What takes a commit into the pipeline, into a build, and who says whose it is.
    pushes
        The event that starts the pipeline; None where CodePipeline hears of pushes by itself.
    outputs
        What the stack tells of the repository.
    """

    name: str
    provider: str
    configuration: Mapping[str, str]
    pipeline_rights: Sequence[iam.PolicyStatement]
    build_rights: Sequence[iam.PolicyStatement]
    author_rights: Sequence[iam.PolicyStatement]
    pushes: events.EventPattern | None
    outputs: Mapping[str, str]

    @property
    def in_codecommit(self) -> str:
        """Name of the repository in CodeCommit, or nothing."""
        return self.name if self.pushes else ""


def codecommit_source(
    scope: Construct, settings: ModelCodeSettings, seed: Path, removal_policy: RemovalPolicy
) -> ModelSource:
    """Create a repository; its first commit is a folder's content, later ones are the users'."""
    first = s3_assets.Asset(scope, "Seed", path=str(seed.resolve()), exclude=list(NOT_CODE))
    repository = codecommit.CfnRepository(
        scope,
        "ModelCode",
        repository_name=settings.repository_name,
        repository_description="The model's code: each commit is tested, built and trained",
        code=codecommit.CfnRepository.CodeProperty(
            branch_name=settings.branch,
            s3=codecommit.CfnRepository.S3Property(
                bucket=first.s3_bucket_name, key=first.s3_object_key
            ),
        ),
    )
    repository.apply_removal_policy(removal_policy)
    arn = repository.attr_arn
    archive = ("UploadArchive", "GetUploadArchiveStatus", "CancelUploadArchive")
    return ModelSource(
        name=settings.repository_name,
        provider="CodeCommit",
        configuration={
            "RepositoryName": repository.attr_name,
            "BranchName": settings.branch,
            "PollForSourceChanges": "false",
        },
        pipeline_rights=[
            statements.allow(
                [f"codecommit:{action}" for action in ("GetBranch", "GetCommit", *archive)], [arn]
            )
        ],
        build_rights=[],
        author_rights=[statements.allow(["codecommit:GetCommit"], [arn])],
        pushes=events.EventPattern(
            source=["aws.codecommit"],
            detail_type=["CodeCommit Repository State Change"],
            resources=[arn],
            detail={
                "event": ["referenceCreated", "referenceUpdated"],
                "referenceType": ["branch"],
                "referenceName": [settings.branch],
            },
        ),
        outputs={"CloneUrlHttp": repository.attr_clone_url_http},
    )


def connected_source(
    scope: Construct, provider: str, repository: str, *, branch: str, name: str
) -> ModelSource:
    """Create a connection, which a person has to finish, to a repository that exists."""
    connection = codeconnections.CfnConnection(
        scope, "Connection", connection_name=name, provider_type=PROVIDERS[provider]
    )
    arn = connection.attr_connection_arn

    def use(operator: str) -> list[iam.PolicyStatement]:
        conditions = {operator: {"codeconnections:FullRepositoryId": repository}}
        return [statements.allow(["codeconnections:UseConnection"], [arn], conditions)]

    return ModelSource(
        name=repository,
        provider="CodeStarSourceConnection",
        configuration={
            "ConnectionArn": arn,
            "FullRepositoryId": repository,
            "BranchName": branch,
            "DetectChanges": "true",
            # A build gets a clone, and reads from its history whose commit it is.
            "OutputArtifactFormat": "CODEBUILD_CLONE_REF",
        },
        # CodePipeline may use it without naming a repository; a build, which runs what a
        # commit brings, clones this one and reaches no other that the connection reaches.
        pipeline_rights=use("StringEqualsIfExists"),
        build_rights=use("StringEquals"),
        author_rights=[],
        pushes=None,
        outputs={"ConnectionArn": arn},
    )
