"""Who hears of a run's end, of alarms and of spending: one encrypted topic, its subscriptions."""

from aws_cdk import Aws, CfnResource, Stack
from aws_cdk import aws_chatbot as chatbot
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

from stacks.constructs import statements
from stacks.constructs.data_key import ALARMS_AND_BUDGETS
from stacks.settings import NotificationSettings, SlackSettings

# What the chat client asks for to draw the graph of an alarm; these actions know no resource.
DRAW_ALARMS = (
    "cloudwatch:DescribeAlarms",
    "cloudwatch:GetMetricData",
    "cloudwatch:GetMetricStatistics",
    "cloudwatch:GetMetricWidgetImage",
    "cloudwatch:ListMetrics",
)


class RunTopic(Construct):
    """The topic, `topic`, that Lambdas with `sns:Publish`, alarms and budgets publish to."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        key: kms.IKey,
        notifications: NotificationSettings,
    ) -> None:
        super().__init__(scope, construct_id)
        self.topic = sns.Topic(
            self,
            "Topic",
            display_name=Stack.of(self).stack_name,
            master_key=key,
            enforce_ssl=True,
        )
        resource = self.topic.node.default_child
        assert isinstance(resource, CfnResource)  # noqa: S101
        resource.override_logical_id("RunTopic")
        self.topic.add_to_resource_policy(_publishing(self.topic))
        for address in notifications.emails:
            self.topic.add_subscription(subscriptions.EmailSubscription(address))
        for url in notifications.https_urls:
            self.topic.add_subscription(subscriptions.UrlSubscription(url))
        if notifications.slack:
            self._slack_channel(notifications.slack)

    def _slack_channel(self, slack: SlackSettings) -> None:
        role = iam.Role(
            self,
            "SlackRole",
            assumed_by=iam.ServicePrincipal(
                "chatbot.amazonaws.com",
                conditions={"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}},
            ),
        )
        role.add_to_policy(statements.allow(DRAW_ALARMS, ["*"]))
        chatbot.CfnSlackChannelConfiguration(
            self,
            "SlackChannel",
            configuration_name=f"{Stack.of(self).stack_name}-runs",
            iam_role_arn=role.role_arn,
            slack_workspace_id=slack.workspace_id,
            slack_channel_id=slack.channel_id,
            sns_topic_arns=[self.topic.topic_arn],
            # Left out, members of the channel would be limited by AdministratorAccess alone.
            guardrail_policies=[f"arn:{Aws.PARTITION}:iam::aws:policy/CloudWatchReadOnlyAccess"],
        )


def _publishing(topic: sns.Topic) -> iam.PolicyStatement:
    return iam.PolicyStatement(
        sid="AlarmsAndBudgets",
        principals=[iam.ServicePrincipal(publisher) for publisher in ALARMS_AND_BUDGETS],
        actions=["sns:Publish"],
        resources=[topic.topic_arn],
        conditions={"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}},
    )
