"""CloudFormation: alarms, dashboards, budgets, functions' settings, models and state machines."""

from local_account.service import Account
from local_account.services.cloudformation.resource_type import (
    Created,
    Properties,
    ResourceType,
    delete_if_there,
    request,
    text,
)


def _put_alarm(account: Account, name: str, properties: Properties) -> Created:
    parameters = request(account, "cloudwatch", "PutMetricAlarm", {**properties, "AlarmName": name})
    account.client("cloudwatch").put_metric_alarm(**parameters)
    return Created(name, {"Arn": account.arn("cloudwatch", f"alarm:{name}")})


def _put_dashboard(account: Account, name: str, properties: Properties) -> Created:
    account.client("cloudwatch").put_dashboard(
        DashboardName=name, DashboardBody=text(properties["DashboardBody"])
    )
    return Created(name)


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


def _update_budget(account: Account, name: str, properties: Properties) -> None:
    _delete_budget(account, name, properties)
    _create_budget(account, name, properties)


def _put_event_invoke_config(account: Account, name: str, properties: Properties) -> Created:
    function = properties["FunctionName"]
    _delete_event_invoke_config(account, name, properties)  # moto would keep the first one
    parameters = request(account, "lambda", "PutFunctionEventInvokeConfig", properties)
    account.client("lambda").put_function_event_invoke_config(**parameters)
    return Created(f"{function}|{properties['Qualifier']}")


def _delete_event_invoke_config(account: Account, name: str, properties: Properties) -> None:
    delete_if_there(
        lambda: account.client("lambda").delete_function_event_invoke_config(
            FunctionName=properties["FunctionName"], Qualifier=properties["Qualifier"]
        )
    )


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


def _tag_group(account: Account, arn: str, properties: Properties) -> None:
    if tags := properties.get("Tags"):
        account.client("sagemaker").add_tags(ResourceArn=arn, Tags=tags)


def _accept_channel(account: Account, name: str, properties: Properties) -> Created:
    """Accept a chat channel, which nothing is ever sent to."""
    channel = f"chat-configuration/slack-channel/{properties['ConfigurationName']}"
    arn = f"arn:aws:chatbot::{account.account_id}:{channel}"
    return Created(arn, {"Arn": arn})


def state_machine_definition(account: Account, properties: Properties) -> str:
    """Return the ASL of a state machine resource, wherever the template keeps it."""
    if location := properties.get("DefinitionS3Location"):
        answer = account.client("s3").get_object(Bucket=location["Bucket"], Key=location["Key"])
        definition = answer["Body"].read().decode()
    else:
        definition = text(properties.get("Definition") or properties["DefinitionString"])
    for name, value in properties.get("DefinitionSubstitutions", {}).items():
        definition = definition.replace(f"${{{name}}}", str(value))
    return str(definition)


RESOURCE_TYPES = {
    "AWS::CloudWatch::Alarm": ResourceType(
        _put_alarm,
        lambda account, name, _: account.client("cloudwatch").delete_alarms(AlarmNames=[name]),
        name_property="AlarmName",
        attributes=frozenset({"Arn"}),
        replaced_by=frozenset({"AlarmName"}),
    ),
    "AWS::CloudWatch::Dashboard": ResourceType(
        _put_dashboard,
        lambda account, name, _: delete_if_there(
            lambda: account.client("cloudwatch").delete_dashboards(DashboardNames=[name])
        ),
        name_property="DashboardName",
        replaced_by=frozenset({"DashboardName"}),
    ),
    "AWS::Budgets::Budget": ResourceType(_create_budget, _delete_budget, _update_budget),
    "AWS::Chatbot::SlackChannelConfiguration": ResourceType(
        _accept_channel, attributes=frozenset({"Arn"})
    ),
    "AWS::Lambda::EventInvokeConfig": ResourceType(
        _put_event_invoke_config,
        _delete_event_invoke_config,
        replaced_by=frozenset({"FunctionName", "Qualifier"}),
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
