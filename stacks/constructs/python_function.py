"""Every default of every Lambda."""

from collections.abc import Mapping, Sequence

from aws_cdk import CfnResource, Duration, RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from stacks.constructs import statements

RETENTION = {
    7: logs.RetentionDays.ONE_WEEK,
    30: logs.RetentionDays.ONE_MONTH,
    90: logs.RetentionDays.THREE_MONTHS,
    365: logs.RetentionDays.ONE_YEAR,
}


class PythonFunction(lambda_.Function):
    """A Lambda with its own role, its own log group with retention, and active tracing.

    Parameters
    ----------
    key
        Encrypts the log group.
    module
        Package with the handler: `module` runs `module.handler.handler`.
    permissions
        What the function may do besides logging and tracing.
    dead_letter_queue
        Where asynchronous requests go that failed twice more; the role may send to it.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        code: lambda_.Code,
        key: kms.IKey,
        module: str,
        description: str,
        metrics_namespace: str,
        log_retention_days: int,
        environment: Mapping[str, str],
        permissions: Sequence[iam.PolicyStatement] = (),
        timeout_seconds: int = 30,
        memory_mb: int = 512,
        dead_letter_queue: sqs.IQueue | None = None,
    ) -> None:
        self.timeout_seconds = timeout_seconds
        log_group = logs.LogGroup(
            scope,
            f"{construct_id}Logs",
            retention=RETENTION[log_retention_days],
            encryption_key=key,
            removal_policy=RemovalPolicy.DESTROY,
        )
        role = iam.Role(
            scope,
            f"{construct_id}Role",
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
        )
        role.add_to_policy(
            statements.allow(
                ["logs:CreateLogStream", "logs:PutLogEvents"], [log_group.log_group_arn]
            )
        )
        for permission in (*permissions, *_sending(dead_letter_queue)):
            role.add_to_policy(permission)
        super().__init__(
            scope,
            construct_id,
            runtime=lambda_.Runtime.PYTHON_3_14,
            architecture=lambda_.Architecture.X86_64,
            code=code,
            handler=f"{module}.handler.handler",
            description=description,
            role=role,
            log_group=log_group,
            tracing=lambda_.Tracing.ACTIVE,
            timeout=Duration.seconds(timeout_seconds),
            memory_size=memory_mb,
            dead_letter_queue=dead_letter_queue,
            environment={
                "POWERTOOLS_SERVICE_NAME": module,
                "POWERTOOLS_METRICS_NAMESPACE": metrics_namespace,
                "POWERTOOLS_LOG_LEVEL": "INFO",
                **environment,
            },
        )
        resource = self.node.default_child
        assert isinstance(resource, CfnResource)  # noqa: S101
        resource.override_logical_id(construct_id)


def _sending(queue: sqs.IQueue | None) -> list[iam.PolicyStatement]:
    """What sending to the queue takes besides sqs:SendMessage, which CDK adds."""
    key = queue.encryption_master_key if queue else None
    return [statements.use(key)] if key else []
