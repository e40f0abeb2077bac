"""Whether an access is allowed: AWS's order of evaluation within one account.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from local_account.authorization.conditions import PolicyError
from local_account.authorization.documents import Access, Statement, statements
from local_account.authorization.patterns import Context
from local_account.authorization.principals import Named, Principal

Documents = Mapping[str, str]
"""Policy documents by name."""

Match = tuple[str, str, Statement, Named]
_KINDS = {
    "identity": "an identity-based policy",
    "resource": "a resource-based policy",
    "boundary": "a permissions boundary",
    "session": "a session policy",
}


@dataclass(frozen=True)
class Policies:
    """What has a say in an access; no boundary and no session policy is None."""

    identity: Documents = field(default_factory=dict)
    resource: Documents = field(default_factory=dict)
    boundary: Documents | None = None
    session: Documents | None = None


@dataclass(frozen=True)
class Decision:
    """The answer, why, and the statements (kind of policy, policy, index) that decided."""

    allowed: bool
    reason: str = ""
    by: tuple[tuple[str, str, int], ...] = ()


def decide(
    principal: Principal, access: Access, policies: Policies, context: Context, account_id: str
) -> Decision:
    """Evaluate an access.

    Raises
    ------
    PolicyError
        If a policy has something that cannot be judged; it names the policy.
    """
    found = {
        kind: list(_matches(kind, documents, principal, access, context, account_id))
        for kind in _KINDS
        if (documents := getattr(policies, kind)) is not None
    }
    for kind, matches in found.items():
        if denying := [match for match in matches if not match[2].allows]:
            return Decision(False, f"with an explicit deny in {_KINDS[kind]}", _by(denying))
    return _allowed(principal, access, policies, found)


def _allowed(
    principal: Principal, access: Access, policies: Policies, found: dict[str, list[Match]]
) -> Decision:
    identity, resource = found["identity"], found["resource"]
    named = max((match[3] for match in resource), default=Named.NOT)
    permitted = bool(identity) or principal.kind == "account"
    if principal.kind == "service" or _is_guarded(access, policies):
        if not resource:
            return _nothing_allows("resource-based policy", access)
        permitted = permitted or named is Named.ITSELF or named is Named.BY_ROLE
    elif named > Named.BY_ACCOUNT:
        permitted = True
    if not permitted:
        return _nothing_allows("identity-based policy", access)
    for kind, noun in (("boundary", "permissions boundary"), ("session", "session policy")):
        if kind in found and not found[kind] and named is not Named.ITSELF:
            return _nothing_allows(noun, access)
    return Decision(True, by=_by([match for matches in found.values() for match in matches]))


def _is_guarded(access: Access, policies: Policies) -> bool:
    """Tell whether the resource's own policy must allow: a role's trust, and a KMS key's."""
    if access.action.startswith("kms:"):
        return bool(policies.resource)
    return access.action in ("sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity")


def _nothing_allows(noun: str, access: Access) -> Decision:
    return Decision(False, f"because no {noun} allows the {access.action} action")


def _by(matches: list[Match]) -> tuple[tuple[str, str, int], ...]:
    return tuple((kind, name, statement.index) for kind, name, statement, _ in matches)


def _matches(
    kind: str,
    documents: Documents,
    principal: Principal,
    access: Access,
    context: Context,
    account_id: str,
) -> Iterator[Match]:
    for name, document in documents.items():
        try:
            for statement in statements(document):
                named = Named.ITSELF
                if kind == "resource":
                    named = statement.names(principal, account_id)
                if named and statement.is_about(access, context):
                    yield kind, name, statement, named
        except PolicyError as error:
            raise PolicyError(f"The policy {name} cannot be judged: {error}.") from error
