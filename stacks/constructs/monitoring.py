"""When somebody is to look, and where: alarms, a dashboard, a budget."""

from collections.abc import Sequence

from aws_cdk import Duration, Stack
from aws_cdk import aws_budgets as budgets
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from stacks.constructs.dashboard import RunDashboard
from stacks.constructs.organisation import PROJECT_TAG
from stacks.constructs.python_function import PythonFunction
from stacks.settings import MonitoringSettings, Settings

PERIOD = Duration.minutes(5)
NO_ACTION = "Notifies nobody: RunEnded has told of each of these runs, with its cause."


class Monitoring(Construct):
    """Alarms that publish to the topic, the dashboard they lead to, and the month's budget.

    Parameters
    ----------
    functions
        Lambdas whose errors fail a run, or are retried: they are on the dashboard.
    endings
        Lambdas that nothing else watches over: their errors are alarms as well.
    settings
        The project's name is the name space of the Lambdas' own metrics.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        state_machine: sfn.StateMachine,
        dead_letter_queue: sqs.IQueue,
        functions: Sequence[PythonFunction],
        endings: Sequence[PythonFunction],
        topic: sns.ITopic,
        settings: Settings,
    ) -> None:
        super().__init__(scope, construct_id)
        project, monitoring = settings.project, settings.monitoring
        self._topic = topic
        self._runs_failed(state_machine)
        self._run_too_long(state_machine, monitoring.run_duration_alarm_minutes)
        self._dead_letters(dead_letter_queue)
        for function in endings:
            self._function_failed(function)
        self.dashboard = RunDashboard(
            self,
            "Dashboard",
            state_machine=state_machine,
            dead_letter_queue=dead_letter_queue,
            functions=[*functions, *endings],
            endpoint_name=project.staging_endpoint_name,
            namespace=project.name,
        )
        if monitoring.monthly_budget_usd > 0:
            self._budget(monitoring, project.name)

    @property
    def dashboard_name(self) -> str:
        """Name of the dashboard."""
        return self.dashboard.dashboard_name

    def _runs_failed(self, state_machine: sfn.StateMachine) -> None:
        ended = {
            "failed": state_machine.metric_failed(),
            "timed_out": state_machine.metric_timed_out(),
            "aborted": state_machine.metric_aborted(),
        }
        # A metric without data in a period would make the whole sum have none.
        total = " + ".join(f"FILL({name}, 0)" for name in ended)
        metric = cloudwatch.MathExpression(
            expression=total, using_metrics=dict(ended), label="Runs failed", period=PERIOD
        )
        self._alarm(
            "RunsFailed", metric, f"A run failed, timed out or was aborted. {NO_ACTION}", acts=False
        )

    def _run_too_long(self, state_machine: sfn.StateMachine, minutes: int) -> None:
        metric = state_machine.metric_time(statistic="Maximum", period=PERIOD)
        self._alarm(
            "RunTooLong",
            metric,
            f"A run that ended took longer than {minutes} minutes: see which state on the"
            " dashboard and in the state machine's execution.",
            above=minutes * 60_000,  # the metric is in milliseconds
        )

    def _dead_letters(self, queue: sqs.IQueue) -> None:
        metric = queue.metric_approximate_number_of_messages_visible(
            statistic="Maximum", period=PERIOD
        )
        self._alarm(
            "DeadLetters",
            metric,
            "An event could not be delivered or handled: the reason is in the message's"
            " attributes in the dead-letter queue.",
        )

    def _function_failed(self, function: PythonFunction) -> None:
        name = function.node.id
        self._alarm(
            f"{name}Errors",
            # Longer than the pause between the reconciler's attempts: one trouble, one alarm.
            function.metric_errors(period=Duration.hours(1)),
            f"{name} failed: what a run left may still be there. See its log.",
        )

    def _alarm(
        self,
        construct_id: str,
        metric: cloudwatch.IMetric,
        description: str,
        *,
        above: float = 0,
        acts: bool = True,
    ) -> None:
        alarm = cloudwatch.Alarm(
            self,
            construct_id,
            alarm_name=f"{Stack.of(self).stack_name}-{construct_id}",
            alarm_description=description,
            metric=metric,
            threshold=above,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
            evaluation_periods=1,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )
        if acts:
            alarm.add_alarm_action(actions.SnsAction(self._topic))

    def _budget(self, monitoring: MonitoringSettings, project: str) -> None:
        # A name of its own would keep CloudFormation from replacing it, as changes to its
        # notifications do.
        filters = (
            {"TagKeyValue": [f"user:{PROJECT_TAG}${project}"]}
            if monitoring.budget_scope == "project"
            else None
        )
        budgets.CfnBudget(
            self,
            "Budget",
            budget=budgets.CfnBudget.BudgetDataProperty(
                budget_type="COST",
                time_unit="MONTHLY",
                budget_limit=budgets.CfnBudget.SpendProperty(
                    amount=monitoring.monthly_budget_usd, unit="USD"
                ),
                cost_filters=filters,
            ),
            notifications_with_subscribers=[
                self._spending("ACTUAL", 80),
                self._spending("FORECASTED", 100),
            ],
        )

    def _spending(
        self, kind: str, percent: int
    ) -> budgets.CfnBudget.NotificationWithSubscribersProperty:
        return budgets.CfnBudget.NotificationWithSubscribersProperty(
            notification=budgets.CfnBudget.NotificationProperty(
                notification_type=kind,
                comparison_operator="GREATER_THAN",
                threshold=percent,
                threshold_type="PERCENTAGE",
            ),
            subscribers=[
                budgets.CfnBudget.SubscriberProperty(
                    subscription_type="SNS", address=self._topic.topic_arn
                )
            ],
        )
