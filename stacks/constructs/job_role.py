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
    in_vpc
        Whether the job's containers get network interfaces in a VPC of the account.
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
        in_vpc: bool = False,
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            assumed_by=iam.ServicePrincipal(
                "sagemaker.amazonaws.com",
                conditions={"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}},
            ),
        )
        # a job's inputs are prefixes, a model's artifact is one object
        listing = [statements.list_objects(storage.bucket)] if writes else []
        inputs = [
            *listing,
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
        outputs = _outputs(storage, writes)
        network = _network_interfaces() if in_vpc else []
        for statement in (*image, *inputs, *outputs, *_logs(self, log_group), *network):
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


def _network_interfaces() -> list[iam.PolicyStatement]:
    """What SageMaker does in the account's VPC with the job's role.

    On every resource, as AWS documents them: the descriptions know none, and the interfaces'
    names are SageMaker's.
    """
    return [
        statements.allow(
            [
                "ec2:CreateNetworkInterface",
                "ec2:CreateNetworkInterfacePermission",
                "ec2:DeleteNetworkInterface",
                "ec2:DeleteNetworkInterfacePermission",
                "ec2:DescribeNetworkInterfaces",
                "ec2:DescribeVpcs",
                "ec2:DescribeDhcpOptions",
                "ec2:DescribeSubnets",
                "ec2:DescribeSecurityGroups",
            ],
            ["*"],
        )
    ]
