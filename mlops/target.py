"""Which account the commands talk to, and what is deployed in it.

The account is whatever the AWS environment names, as for every AWS tool: variables, profile,
endpoint. Nothing else here decides between the embedded account and AWS.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from mlops.errors import MissingError
from mlops.project import command

if TYPE_CHECKING:
    from boto3 import Session
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudformation.type_defs import StackTypeDef
    from mypy_boto3_codebuild import CodeBuildClient
    from mypy_boto3_codecommit import CodeCommitClient
    from mypy_boto3_codeconnections import CodeConnectionsClient
    from mypy_boto3_codepipeline import CodePipelineClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_ecr import ECRClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sagemaker import SageMakerClient
    from mypy_boto3_sagemaker_runtime import SageMakerRuntimeClient
    from mypy_boto3_scheduler import EventBridgeSchedulerClient
    from mypy_boto3_service_quotas import ServiceQuotasClient
    from mypy_boto3_ssm import SSMClient
    from mypy_boto3_stepfunctions import SFNClient

    from mlops.project import Project

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class Target:
    """An account in a region behind an endpoint, and clients for it."""

    session: Session
    account_id: str
    region: str
    endpoint_url: str
    profile: str

    @property
    def embedded(self) -> bool:
        """Whether the endpoint is on this machine, so the account is the embedded one."""
        return urlsplit(self.endpoint_url).hostname in _LOOPBACK

    @property
    def poll_seconds(self) -> float:
        """Pause between two looks: AWS throttles, the embedded account is a process away."""
        return 0.2 if self.embedded else 2.0

    def __str__(self) -> str:
        if self.embedded:
            return f"embedded account {self.account_id} {self.region} {self.endpoint_url}"
        return f"AWS account {self.account_id} region {self.region} profile {self.profile}"

    @cached_property
    def cloudformation(self) -> CloudFormationClient:
        """Client for CloudFormation."""
        return self.session.client("cloudformation")

    @cached_property
    def codebuild(self) -> CodeBuildClient:
        """Client for CodeBuild."""
        return self.session.client("codebuild")

    @cached_property
    def codecommit(self) -> CodeCommitClient:
        """Client for CodeCommit."""
        return self.session.client("codecommit")

    @cached_property
    def codeconnections(self) -> CodeConnectionsClient:
        """Client for the connections to repositories outside of AWS."""
        return self.session.client("codeconnections")

    @cached_property
    def codepipeline(self) -> CodePipelineClient:
        """Client for CodePipeline."""
        return self.session.client("codepipeline")

    @cached_property
    def dynamodb(self) -> DynamoDBClient:
        """Client for DynamoDB."""
        return self.session.client("dynamodb")

    @cached_property
    def ecr(self) -> ECRClient:
        """Client for ECR."""
        return self.session.client("ecr")

    @cached_property
    def lambda_(self) -> LambdaClient:
        """Client for Lambda."""
        return self.session.client("lambda")

    @cached_property
    def logs(self) -> CloudWatchLogsClient:
        """Client for CloudWatch Logs."""
        return self.session.client("logs")

    @cached_property
    def s3(self) -> S3Client:
        """Client for S3."""
        return self.session.client("s3")

    @cached_property
    def sagemaker(self) -> SageMakerClient:
        """Client for SageMaker."""
        return self.session.client("sagemaker")

    @cached_property
    def sagemaker_runtime(self) -> SageMakerRuntimeClient:
        """Client for SageMaker's endpoints."""
        return self.session.client("sagemaker-runtime")

    @cached_property
    def scheduler(self) -> EventBridgeSchedulerClient:
        """Client for EventBridge Scheduler."""
        return self.session.client("scheduler")

    @cached_property
    def service_quotas(self) -> ServiceQuotasClient:
        """Client for Service Quotas."""
        from botocore.config import Config

        once = Config(retries={"mode": "standard", "total_max_attempts": 1})
        return self.session.client("service-quotas", config=once)

    @cached_property
    def ssm(self) -> SSMClient:
        """Client for Systems Manager's parameters."""
        return self.session.client("ssm")

    @cached_property
    def stepfunctions(self) -> SFNClient:
        """Client for Step Functions."""
        return self.session.client("stepfunctions")

    def stack_outputs(self, stack: str) -> dict[str, str] | None:
        """Return a stack's outputs, or None where there is no such stack."""
        described = self._described(stack)
        if described is None:
            return None
        return {each["OutputKey"]: each["OutputValue"] for each in described.get("Outputs", [])}

    def stack_status(self, stack: str) -> str | None:
        """Return how a stack's last deployment went, or None where there is no such stack."""
        described = self._described(stack)
        return described["StackStatus"] if described else None

    def _described(self, stack: str) -> StackTypeDef | None:
        from botocore.exceptions import ClientError

        try:
            return self.cloudformation.describe_stacks(StackName=stack)["Stacks"][0]
        except ClientError as error:
            if "does not exist" in str(error):
                return None
            raise


