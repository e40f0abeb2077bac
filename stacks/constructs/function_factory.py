"""What all Lambdas of a stack have in common, given once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from stacks.constructs.python_function import PythonFunction


@dataclass(frozen=True)
class FunctionFactory:
    """Makes Lambdas from one archive, with one name space of metrics; one key for their logs."""

    scope: Construct
    code: lambda_.Code
    key: kms.IKey
    metrics_namespace: str
    log_retention_days: int
    dead_letter_queue: sqs.IQueue
    environment_name: str

    def function(
        self,
        construct_id: str,
        module: str,
        description: str,
        environment: Mapping[str, str],
        permissions: Sequence[iam.PolicyStatement] = (),
        *,
        timeout_seconds: int = 30,
        memory_mb: int = 512,
        takes_events: bool = False,
    ) -> PythonFunction:
        """Make one; the events that one fails on which takes events become dead letters."""
        return PythonFunction(
            self.scope,
            construct_id,
            code=self.code,
            key=self.key,
            module=module,
            description=description,
            metrics_namespace=self.metrics_namespace,
            log_retention_days=self.log_retention_days,
            environment=environment,
            permissions=permissions,
            timeout_seconds=timeout_seconds,
            memory_mb=memory_mb,
            dead_letter_queue=self.dead_letter_queue if takes_events else None,
        )

    def target(self, function: PythonFunction) -> targets.LambdaFunction:
        """Return a Lambda as a rule's target: what cannot be delivered becomes a dead letter."""
        return targets.LambdaFunction(function, dead_letter_queue=self.dead_letter_queue)
