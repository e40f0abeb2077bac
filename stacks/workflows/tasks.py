"""What every task has: time limit, retriers, what it keeps; and the task that invokes a Lambda.

CDK's own tasks lack parameters of the SageMaker APIs, so `jobs` and `hosting` spell them out. A
name that ends in `.$` takes its value from the execution's state.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aws_cdk import Aws
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from stacks.constructs.organisation import key_values, mandatory_tags
from stacks.constructs.python_function import PythonFunction
from stacks.settings import AccountSettings, ProjectSettings
from stacks.workflows import retries

Parameters = Mapping[str, Any]


@dataclass(frozen=True)
class Surroundings:
    """What the organisation asks of everything that the state machine creates."""

    project: ProjectSettings
    account: AccountSettings

    @property
    def tags(self) -> Parameters:
        """The tags, as a parameter of every Create* call."""
        return {"Tags": key_values(mandatory_tags(self.project, self.account))}

    @property
    def vpc(self) -> Parameters:
        """The network, as a parameter of jobs and models."""
        network = self.account.network
        if not network.subnet_ids:
            return {}
        return {
            "VpcConfig": {
                "SecurityGroupIds": list(network.security_group_ids),
                "Subnets": list(network.subnet_ids),
            }
        }


def task(
    scope: Construct,
    state_id: str,
    resource: str,
    parameters: Parameters,
    *,
    retry: Sequence[retries.Retrier],
    timeout_seconds: int,
    result: Mapping[str, str],
    result_path: str,
) -> sfn.CustomState:
    """Make a task that calls a service integration and keeps the named parts of its result."""
    state = {
        "Type": "Task",
        "Resource": f"arn:{Aws.PARTITION}:states:::{resource}",
        "Parameters": parameters,
        "ResultSelector": {f"{name}.$": path for name, path in result.items()},
        "ResultPath": result_path,
        "TimeoutSeconds": timeout_seconds,
        "Retry": list(retry),
    }
    return sfn.CustomState(scope, state_id, state_json=state)


def invoke_function(
    scope: Construct,
    state_id: str,
    function: PythonFunction,
    payload: Parameters,
    *,
    fields: Sequence[str],
    result_path: str,
    retry: Sequence[retries.Retrier] = (),
) -> sfn.CustomState:
    """Invoke a Lambda and keep the named fields of what it returns.

    `retry` comes on top of what every Lambda is retried for.
    """
    return task(
        scope,
        state_id,
        "lambda:invoke",
        {"FunctionName": function.function_arn, "Payload": payload},
        retry=(*retries.LAMBDA, *retry),
        timeout_seconds=function.timeout_seconds + 30,
        result={field: f"$.Payload.{field}" for field in fields},
        result_path=result_path,
    )
