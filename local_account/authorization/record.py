"""The record of distinct accesses, and of the policies by which they were judged."""

import json
import threading
from dataclasses import asdict
from pathlib import Path
from typing import Any

from local_account.authorization.decision import Decision, Documents, Policies
from local_account.authorization.documents import Access
from local_account.authorization.principals import Principal

Line = dict[str, Any]
"""One distinct access, as the record has it."""

ACCESSES, POLICIES = "accesses.jsonl", "policies.json"


class Record:
    """Writes each distinct access once, and the policies as they were last evaluated."""

    def __init__(self, state: Path, account_id: str, region: str) -> None:
        self._accesses, self._policies = state / ACCESSES, state / POLICIES
        self._lock = threading.Lock()
        self._seen: set[tuple[Any, ...]] = set()
        self._snapshot: dict[str, Any] = {
            **{"account_id": account_id, "region": region},
            **{"identity": {}, "boundary": {}, "resource": {}},
        }

    def add(
        self, principal: Principal, access: Access, decision: Decision, policies: Policies
    ) -> None:
        """Note an access, unless it is known."""
        context = tuple(sorted(access.context.items()))
        key = (principal, access.action, access.resource, context, decision)
        with self._lock:
            self._note_policies(principal, access, policies)
            if key in self._seen:
                return
            self._seen.add(key)
            with self._accesses.open("a") as lines:
                lines.write(json.dumps(_line(principal, access, decision)) + "\n")

    def _note_policies(self, principal: Principal, access: Access, policies: Policies) -> None:
        holder = principal.identity_arn
        changes = [
            self._note("identity", holder, policies.identity),
            self._note("boundary", holder, policies.boundary),
            self._note("resource", policy_holder(access.resource), policies.resource),
        ]
        if any(changes):
            written = self._policies.with_suffix(".new")
            written.write_text(json.dumps(self._snapshot, indent=1))
            written.rename(self._policies)

    def _note(self, kind: str, holder: str, documents: Documents | None) -> bool:
        known = self._snapshot[kind].get(holder)
        if not documents and not known or documents == known:
            return False
        self._snapshot[kind][holder] = None if documents is None else dict(documents)
        return True


def policy_holder(resource: str) -> str:
    """Return whose policy is about a resource: of an object, its bucket's."""
    return resource.partition("/")[0] if resource.startswith("arn:aws:s3:") else resource


def _line(principal: Principal, access: Access, decision: Decision) -> Line:
    return {
        "principal": principal.arn,
        "role_arn": principal.identity_arn,
        "action": access.action,
        "resource": access.resource,
        "context": {key: list(values) for key, values in access.context.items()},
        "decision": "allowed" if decision.allowed else "denied",
        "reason": decision.reason,
        "by": [list(each) for each in decision.by],
        "identity": {**asdict(principal), "context": dict(principal.context)},
    }
