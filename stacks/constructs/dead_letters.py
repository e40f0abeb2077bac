"""Where events are kept that nothing could handle, each with the reason."""

from aws_cdk import Aws, CfnResource, Duration, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sqs as sqs
from constructs import Construct


class DeadLetterQueue(sqs.Queue):
    """Two weeks of time to look at an event, to mend what it failed on, and to send it again.

    Parameters
    ----------
    rules
        Pattern of the names of another stack's rules that may send to it as well.
    """

    def __init__(self, scope: Construct, construct_id: str, *, key: kms.IKey, rules: str) -> None:
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
        self.add_to_resource_policy(self._sending(rules))

    def _sending(self, rules: str) -> iam.PolicyStatement:
        source = Stack.of(self).format_arn(service="events", resource="rule", resource_name=rules)
        return iam.PolicyStatement(
            sid="RulesOfAnotherStack",
            principals=[iam.ServicePrincipal("events.amazonaws.com")],
            actions=["sqs:SendMessage"],
            resources=[self.queue_arn],
            conditions={
                "ArnLike": {"aws:SourceArn": source},
                "StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID},
            },
        )
