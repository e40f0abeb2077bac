"""Every default of the CodeBuild projects."""

from collections.abc import Mapping, Sequence

from aws_cdk import Acknowledgment, Aws, RemovalPolicy, Stack, Validations
from aws_cdk import aws_codebuild as codebuild
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from constructs import Construct

from stacks.constructs import statements
from stacks.constructs.artifacts import SOURCE, artifact_keys
from stacks.constructs.python_function import RETENTION
from stacks.settings import ModelCodeSettings
from stacks.storage import StorageStack

QUEUED_MINUTES = 60


class BuildProject(Construct):
    """One stage's build: its own role, its own log group with retention, a cache on its host.

    Parameters
    ----------
    buildspec
        Its file in the repository.
    output
        Artifact that it makes of the source.
    permissions
        What it may do besides logging, reading the source and writing its output.
    builds_images
        Whether it runs a docker daemon, for which its container gets the host's privileges.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        storage: StorageStack,
        settings: ModelCodeSettings,
        description: str,
        buildspec: str,
        output: str,
        permissions: Sequence[iam.PolicyStatement],
        timeout_minutes: int,
        log_retention_days: int,
        variables: Mapping[str, str] | None = None,
        builds_images: bool = False,
    ) -> None:
        super().__init__(scope, construct_id)
        stack = Stack.of(self)
        self.project_name = f"{stack.stack_name}-{construct_id.lower()}"
        self.project_arn = stack.format_arn(
            service="codebuild", resource="project", resource_name=self.project_name
        )
        self.log_group = logs.LogGroup(
            self,
            "Logs",
            retention=RETENTION[log_retention_days],
            encryption_key=storage.key,
            removal_policy=RemovalPolicy.DESTROY,
        )
        role = self._role(storage, settings.artifact_prefix, output, permissions)
        project = codebuild.CfnProject(
            self,
            "Project",
            name=self.project_name,
            description=description,
            service_role=role.role_arn,
            encryption_key=storage.key.key_arn,
            source=codebuild.CfnProject.SourceProperty(type="CODEPIPELINE", build_spec=buildspec),
            artifacts=codebuild.CfnProject.ArtifactsProperty(type="CODEPIPELINE"),
            environment=_environment(settings, variables or {}, builds_images),
            cache=codebuild.CfnProject.ProjectCacheProperty(
                type="LOCAL", modes=_cached(builds_images)
            ),
            logs_config=codebuild.CfnProject.LogsConfigProperty(
                cloud_watch_logs=codebuild.CfnProject.CloudWatchLogsConfigProperty(
                    status="ENABLED", group_name=self.log_group.log_group_name
                )
            ),
            timeout_in_minutes=timeout_minutes,
            queued_timeout_in_minutes=QUEUED_MINUTES,
        )
        # CDK's own validation takes the role's ARN for its name, which lacks the role's path.
        Validations.of(project).acknowledge(
            Acknowledgment(
                id="CloudFormation-Validate::E3050", reason="ServiceRole is GetAtt Arn, and no Ref"
            )
        )
        # A build that starts before its role's policy is there would be refused its own log.
        project.node.add_dependency(role)

    def _role(
        self,
        storage: StorageStack,
        prefix: str,
        output: str,
        permissions: Sequence[iam.PolicyStatement],
    ) -> iam.Role:
        role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal(
                "codebuild.amazonaws.com",
                conditions={
                    "StringEquals": {
                        "aws:SourceAccount": Aws.ACCOUNT_ID,
                        "aws:SourceArn": self.project_arn,
                    }
                },
            ),
        )
        source = storage.bucket.arn_for_objects(artifact_keys(prefix, SOURCE))
        for statement in (
            statements.allow(
                ["logs:CreateLogStream", "logs:PutLogEvents"], [self.log_group.log_group_arn]
            ),
            statements.allow(["s3:GetObject", "s3:GetObjectVersion"], [source]),
            statements.write_objects(storage.bucket, artifact_keys(prefix, output)),
            statements.use(storage.key),
            *permissions,
        ):
            role.add_to_policy(statement)
        return role


def _environment(
    settings: ModelCodeSettings, variables: Mapping[str, str], builds_images: bool
) -> codebuild.CfnProject.EnvironmentProperty:
    declared = codebuild.CfnProject
    return declared.EnvironmentProperty(
        type="LINUX_CONTAINER",
        image=settings.build_image,
        compute_type=settings.compute_type,
        privileged_mode=builds_images,
        environment_variables=[
            declared.EnvironmentVariableProperty(name=name, value=value, type="PLAINTEXT")
            for name, value in variables.items()
        ],
    )


def _cached(builds_images: bool) -> list[str]:
    layers = ["LOCAL_DOCKER_LAYER_CACHE"] if builds_images else []
    return ["LOCAL_CUSTOM_CACHE", *layers]
