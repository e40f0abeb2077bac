"""CloudFormation: alarms, dashboards, budgets, chat channels and model package groups."""

from local_account.service import Account
from local_account.services.cloudformation.resource_type import (
    Created,
    Properties,
    ResourceType,
    delete_if_there,
    request,
    retag,
    text,
)


def _put_alarm(account: Account, name: str, properties: Properties) -> Created:
    parameters = request(account, "cloudwatch", "PutMetricAlarm", properties)
    account.client("cloudwatch").put_metric_alarm(**parameters)
    return Created(name, {"Arn": account.arn("cloudwatch", f"alarm:{name}")})


def _update_alarm(account: Account, name: str, properties: Properties, former: Properties) -> None:
    cloudwatch, arn = account.client("cloudwatch"), account.arn("cloudwatch", f"alarm:{name}")
    given = {key: value for key, value in properties.items() if key != "Tags"}
    cloudwatch.put_metric_alarm(**request(account, "cloudwatch", "PutMetricAlarm", given))
    retag(cloudwatch, properties, former, ResourceARN=arn)


def _create_dashboard(account: Account, name: str, properties: Properties) -> Created:
    _put_dashboard(account, name, properties, {})
    return Created(name)


def _put_dashboard(account: Account, name: str, properties: Properties, former: Properties) -> None:
    account.client("cloudwatch").put_dashboard(
        DashboardName=name, DashboardBody=text(properties["DashboardBody"])
    )


def _create_budget(account: Account, name: str, properties: Properties) -> Created:
    budget = {"BudgetName": name, **properties["Budget"]}
    parameters = {**properties, "AccountId": account.account_id, "Budget": budget}
    account.client("budgets").create_budget(
        **request(account, "budgets", "CreateBudget", parameters)
    )
    return Created(str(budget["BudgetName"]))


def _delete_budget(account: Account, name: str, _: Properties) -> None:
    delete_if_there(
        lambda: account.client("budgets").delete_budget(
            AccountId=account.account_id, BudgetName=name
        )
    )


def _update_budget(account: Account, name: str, properties: Properties, former: Properties) -> None:
    _delete_budget(account, name, properties)
    _create_budget(account, name, properties)


def _create_group(account: Account, name: str, properties: Properties) -> Created:
    parameters = request(
        account,
        "sagemaker",
        "CreateModelPackageGroup",
        properties,
        without=("ManagedConfiguration",),
    )
    answer = account.client("sagemaker").create_model_package_group(**parameters)
    arn = answer["ModelPackageGroupArn"]
    return Created(arn, {"ModelPackageGroupArn": arn})


def _tag_group(account: Account, arn: str, properties: Properties, former: Properties) -> None:
    sagemaker = account.client("sagemaker")
    retag(sagemaker, properties, former, "AddTags", "DeleteTags", ResourceArn=arn)


def _accept_channel(account: Account, name: str, properties: Properties) -> Created:
    """Accept a chat channel, which nothing is ever sent to."""
    channel = f"chat-configuration/slack-channel/{properties['ConfigurationName']}"
    arn = f"arn:aws:chatbot::{account.account_id}:{channel}"
    return Created(arn, {"Arn": arn})


RESOURCE_TYPES = {
    "AWS::CloudWatch::Alarm": ResourceType(
        _put_alarm,
        lambda account, name, _: account.client("cloudwatch").delete_alarms(AlarmNames=[name]),
        _update_alarm,
        name_property="AlarmName",
        attributes=frozenset({"Arn"}),
        replaced_by=frozenset({"AlarmName"}),
    ),
    "AWS::CloudWatch::Dashboard": ResourceType(
        _create_dashboard,
        lambda account, name, _: delete_if_there(
            lambda: account.client("cloudwatch").delete_dashboards(DashboardNames=[name])
        ),
        _put_dashboard,
        name_property="DashboardName",
        replaced_by=frozenset({"DashboardName"}),
    ),
    "AWS::Budgets::Budget": ResourceType(
        _create_budget,
        _delete_budget,
        _update_budget,
        replaced_by=frozenset({"Budget.BudgetName", "NotificationsWithSubscribers"}),
    ),
    "AWS::Chatbot::SlackChannelConfiguration": ResourceType(
        _accept_channel,
        attributes=frozenset({"Arn"}),
        replaced_by=frozenset({"ConfigurationName", "SlackWorkspaceId"}),
    ),
    "AWS::SageMaker::ModelPackageGroup": ResourceType(
        _create_group,
        lambda account, arn, _: delete_if_there(
            lambda: account.client("sagemaker").delete_model_package_group(
                ModelPackageGroupName=arn.rsplit("/", 1)[-1]
            )
        ),
        _tag_group,
        name_property="ModelPackageGroupName",
        attributes=frozenset({"ModelPackageGroupArn"}),
        replaced_by=frozenset({"ModelPackageGroupName", "ModelPackageGroupDescription"}),
    ),
}
