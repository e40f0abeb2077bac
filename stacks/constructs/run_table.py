"""What executions must agree on: who holds staging, and which were brought to their end."""

from aws_cdk import CfnResource, RemovalPolicy
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from stacks.constructs import statements


class RunTable(dynamodb.Table):
    """Small items by `id`, billed by request; what it knows is worthless without the stack."""

    def __init__(self, scope: Construct, construct_id: str, *, key: kms.IKey) -> None:
        super().__init__(
            scope,
            construct_id,
            partition_key=dynamodb.Attribute(name="id", type=dynamodb.AttributeType.STRING),
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            time_to_live_attribute="expires_at",
            encryption=dynamodb.TableEncryption.CUSTOMER_MANAGED,
            encryption_key=key,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            removal_policy=RemovalPolicy.DESTROY,
        )
        resource = self.node.default_child
        assert isinstance(resource, CfnResource)  # noqa: S101
        resource.override_logical_id(construct_id)

    def allow(self, *actions: str, items: str = "*") -> iam.PolicyStatement:
        """Allow actions on the items whose id matches; the key of the table is another matter."""
        ids = {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": [items]}}
        return statements.allow(
            [f"dynamodb:{action}" for action in actions],
            [self.table_arn],
            None if items == "*" else ids,
        )
