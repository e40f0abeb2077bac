"""Who hears of a run's end and of alarms, and who may say so."""

from tests.synth import variants
from tests.synth.assembly import Assembly, listed, of_type, resolved

ACCOUNT = {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}


def test_the_topic_is_encrypted_with_the_storage_s_key(dev: Assembly) -> None:
    (topic,) = of_type(dev.training, "AWS::SNS::Topic").values()
    assert "ExportsOutputFnGetAttKey" in topic["KmsMasterKeyId"]["Fn::ImportValue"]


def test_alarms_and_budgets_of_the_account_publish_and_nothing_without_tls(dev: Assembly) -> None:
    (policy,) = of_type(dev.training, "AWS::SNS::TopicPolicy").values()
    assert policy["Topics"] == [{"Ref": "RunTopic"}]
    deny, allow = policy["PolicyDocument"]["Statement"]
    assert deny["Effect"] == "Deny"
    assert deny["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert allow["Action"] == "sns:Publish"
    assert allow["Principal"] == {"Service": ["budgets.amazonaws.com", "cloudwatch.amazonaws.com"]}
    assert allow["Resource"] == {"Ref": "RunTopic"}
    assert allow["Condition"] == ACCOUNT


def test_nobody_is_subscribed_unless_the_settings_name_somebody(dev: Assembly) -> None:
    assert of_type(dev.training, "AWS::SNS::Subscription") == {}
    assert of_type(dev.training, "AWS::Chatbot::SlackChannelConfiguration") == {}


def test_addresses_and_urls_are_subscribed(organisation: Assembly) -> None:
    found = of_type(organisation.training, "AWS::SNS::Subscription").values()
    assert {(s["Protocol"], s["Endpoint"]) for s in found} == {
        ("email", variants.EMAIL),
        ("https", variants.URL),
    }
    assert all(s["TopicArn"] == {"Ref": "RunTopic"} for s in found)


def test_the_slack_channel_can_look_at_alarms_and_do_nothing_else(organisation: Assembly) -> None:
    template = organisation.training
    (channel,) = of_type(template, "AWS::Chatbot::SlackChannelConfiguration").values()
    assert channel["SlackWorkspaceId"] == "T01234567"
    assert channel["SlackChannelId"] == "C01234567"  # pragma: allowlist secret
    assert channel["SnsTopicArns"] == [{"Ref": "RunTopic"}]
    (guardrail,) = channel["GuardrailPolicies"]
    assert resolved(guardrail) == "arn:aws:iam::aws:policy/CloudWatchReadOnlyAccess"
    name, _ = channel["IamRoleArn"]["Fn::GetAtt"]
    (trust,) = of_type(template, "AWS::IAM::Role")[name]["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "chatbot.amazonaws.com"}
    assert trust["Condition"] == ACCOUNT
    (policy,) = (
        policy
        for policy in of_type(template, "AWS::IAM::Policy").values()
        if policy["Roles"] == [{"Ref": name}]
    )
    (statement,) = policy["PolicyDocument"]["Statement"]
    assert set(listed(statement["Action"])) == {
        "cloudwatch:DescribeAlarms",
        "cloudwatch:GetMetricData",
        "cloudwatch:GetMetricStatistics",
        "cloudwatch:GetMetricWidgetImage",
        "cloudwatch:ListMetrics",
    }
