"""EventBridge Scheduler: one group for the stack's schedules, one role that invokes."""

import json
from collections.abc import Mapping
from typing import Any

from aws_cdk import Aws, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from stacks.constructs import statements


class Timetable(Construct):
    """Invokes Lambdas at set times; what cannot be invoked goes to the dead-letter queue."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        dead_letter_queue: sqs.IQueue,
        key: kms.IKey,
    ) -> None:
        super().__init__(scope, construct_id)
        self._dead_letter_queue = dead_letter_queue
        stack = Stack.of(self)
        self.group = scheduler.CfnScheduleGroup(self, "Group", name=stack.stack_name)
        self.group_arn = stack.format_arn(
            service="scheduler", resource="schedule-group", resource_name=stack.stack_name
        )
        self.role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal(
                "scheduler.amazonaws.com",
                conditions={
                    "StringEquals": {
                        "aws:SourceAccount": Aws.ACCOUNT_ID,
                        "aws:SourceArn": self.group_arn,
                    }
                },
            ),
        )
        self.role.add_to_policy(
            statements.allow(["sqs:SendMessage"], [dead_letter_queue.queue_arn])
        )
        self.role.add_to_policy(statements.use(key))

    @property
    def group_name(self) -> str:
        """Name of the group."""
        return Stack.of(self).stack_name

    @property
    def schedules_arn(self) -> str:
        """ARN that matches every schedule of the group."""
        return Stack.of(self).format_arn(
            service="scheduler", resource="schedule", resource_name=f"{self.group_name}/*"
        )

    def may_invoke(self, function: lambda_.IFunction) -> None:
        """Allow schedules of the group to invoke a Lambda."""
        self.role.add_to_policy(
            statements.allow(["lambda:InvokeFunction"], [function.function_arn])
        )

    def add(
        self,
        construct_id: str,
        function: lambda_.IFunction,
        *,
        description: str,
        expression: str,
        payload: Mapping[str, Any],
    ) -> None:
        """Invoke a Lambda whenever a schedule expression (UTC) says so."""
        self.may_invoke(function)
        schedule = scheduler.CfnSchedule(
            self,
            construct_id,
            description=description,
            group_name=self.group_name,
            schedule_expression=expression,
            flexible_time_window=scheduler.CfnSchedule.FlexibleTimeWindowProperty(mode="OFF"),
            target=scheduler.CfnSchedule.TargetProperty(
                arn=function.function_arn,
                role_arn=self.role.role_arn,
                input=json.dumps(payload),
                dead_letter_config=scheduler.CfnSchedule.DeadLetterConfigProperty(
                    arn=self._dead_letter_queue.queue_arn
                ),
            ),
        )
        schedule.add_resource_dependency(self.group)
