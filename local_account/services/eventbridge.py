"""EventBridge: deliver a matched event to its targets, retry, and dead-letter what fails."""

import json
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from jsonpath_ng.exceptions import JSONPathError
from jsonpath_ng.ext import parse as parse_jsonpath

from local_account.service import Account

Event = dict[str, Any]
Target = dict[str, Any]

_RETRIED_SECONDS = (0.2, 0.5, 1.0)
_PERMANENT = {"AccessDenied", "AccessDeniedException", "ResourceNotFoundException"}


def new_event(
    account: Account, source: str, detail_type: str, resources: list[str], detail: dict[str, Any]
) -> Event:
    """Build an event as a service puts it on the default bus."""
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": detail_type,
        "source": source,
        "account": account.account_id,
        "time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": account.region,
        "resources": resources,
        "detail": detail,
    }


class UnsupportedTarget(Exception):
    """The account does not deliver to this kind of target."""


def target_input(target: Target, event: Event) -> str:
    """Return what the target is given: the event, a constant, or a part of the event."""
    if "Input" in target:
        return str(target["Input"])
    if "InputTransformer" in target:
        raise UnsupportedTarget("The embedded account does not model InputTransformer.")
    if path := target.get("InputPath"):
        try:
            found = parse_jsonpath(path).find(event)
        except JSONPathError as error:
            raise UnsupportedTarget(f"InputPath {path} is not a path: {error}.") from error
        return json.dumps(found[0].value if found else None)
    return json.dumps(event)


class EventBus:
    """The default bus: rules and their targets live in moto, delivery lives here."""

    def __init__(
        self, account: Account, matching_targets: Callable[[Event], list[tuple[str, Target]]]
    ) -> None:
        self._account, self._matching_targets = account, matching_targets
        self._deliveries = ThreadPoolExecutor(8, thread_name_prefix="events")

    def put(
        self,
        detail_type: str,
        resource_arn: str,
        detail: dict[str, Any],
        source: str = "aws.sagemaker",
    ) -> None:
        """Put a service's event on the bus."""
        self.dispatch(new_event(self._account, source, detail_type, [resource_arn], detail))

    def dispatch(self, event: Event) -> None:
        """Deliver an event to every target of every rule that it matches."""
        for rule_arn, target in self._matching_targets(event):
            self._deliveries.submit(self._deliver, rule_arn, target, event)

    def close(self) -> None:
        """Start no further deliveries."""
        self._deliveries.shutdown(wait=False, cancel_futures=True)

    def _deliver(self, rule_arn: str, target: Target, event: Event) -> None:
        attempts = int(target.get("RetryPolicy", {}).get("MaximumRetryAttempts", 185))
        for attempt in range(attempts + 1):
            try:
                self._send(target, event)
            except UnsupportedTarget as error:
                self._dead_letter(rule_arn, target, event, "SDK_CLIENT_ERROR", error, 0)
                break
            except (BotoCoreError, ClientError) as error:
                response = getattr(error, "response", {})
                code = response.get("Error", {}).get("Code", "SDK_CLIENT_ERROR")
                if code in _PERMANENT or attempt >= min(attempts, len(_RETRIED_SECONDS)):
                    self._dead_letter(rule_arn, target, event, code, error, attempt)
                    break
                time.sleep(_RETRIED_SECONDS[attempt])
            else:
                break

    def _send(self, target: Target, event: Event) -> None:
        arn = target["Arn"]
        service, name = arn.split(":")[2], arn.split(":")[-1]
        payload = target_input(target, event)
        if service == "states":
            self._account.client("stepfunctions").start_execution(
                stateMachineArn=arn, name=f"{event['id']}_{uuid.uuid4()}", input=payload
            )
        elif service == "lambda":
            self._account.client("lambda").invoke(
                FunctionName=arn, InvocationType="Event", Payload=payload
            )
        elif service == "sqs":
            self._send_message(name, payload, {})
        else:
            raise UnsupportedTarget(
                f"The embedded account does not deliver events to {service} ({arn})."
            )

    def _send_message(self, queue: str, body: str, attributes: dict[str, str]) -> None:
        sqs = self._account.client("sqs")
        sqs.send_message(
            QueueUrl=sqs.get_queue_url(QueueName=queue)["QueueUrl"],
            MessageBody=body,
            MessageAttributes={
                name: {"DataType": "String", "StringValue": value}
                for name, value in attributes.items()
            },
        )

    def _dead_letter(
        self,
        rule_arn: str,
        target: Target,
        event: Event,
        code: str,
        error: Exception,
        attempts: int,
    ) -> None:
        queue_arn = target.get("DeadLetterConfig", {}).get("Arn")
        if not queue_arn:
            print(f"event dropped: {rule_arn} -> {target['Arn']}: {error}", flush=True)
            return
        attributes = {
            "RULE_ARN": rule_arn,
            "TARGET_ARN": target["Arn"],
            "ERROR_CODE": code,
            "ERROR_MESSAGE": str(error),
            "RETRY_ATTEMPTS": str(attempts),
        }
        self._send_message(queue_arn.split(":")[-1], json.dumps(event), attributes)
