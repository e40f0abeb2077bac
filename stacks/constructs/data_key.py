"""The one key, and the services that use it for others than their callers."""

from collections.abc import Sequence

from aws_cdk import Aws, RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

ALARMS_AND_BUDGETS = ["cloudwatch.amazonaws.com", "budgets.amazonaws.com"]
# Which services use the key, for which each documents its own actions.
SENDERS = (
    ("EventsToEncryptedQueues", ["events.amazonaws.com"], "kms:GenerateDataKey"),
    ("AlarmsAndBudgetsToEncryptedTopics", ALARMS_AND_BUDGETS, "kms:GenerateDataKey*"),
)


class DataKey(kms.Key):
    """Encrypts the project's data, artifacts, volumes, queues and logs; AWS changes it yearly."""

    def __init__(
        self, scope: Construct, construct_id: str, *, project: str, removal_policy: RemovalPolicy
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            description="Data, artifacts, volumes, queues and logs",
            enable_key_rotation=True,
            removal_policy=removal_policy,
        )
        for sid, services, data_key in SENDERS:
            self.add_to_resource_policy(_sending(sid, services, data_key))
        self.add_to_resource_policy(_uploading())
        self.add_to_resource_policy(_logging(project))


def _sending(sid: str, services: Sequence[str], data_key: str) -> iam.PolicyStatement:
    return iam.PolicyStatement(
        sid=sid,
        principals=[iam.ServicePrincipal(service) for service in services],
        actions=["kms:Decrypt", data_key],
        resources=["*"],
        conditions={"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}},
    )


def _uploading() -> iam.PolicyStatement:
    """Whoever may put objects may upload them in one part.

    To read them, and to upload in several parts, takes kms:Decrypt as well.
    """
    return iam.PolicyStatement(
        sid="UploadsThroughS3",
        principals=[iam.AnyPrincipal()],
        actions=["kms:GenerateDataKey"],
        resources=["*"],
        conditions={
            "StringEquals": {
                "kms:CallerAccount": Aws.ACCOUNT_ID,
                "kms:ViaService": f"s3.{Aws.REGION}.amazonaws.com",
            }
        },
    )


def _logging(project: str) -> iam.PolicyStatement:
    """CloudWatch Logs encrypts the log groups of the project's stacks, and no other."""
    groups = f"arn:{Aws.PARTITION}:logs:{Aws.REGION}:{Aws.ACCOUNT_ID}:log-group:"
    names = (f"{project}-*", f"/aws/vendedlogs/states/{project}-*")
    context = {"kms:EncryptionContext:aws:logs:arn": [f"{groups}{name}" for name in names]}
    return iam.PolicyStatement(
        sid="LogGroups",
        principals=[iam.ServicePrincipal(f"logs.{Aws.REGION}.amazonaws.com")],
        actions=[
            "kms:Encrypt",
            "kms:Decrypt",
            "kms:ReEncrypt*",
            "kms:GenerateDataKey*",
            "kms:DescribeKey",
        ],
        resources=["*"],
        conditions={"ArnLike": context},
    )
