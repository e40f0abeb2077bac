"""What each statement is good for: recorded accesses, judged again without it."""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from local_account.authorization.decision import Documents, Policies, decide
from local_account.authorization.documents import Access
from local_account.authorization.engine import common_context
from local_account.authorization.principals import Principal
from local_account.authorization.record import ACCESSES, POLICIES, Line, policy_holder

Snapshot = Mapping[str, Any]
"""The policies as a record has them: documents by name, by holder, by kind."""


class StatementId(NamedTuple):
    """A statement: in whose policy (the ARN of a role or resource), in which, counted from 0."""

    holder: str
    policy: str
    number: int


def load(state: Path) -> tuple[list[Line], Snapshot]:
    """Return the accesses and the policies that an account has recorded in its state folder."""
    lines = [json.loads(line) for line in (state / ACCESSES).read_text().splitlines()]
    return lines, json.loads((state / POLICIES).read_text())


def replay(
    accesses: Iterable[Line], policies: Snapshot, without: tuple[str, str, int] | None = None
) -> list[Line]:
    """Return the accesses, once allowed, that are denied by these policies without a statement."""
    removed = None if without is None else StatementId(*without)
    return [
        line
        for line in accesses
        if line["decision"] == "allowed" and not _allowed(line, policies, removed)
    ]


def statements_of(policies: Snapshot) -> Iterator[tuple[StatementId, Any]]:
    """Yield every statement of roles, users and resources, with its text as JSON."""
    for kind in ("identity", "resource"):
        for holder, documents in policies[kind].items():
            for name, document in (documents or {}).items():
                found = json.loads(document)["Statement"]
                for index, entry in enumerate(found if isinstance(found, list) else [found]):
                    yield StatementId(holder, name, index), entry


def exercised(accesses: Iterable[Line]) -> dict[StatementId, int]:
    """Return how many distinct accesses each statement has allowed."""
    counts: dict[StatementId, int] = {}
    for line in accesses:
        if line["decision"] == "allowed":
            for kind, name, index in line["by"]:
                of_resource = kind == "resource"
                holder = policy_holder(line["resource"]) if of_resource else line["role_arn"]
                key = StatementId(holder, name, index)
                counts[key] = counts.get(key, 0) + 1
    return counts


def _allowed(line: Line, policies: Snapshot, removed: StatementId | None) -> bool:
    principal = Principal(**line["identity"])
    context = {key: tuple(values) for key, values in line["context"].items()}
    access = Access(line["action"], line["resource"], context)
    holder, resource = principal.identity_arn, policy_holder(access.resource)
    limit = {"session policy": principal.session_policy} if principal.session_policy else None
    judged = Policies(
        _without(policies["identity"].get(holder) or {}, holder, removed),
        _without(policies["resource"].get(resource) or {}, resource, removed),
        policies["boundary"].get(holder),
        limit,
    )
    common = common_context(principal, policies["account_id"], policies["region"])
    account_id: str = policies["account_id"]
    return decide(principal, access, judged, {**common, **context}, account_id).allowed


def _without(documents: Documents, holder: str, removed: StatementId | None) -> Documents:
    if removed is None or removed.holder != holder or removed.policy not in documents:
        return documents
    document = json.loads(documents[removed.policy])
    found = document["Statement"]
    kept = found if isinstance(found, list) else [found]
    document["Statement"] = [entry for number, entry in enumerate(kept) if number != removed.number]
    return {**documents, removed.policy: json.dumps(document)}
