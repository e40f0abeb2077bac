"""The run table: who holds staging, which executions were brought to their end, what was told.

Items have the key `id`; every write is conditional, so that two Lambdas never both succeed.
"""

from typing import Any, NamedTuple

from botocore.exceptions import ClientError

from shared import aws

LOCK_ID = "staging-lock"
# Longer than an execution may be redriven, and than its events may be late.
KEPT_SECONDS = 90 * 24 * 3600


class Lock(NamedTuple):
    """Who holds staging, since when (epoch seconds)."""

    holder: str
    since: int


class End(NamedTuple):
    """How far an execution has been brought to its end.

    `notified` is the claim to send the notification, `published` that it was sent: between the
    two lies what may have failed.
    """

    notified: bool
    completed: bool
    published: bool = False
    begun: bool = False
    redrives: int = 0
    claimed_at: int = 0
    claimant: str = ""
    repairs: int = 0


def lock(table: str) -> Lock | None:
    """Return who holds staging now."""
    item = _read(table, LOCK_ID)
    return Lock(item["holder"]["S"], int(item["since"]["N"])) if item else None


def take_lock(table: str, holder: str, *, now: int, instead_of: str | None = None) -> bool:
    """Hold staging, if nobody else does, or only the holder that is to be replaced does.

    To take it again is to keep it: `since` stays that of the first time.
    """
    condition = "attribute_not_exists(id) OR holder = :replaced"
    values = {":replaced": {"S": instead_of or holder}}
    current = lock(table)
    if current and current.holder == holder:
        return True
    item = {"id": {"S": LOCK_ID}, "holder": {"S": holder}, "since": {"N": str(now)}}
    return _succeeds(
        lambda: aws.dynamodb().put_item(
            TableName=table,
            Item=item,
            ConditionExpression=condition,
            ExpressionAttributeValues=values,
        )
    )


def release_lock(table: str, holder: str) -> bool:
    """Free staging; False if another one holds it, or nobody."""
    return _succeeds(
        lambda: aws.dynamodb().delete_item(
            TableName=table,
            Key={"id": {"S": LOCK_ID}},
            ConditionExpression="holder = :holder",
            ExpressionAttributeValues={":holder": {"S": holder}},
        )
    )


def end(table: str, ended: str) -> End:
    """Return how far an execution has been brought to its end, or what was told of an action.

    An action of the pipeline that has failed is only told of: of its end, nothing else is noted.
    """
    item = _read(table, _end_id(ended))
    return End(
        notified="notified_at" in item,
        completed="completed_at" in item,
        published="published_at" in item,
        begun="begun_at" in item,
        redrives=int(item.get("redrives", {}).get("N", 0)),
        claimed_at=int(item.get("notified_at", {}).get("N", 0)),
        claimant=str(item.get("claimant", {}).get("S", "")),
        repairs=int(item.get("repairs", {}).get("N", 0)),
    )


def begin_end(table: str, execution_arn: str, *, redrives: int, now: int) -> bool:
    """Note that an execution has ended; False if that was noted before.

    One that was redriven ends again: what was noted of its former end is forgotten.
    """
    return _succeeds(
        lambda: aws.dynamodb().update_item(
            TableName=table,
            Key={"id": {"S": _end_id(execution_arn)}},
            UpdateExpression="SET begun_at = :now, redrives = :redrives, expires_at = :expires_at "
            "REMOVE notified_at, claimant, published_at, completed_at, repairs",
            ConditionExpression="attribute_not_exists(redrives) OR redrives < :redrives",
            ExpressionAttributeValues={
                ":now": {"N": str(now)},
                ":redrives": {"N": str(redrives)},
                ":expires_at": {"N": str(now + KEPT_SECONDS)},
            },
        )
    )


def claim_notification(table: str, ended: str, *, now: int, claimant: str = "") -> bool:
    """Take the one notification of an end; False if it was taken before."""
    return _claim(table, ended, "attribute_not_exists(notified_at)", now, claimant, {})


