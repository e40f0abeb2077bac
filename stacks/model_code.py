"""From a commit to tested code, to scanned images, to a training run."""

from pathlib import Path

from aws_cdk import CfnOutput, RemovalPolicy, Stack
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from stacks.constructs import statements
from stacks.constructs.artifacts import BUILT, TESTED
from stacks.constructs.build_project import BuildProject
from stacks.constructs.function_factory import FunctionFactory
from stacks.constructs.lambda_bundle import LambdaBundle
from stacks.constructs.model_pipeline import ModelPipeline
from stacks.constructs.model_source import ModelSource, codecommit_source, connected_source
from stacks.constructs.pipeline_failures import PipelineFailures
from stacks.settings import Settings
from stacks.storage import StorageStack
from stacks.training import TrainingStack


class ModelCodeStack(Stack):
    """Commit → Source → Test → Build → Train; a stage that fails is told of once."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        settings: Settings,
        environment: str,
        *,
        seed: Path,
        lambdas: LambdaBundle,
        storage: StorageStack,
        training: TrainingStack,
    ) -> None:
        super().__init__(scope, construct_id, description="Tests, builds and trains each commit")
        self._storage = storage
        self._settings = settings
        code = settings.model_code
        source = self._source(seed, environment)
        test = self._test(source)
        build = self._build(source)
        pipeline = ModelPipeline(
            self,
            "Pipeline",
            name=code.pipeline_name,
            prefix=code.artifact_prefix,
            storage=storage,
            source=source,
            test=test,
            build=build,
            state_machine=training.state_machine,
        )
        # Imported, its policy stays the training stack's, which allows this stack's rules.
        queue = sqs.Queue.from_queue_arn(self, "DeadLetters", training.dead_letter_queue.queue_arn)
        if source.pushes:
            pipeline.start_on(source.pushes, queue)
        retention = settings.training.log_retention_days
        functions = FunctionFactory(
            self, lambdas.code(), storage.key, settings.project.name, retention, queue, environment
        )
        failures = PipelineFailures(
            self,
            "Failures",
            functions=functions,
            pipeline=pipeline,
            projects=[test, build],
            table=training.table,
            topic=training.topic,
            project=settings.project,
        )
        pipeline.needs(failures)
        CfnOutput(self, "PipelineName", value=code.pipeline_name)
        CfnOutput(self, "RepositoryName", value=source.name)
        CfnOutput(self, "TestProjectName", value=test.project_name)
        CfnOutput(self, "BuildProjectName", value=build.project_name)
        for name, value in source.outputs.items():
            CfnOutput(self, name, value=value)

    def _source(self, seed: Path, environment: str) -> ModelSource:
        settings = self._settings.model_code
        if settings.connected:
            provider, repository = settings.connected
            name = f"{self._settings.project.name}-{environment}"
            return connected_source(self, provider, repository, branch=settings.branch, name=name)
        policy = RemovalPolicy[self._settings.storage.removal_policy.upper()]
        return codecommit_source(self, settings, seed, policy)

    def _test(self, source: ModelSource) -> BuildProject:
        return BuildProject(
            self,
            "Test",
            storage=self._storage,
            settings=self._settings.model_code,
            description="Lints and tests the model's code, without any privilege",
            buildspec="buildspec-test.yml",
            output=TESTED,
            permissions=source.build_rights,
            timeout_minutes=self._settings.model_code.test_timeout_minutes,
            log_retention_days=self._settings.training.log_retention_days,
        )

    def _build(self, source: ModelSource) -> BuildProject:
        bucket, repository = self._storage.bucket, self._storage.repository
        return BuildProject(
            self,
            "Build",
            storage=self._storage,
            settings=self._settings.model_code,
            description="Builds, pushes and judges the images, and says what to train",
            buildspec="buildspec.yml",
            output=BUILT,
            variables={
                "REPOSITORY_URI": repository.repository_uri,
                "REPOSITORY_NAME": repository.repository_name,
                "IMAGE_PARAMETER": self._storage.image_parameter_name,
                "DATA_BUCKET": bucket.bucket_name,
                "SOURCE_REPOSITORY": source.in_codecommit,
            },
            permissions=[
                *source.build_rights,
                *source.author_rights,
                *statements.push_images(repository),
                *statements.read_scans(repository),
                statements.allow(["ssm:PutParameter"], [self._storage.image_parameter_arn]),
                statements.list_objects(bucket),
            ],
            timeout_minutes=self._settings.model_code.build_timeout_minutes,
            log_retention_days=self._settings.training.log_retention_days,
            builds_images=True,
        )