def find_target() -> Target:
    """Ask the account that the AWS environment names who it is."""
    from boto3 import Session
    from botocore.config import Config

    session = Session()
    once = Config(connect_timeout=5, retries={"mode": "standard", "total_max_attempts": 2})
    sts = session.client("sts", config=once)
    return Target(
        session=session,
        account_id=sts.get_caller_identity()["Account"],
        region=sts.meta.region_name,
        endpoint_url=sts.meta.endpoint_url,
        profile=session.profile_name,
    )


@dataclass(frozen=True)
class Deployment:
    """The project's stacks of one environment in a target, known by their outputs alone."""

    project: Project
    env: str
    target: Target

    @cached_property
    def _known(self) -> dict[str, dict[str, str]]:
        return {}

    @property
    def bucket(self) -> str:
        """Bucket of data and artifacts."""
        return self._output("storage", "BucketName")

    @property
    def repository_name(self) -> str:
        """ECR repository of the images."""
        return self._output("storage", "RepositoryName")

    @property
    def image_parameter(self) -> str:
        """Parameter that names the images that runs use."""
        return self._output("storage", "ImageParameterName")

    @property
    def model_package_group(self) -> str:
        """Registry of the model's versions."""
        return self._output("storage", "ModelPackageGroupName")

    @property
    def state_machine_arn(self) -> str:
        """State machine that trains."""
        return self._output("training", "StateMachineArn")

    @property
    def endpoint_name(self) -> str:
        """The staging endpoint."""
        return self._output("training", "StagingEndpointName")

    @property
    def run_table(self) -> str | None:
        """Table of which executions were brought to their end, if the stack has one."""
        return self.outputs("training").get("RunTableName")

    @property
    def pipeline_name(self) -> str:
        """Pipeline that makes images of commits."""
        return self._output("model-code", "PipelineName")

    @property
    def clone_url(self) -> str | None:
        """Where git finds the model code, None of a repository outside of the account."""
        return self.outputs("model-code").get("CloneUrlHttp")

    @property
    def connection_arn(self) -> str | None:
        """Connection to the repository of the model code, if that is outside of the account."""
        return self.outputs("model-code").get("ConnectionArn")

    def stack(self, part: str) -> str:
        """Name of one of the stacks."""
        return self.project.stack(self.env, part)

    def deployed(self, part: str) -> bool:
        """Tell whether one of the stacks is in the target."""
        return self.target.stack_outputs(self.stack(part)) is not None

    def _output(self, part: str, key: str) -> str:
        try:
            return self.outputs(part)[key]
        except KeyError as error:
            stack = self.stack(part)
            raise MissingError(
                f"stack {stack} has no output {key}; expected the one that this project "
                f"synthesizes. Deploy it again: `{command(self.env, 'deploy')}`."
            ) from error

    def outputs(self, part: str) -> dict[str, str]:
        """Return the outputs of one of the stacks.

        Raises
        ------
        MissingError
            If it is not deployed.
        """
        if part in self._known:
            return self._known[part]
        stack = self.stack(part)
        outputs = self.target.stack_outputs(stack)
        if outputs is None:
            raise MissingError(
                f"stack {stack} is not in {self.target}. "
                f"Deploy it: `{command(self.env, 'deploy')}`."
            )
        self._known[part] = outputs
        return outputs
