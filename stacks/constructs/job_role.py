"""What one kind of SageMaker job or endpoint may do."""

from collections.abc import Sequence

from aws_cdk import Aws
from aws_cdk import aws_iam as iam
from constructs import Construct

from stacks.constructs import statements
from stacks.storage import StorageStack


class JobRole(iam.Role):
    """Pull the image, read named inputs, write named outputs, log; nothing else.

    Parameters
    ----------
    storage
        Owner of the bucket, the key and the repository.
    log_group
        The group SageMaker logs to, which is the name space of its metrics as well.
    reads, writes
        Patterns of object keys.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        storage: StorageStack,
        log_group: str,
        reads: Sequence[str],
        writes: Sequence[str] = (),
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            assumed_by=iam.ServicePrincipal(
                "sagemaker.amazonaws.com",
                conditions={"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}},
            ),
        )
        inputs = [
            statements.list_objects(storage.bucket),
            statements.read_objects(storage.bucket, *reads),
            statements.decrypt(storage.key),
        ]
        image = [
            statements.allow(["ecr:GetAuthorizationToken"], ["*"]),
            statements.allow(
                [
                    "ecr:BatchCheckLayerAvailability",
                    "ecr:GetDownloadUrlForLayer",
                    "ecr:BatchGetImage",
                ],
                [storage.repository.repository_arn],
            ),
        ]
        for statement in (*image, *inputs, *_outputs(storage, writes), *_logs(self, log_group)):
            self.add_to_policy(statement)


def _outputs(storage: StorageStack, writes: Sequence[str]) -> list[iam.PolicyStatement]:
    if not writes:
        return []
    return [
        statements.write_objects(storage.bucket, *writes),
        statements.allow(["kms:Encrypt", "kms:GenerateDataKey"], [storage.key.key_arn]),
        statements.create_grant(storage.key),
    ]


def _logs(role: iam.Role, log_group: str) -> list[iam.PolicyStatement]:
    group = f"arn:{Aws.PARTITION}:logs:{Aws.REGION}:{Aws.ACCOUNT_ID}:log-group:{log_group}*"
    return [
        statements.allow(
            [
                "logs:CreateLogGroup",
                "logs:CreateLogStream",
                "logs:PutLogEvents",
                "logs:DescribeLogStreams",
            ],
            [group],
        ),
        statements.allow(
            ["cloudwatch:PutMetricData"],
            ["*"],
            {"StringLike": {"cloudwatch:namespace": f"{log_group}*"}},
        ),
    ]
