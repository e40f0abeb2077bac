"""Source → Test → Build → Train, each stage for one commit at a time."""

from collections.abc import Mapping, Sequence

from aws_cdk import Aws, Stack
from aws_cdk import aws_codepipeline as codepipeline
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sqs as sqs
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from stacks.constructs import statements
from stacks.constructs.artifacts import BUILT, EXECUTION_INPUT, SOURCE, TESTED
from stacks.constructs.build_project import BuildProject
from stacks.constructs.model_source import ModelSource
from stacks.constructs.training_functions import executions_arn
from stacks.storage import StorageStack

NAMESPACES = {"Source", "Build"}
Stage = codepipeline.CfnPipeline.StageDeclarationProperty


class ModelPipeline(Construct):
    """A pipeline in which a newer commit replaces one that waits for a stage.

    Written out, because the L2 actions give themselves more rights than they use.

    Parameters
    ----------
    prefix
        Of the keys of its artifacts.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        prefix: str,
        storage: StorageStack,
        source: ModelSource,
        test: BuildProject,
        build: BuildProject,
        state_machine: sfn.StateMachine,
    ) -> None:
        super().__init__(scope, construct_id)
        self.pipeline_name = name
        self.pipeline_arn = Stack.of(self).format_arn(service="codepipeline", resource=name)
        role = self._role(prefix, storage, source, [test, build], state_machine)
        machine = {
            "StateMachineArn": state_machine.state_machine_arn,
            "InputType": "FilePath",
            "Input": EXECUTION_INPUT,
        }
        self._pipeline = codepipeline.CfnPipeline(
            self,
            "Pipeline",
            name=name,
            pipeline_type="V2",
            execution_mode="SUPERSEDED",
            role_arn=role.role_arn,
            restart_execution_on_update=False,
            artifact_store=codepipeline.CfnPipeline.ArtifactStoreProperty(
                type="S3",
                location=storage.bucket.bucket_name,
                encryption_key=codepipeline.CfnPipeline.EncryptionKeyProperty(
                    id=storage.key.key_arn, type="KMS"
                ),
            ),
            stages=[
                _stage("Source", "Source", source.provider, source.configuration, makes=SOURCE),
                _stage("Test", "Test", "CodeBuild", _of(test), takes=SOURCE, makes=TESTED),
                _stage("Build", "Build", "CodeBuild", _of(build), takes=SOURCE, makes=BUILT),
                _stage("Train", "Invoke", "StepFunctions", machine, takes=BUILT),
            ],
        )
        self._pipeline.override_logical_id("ModelPipeline")
        # It runs as soon as it is there: what its first run needs must be there before.
        self._pipeline.node.add_dependency(role, test, build)

    def start_on(self, pushes: events.EventPattern, dead_letter_queue: sqs.IQueue) -> None:
        """Start an execution for each push; one that cannot be started becomes a dead letter."""
        role = iam.Role(self, "StartRole", assumed_by=_service("events.amazonaws.com"))
        events.Rule(
            self,
            "PushRule",
            rule_name=f"{Stack.of(self).stack_name}-push",
            description="A push to the branch starts the pipeline",
            event_pattern=pushes,
            targets=[
                targets.CodePipeline(
                    self._pipeline, event_role=role, dead_letter_queue=dead_letter_queue
                )
            ],
        )

    def needs(self, *before: Construct) -> None:
        """Create the pipeline, and so start its first run, only after what its runs need."""
        self._pipeline.node.add_dependency(*before)

    def _role(
        self,
        prefix: str,
        storage: StorageStack,
        source: ModelSource,
        builds: Sequence[BuildProject],
        state_machine: sfn.StateMachine,
    ) -> iam.Role:
        role = iam.Role(
            self, "Role", assumed_by=_service("codepipeline.amazonaws.com", self.pipeline_arn)
        )
        artifacts = storage.bucket.arn_for_objects(f"{prefix}/*")
        for statement in (
            *source.pipeline_rights,
            statements.allow(
                ["codebuild:BatchGetBuilds", "codebuild:StartBuild"],
                [project.project_arn for project in builds],
            ),
            statements.allow(
                ["states:DescribeStateMachine", "states:StartExecution"],
                [state_machine.state_machine_arn],
            ),
            statements.allow(["states:DescribeExecution"], [executions_arn(state_machine)]),
            statements.allow(
                ["s3:GetBucketAcl", "s3:GetBucketLocation", "s3:GetBucketVersioning"],
                [storage.bucket.bucket_arn],
            ),
            statements.allow(["s3:GetObject", "s3:GetObjectVersion", "s3:PutObject"], [artifacts]),
            statements.use(storage.key),
        ):
            role.add_to_policy(statement)
        return role


def _service(name: str, arn: str | None = None) -> iam.ServicePrincipal:
    """Return a service that takes the role for this account or, if one is named, a resource."""
    source = {"aws:SourceArn": arn} if arn else {}
    return iam.ServicePrincipal(
        name, conditions={"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID, **source}}
    )


def _of(project: BuildProject) -> dict[str, str]:
    return {"ProjectName": project.project_name}


def _stage(
    name: str,
    category: str,
    provider: str,
    configuration: Mapping[str, str],
    *,
    takes: str = "",
    makes: str = "",
) -> Stage:
    """Return a stage of one action, which has the stage's name."""
    declared = codepipeline.CfnPipeline
    action = declared.ActionDeclarationProperty(
        name=name,
        action_type_id=declared.ActionTypeIdProperty(
            category=category, owner="AWS", provider=provider, version="1"
        ),
        configuration=dict(configuration),
        input_artifacts=[declared.InputArtifactProperty(name=takes)] if takes else None,
        output_artifacts=[declared.OutputArtifactProperty(name=makes)] if makes else None,
        namespace=f"{name}Variables" if name in NAMESPACES else None,
        run_order=1,
    )
    return Stage(name=name, actions=[action])
