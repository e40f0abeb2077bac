"""Where policies are kept: what moto's users, roles and resources have."""

import json
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from local_account.authorization.decision import Documents, Policies
from local_account.authorization.documents import Access
from local_account.authorization.principals import Principal
from local_account.authorization.record import policy_holder
from local_account.service import Account

_AWS_OWN = "arn:aws:iam::aws:policy/"


class Sources:
    """The policies of an account that have a say in an access."""

    def __init__(self, account: Account) -> None:
        self._account = account

    def policies(self, principal: Principal, access: Access) -> Policies:
        """Return the policies by which an access is judged."""
        holder = self.holder(principal.identity_arn) if principal.identity_arn else None
        limited = principal.session_policy
        return Policies(
            identity=dict(_documents(holder, self._groups(holder))) if holder else {},
            resource=self._of_resource(access),
            boundary=self._boundary(holder),
            session={"session policy": limited} if limited else None,
        )

    def holder(self, identity_arn: str) -> Any:
        """Return the user or role that has an ARN, if there is one."""
        iam = self._iam
        holders = iam.roles if ":role/" in identity_arn else iam.users
        return next((each for each in holders.values() if each.arn == identity_arn), None)

    def load_managed(self, policy_arn: str) -> None:
        """Make one of AWS's own policies known to IAM, which loads them one at a time."""
        if not policy_arn.startswith(_AWS_OWN) or policy_arn in self._iam.managed_policies:
            return
        from moto.iam.models import AWSManagedPolicy

        name = policy_arn.rpartition("/")[2]
        data = _aws_policy(name)
        if data is not None:
            policy = AWSManagedPolicy.from_data(
                name, self._account.account_id, self._account.region, data
            )
            self._iam.managed_policies[policy.arn] = policy

    def backend(self, service: str) -> Any:
        """Return what moto keeps of a service."""
        return _backend(service, self._account.account_id, self._account.region)

    @property
    def _iam(self) -> Any:
        return self.backend("iam")

    def _groups(self, holder: Any) -> list[Any]:
        groups = self._iam.groups.values() if hasattr(holder, "access_keys") else ()
        return [group for group in groups if holder in group.users]

    def _boundary(self, holder: Any) -> Documents | None:
        arn = getattr(holder, "permissions_boundary_arn", None)
        if not arn:
            return None
        self.load_managed(arn)
        policy = self._iam.managed_policies.get(arn)
        return {arn: _default_version(policy)} if policy else {}

    def _of_resource(self, access: Access) -> Documents:
        parts = access.resource.split(":", 5)
        read = _RESOURCE_POLICIES.get(parts[2]) if len(parts) > 5 else None
        document = read(self, parts[5]) if read else None
        if isinstance(document, Mapping):
            return document
        return {policy_holder(access.resource): document} if document else {}


def _documents(holder: Any, groups: list[Any]) -> Iterator[tuple[str, str]]:
    for each in (holder, *groups):
        yield from each.policies.items()
        for arn, policy in each.managed_policies.items():
            yield arn, _default_version(policy)


def _default_version(policy: Any) -> str:
    return str(next(each.document for each in policy.versions if each.is_default))


@lru_cache
def _backend(service: str, account_id: str, region: str) -> Any:
    from moto.backends import get_backend

    backends: Any = get_backend(service)
    regions = backends[account_id]
    return regions["aws"] if service in ("iam", "s3", "sts") else regions[region]


@lru_cache
def _aws_policy(name: str) -> dict[str, Any] | None:
    """Read one policy out of moto's text of all of them, which takes too long to read whole."""
    from moto.iam.aws_managed_policies import aws_managed_policies_data

    start = aws_managed_policies_data.find(f'\n "{name}":')
    if start < 0:
        return None
    opening = aws_managed_policies_data.index("{", start)
    data: dict[str, Any]
    data, _ = json.JSONDecoder().raw_decode(aws_managed_policies_data, opening)
    return data


def _bucket(sources: Sources, resource: str) -> str | None:
    bucket = sources.backend("s3").buckets.get(resource.partition("/")[0])
    policy = bucket.policy if bucket else None
    return policy.decode() if isinstance(policy, bytes) else policy


def _key(sources: Sources, resource: str) -> str | None:
    key = sources.backend("kms").keys.get(resource.removeprefix("key/"))
    return key.policy if key else None


def _topic(sources: Sources, resource: str) -> str | None:
    topics = sources.backend("sns").topics.values()
    return next((each.policy for each in topics if each.name == resource), None)


def _queue(sources: Sources, resource: str) -> str | None:
    queue = sources.backend("sqs").queues.get(resource)
    return queue.policy if queue else None


def _function(sources: Sources, resource: str) -> str | None:
    name = resource.removeprefix("function:").partition(":")[0]
    versions = sources.backend("lambda")._lambdas._functions.get(name)
    policy = versions["latest"].policy if versions else None
    return json.dumps(policy.get_policy()["Policy"]) if policy and policy.statements else None


def _repository(sources: Sources, resource: str) -> str | None:
    repository = sources.backend("ecr").repositories.get(resource.removeprefix("repository/"))
    return repository.policy if repository else None


def _trust(sources: Sources, resource: str) -> str | None:
    arn = f"arn:aws:iam::{sources.backend('iam').account_id}:{resource}"
    role = sources.holder(arn) if resource.startswith("role/") else None
    return role.assume_role_policy_document if role else None


def _log_policies(sources: Sources, resource: str) -> Documents:
    policies = sources.backend("logs").resource_policies.values()
    return {each.policy_name: each.policy_document for each in policies}


_RESOURCE_POLICIES: dict[str, Callable[[Sources, str], str | Documents | None]] = {
    "s3": _bucket,
    "kms": _key,
    "sns": _topic,
    "sqs": _queue,
    "lambda": _function,
    "ecr": _repository,
    "iam": _trust,
    "logs": _log_policies,
}