def reclaim_notification(
    table: str, ended: str, *, instead_of: End, now: int, claimant: str
) -> bool:
    """Take a notification from who took it and did not send it; False if that has changed."""
    condition = (
        "notified_at = :claimed_at AND claimant = :former AND attribute_not_exists(published_at)"
    )
    former = {
        ":claimed_at": {"N": str(instead_of.claimed_at)},
        ":former": {"S": instead_of.claimant},
    }
    return _claim(table, ended, condition, now, claimant, former)


def release_notification(table: str, ended: str, *, claimant: str) -> bool:
    """Give a notification back that was certainly not sent; False if another one has it."""
    return _succeeds(
        lambda: aws.dynamodb().update_item(
            TableName=table,
            Key={"id": {"S": _end_id(ended)}},
            UpdateExpression="REMOVE notified_at, claimant",
            ConditionExpression="claimant = :claimant AND attribute_not_exists(published_at)",
            ExpressionAttributeValues={":claimant": {"S": claimant}},
        )
    )


def confirm_notification(table: str, ended: str, *, now: int) -> bool:
    """Note that the notification was sent; False if that was noted before."""
    return _mark(table, ended, "published_at", now)


def count_repair(table: str, execution_arn: str) -> int:
    """Count an attempt to bring staging back for an execution, and return how many it makes."""
    response = aws.dynamodb().update_item(
        TableName=table,
        Key={"id": {"S": _end_id(execution_arn)}},
        UpdateExpression="ADD repairs :one",
        ExpressionAttributeValues={":one": {"N": "1"}},
        ReturnValues="UPDATED_NEW",
    )
    return int(response["Attributes"]["repairs"]["N"])


def complete_end(table: str, execution_arn: str, *, now: int) -> bool:
    """Note that nothing is left to do for an execution; False if that was noted before."""
    return _mark(table, execution_arn, "completed_at", now)


def sealed_listing(table: str, version: str) -> str | None:
    """Return the digest of the listing of a data set version that was sealed last."""
    item = _read(table, f"sealed#{version}")
    return str(item["listing"]["S"]) if item else None


def record_sealed(table: str, version: str, listing: str) -> None:
    """Note the digest of a listing, so that it is not read again."""
    aws.dynamodb().put_item(
        TableName=table, Item={"id": {"S": f"sealed#{version}"}, "listing": {"S": listing}}
    )


def _end_id(ended: str) -> str:
    return f"ended#{ended}"


def _claim(
    table: str,
    ended: str,
    condition: str,
    now: int,
    claimant: str,
    values: dict[str, dict[str, str]],
) -> bool:
    return _succeeds(
        lambda: aws.dynamodb().update_item(
            TableName=table,
            Key={"id": {"S": _end_id(ended)}},
            UpdateExpression="SET notified_at = :now, claimant = :claimant, "
            "expires_at = :expires_at",
            ConditionExpression=condition,
            ExpressionAttributeValues={
                ":now": {"N": str(now)},
                ":claimant": {"S": claimant},
                ":expires_at": {"N": str(now + KEPT_SECONDS)},
                **values,
            },
        )
    )


def _mark(table: str, ended: str, attribute: str, now: int) -> bool:
    return _succeeds(
        lambda: aws.dynamodb().update_item(
            TableName=table,
            Key={"id": {"S": _end_id(ended)}},
            UpdateExpression="SET #attribute = :now, expires_at = :expires_at",
            ConditionExpression="attribute_not_exists(#attribute)",
            ExpressionAttributeNames={"#attribute": attribute},
            ExpressionAttributeValues={
                ":now": {"N": str(now)},
                ":expires_at": {"N": str(now + KEPT_SECONDS)},
            },
        )
    )


def _read(table: str, item_id: str) -> dict[str, Any]:
    response = aws.dynamodb().get_item(
        TableName=table, Key={"id": {"S": item_id}}, ConsistentRead=True
    )
    return dict(response.get("Item", {}))


def _succeeds(write: Any) -> bool:
    try:
        write()
    except ClientError as error:
        if aws.error_code(error) == "ConditionalCheckFailedException":
            return False
        raise
    return True
