"""What tells once of a stage that failed, with the reason and the last lines of its log."""

from collections.abc import Sequence

from aws_cdk import Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_sns as sns
from constructs import Construct

from stacks.constructs import statements
from stacks.constructs.build_project import BuildProject
from stacks.constructs.function_factory import FunctionFactory
from stacks.constructs.model_pipeline import ModelPipeline
from stacks.constructs.run_table import RunTable
from stacks.settings import ProjectSettings


class PipelineFailures(Construct):
    """EventBridge → Lambda → the topic of the runs."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        functions: FunctionFactory,
        pipeline: ModelPipeline,
        projects: Sequence[BuildProject],
        table: RunTable,
        topic: sns.ITopic,
        project: ProjectSettings,
    ) -> None:
        super().__init__(scope, construct_id)
        function = functions.function(
            "PipelineFailedLambda",
            "pipeline_failed",
            "Tells once of a stage of the model code's pipeline that failed",
            {
                "ENVIRONMENT_NAME": functions.environment_name,
                "PROJECT_NAME": project.name,
                "RUN_TABLE_NAME": table.table_name,
                "TOPIC_ARN": topic.topic_arn,
            },
            [
                table.allow("GetItem", "UpdateItem", items=f"ended#{pipeline.pipeline_name}:*"),
                statements.allow(["sns:Publish"], [topic.topic_arn]),
                statements.allow(
                    ["codepipeline:GetPipelineExecution", "codepipeline:ListActionExecutions"],
                    [pipeline.pipeline_arn],
                ),
                statements.allow(
                    ["codebuild:BatchGetBuilds"], [each.project_arn for each in projects]
                ),
                statements.allow(
                    ["logs:GetLogEvents"], [each.log_group.log_group_arn for each in projects]
                ),
                statements.use(functions.key),
            ],
            timeout_seconds=60,
            takes_events=True,
        )
        events.Rule(
            self,
            "FailureRule",
            rule_name=f"{Stack.of(self).stack_name}-failure",
            description="An action of the pipeline failed",
            event_pattern=events.EventPattern(
                source=["aws.codepipeline"],
                detail_type=["CodePipeline Action Execution State Change"],
                detail={"pipeline": [pipeline.pipeline_name], "state": ["FAILED"]},
            ),
            targets=[functions.target(function)],
        )
