"""Where events are kept that nothing could handle, each with the reason."""

from aws_cdk import CfnResource, Duration
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sqs as sqs
from constructs import Construct


class DeadLetterQueue(sqs.Queue):
    """Two weeks of time to look at an event, to mend what it failed on, and to send it again."""

    def __init__(self, scope: Construct, construct_id: str, *, key: kms.IKey) -> None:
        super().__init__(
            scope,
            construct_id,
            encryption=sqs.QueueEncryption.KMS,
            encryption_master_key=key,
            enforce_ssl=True,
            retention_period=Duration.days(14),
        )
        resource = self.node.default_child
        assert isinstance(resource, CfnResource)  # noqa: S101
        resource.override_logical_id(construct_id)
