"""The Condition element: operators, their `IfExists` and `ForAllValues`, and known keys.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
"""

import operator
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from ipaddress import ip_address, ip_network

from local_account.authorization.patterns import Context, like, like_arn, literal, resolved

Compare = Callable[[str, str], bool]
"""Compares the value of a request with a value of a policy."""

_SETS = ("ForAllValues", "ForAnyValue")
# keys that requests here bring along, or of which it is known that they bring none
_KNOWN = {
    "aws": (
        "calledvia currenttime epochtime multifactorauthage multifactorauthpresent "
        "principalaccount principalarn principalisawsservice principalorgid "
        "principalservicename principaltype requestedregion resourceaccount resourceorgid "
        "securetransport sourceaccount sourcearn sourceip sourceorgid sourceowner "
        "sourcevpc sourcevpce tagkeys username viaawsservice"
    ),
    "cloudwatch": "namespace",
    "codecommit": "references",
    "codeconnections": "fullrepositoryid providertype providertypefilter",
    "codestar-connections": "fullrepositoryid providertype providertypefilter",
    "dynamodb": "leadingkeys",
    "iam": "passedtoservice permissionsboundary policyarn",
    "kms": "calleraccount encryptioncontextkeys grantisforawsresource viaservice",
    "s3": (
        "delimiter max-keys prefix resourceaccount tlsversion versionid "
        "x-amz-server-side-encryption x-amz-server-side-encryption-aws-kms-key-id"
    ),
    "sts": "externalid rolesessionname",
}
_KNOWN_FAMILIES = ("aws:requesttag/", "kms:encryptioncontext:")


class PolicyError(ValueError):
    """A policy has something that this account cannot judge; it says what."""


@lru_cache
def _is_known(key: str) -> bool:
    service, _, name = key.partition(":")
    return name in _KNOWN.get(service, "").split() or key.startswith(_KNOWN_FAMILIES)


@dataclass(frozen=True)
class Condition:
    """One operator on one key."""

    compare: Compare | None
    key: str
    values: tuple[str, ...]
    negated: bool = False
    if_exists: bool = False
    over: str = ""

    def holds(self, context: Context) -> bool:
        """Tell whether a request meets the condition.

        Raises
        ------
        PolicyError
            If the account does not know whether requests have the key.
        """
        if not _is_known(self.key):
            raise PolicyError(f"the condition key {self.key} is not modelled")
        given = context.get(self.key, ())
        if self.compare is None:  # Null
            return str(not given).lower() in (value.lower() for value in self.values)
        if not given:
            return self.if_exists or (
                self.over != "ForAnyValue" and bool(self.negated or self.over)
            )
        every = self.over == "ForAllValues" or self.negated and not self.over
        return (all if every else any)(self._matches(each, context) for each in given)

    def _matches(self, given: str, context: Context) -> bool:
        wanted = (resolved(value, context) for value in self.values)
        compare = self.compare or operator.eq
        return any(value is not None and compare(given, value) for value in wanted) != self.negated


def condition(name: str, key: str, values: tuple[str, ...]) -> Condition:
    """Read one condition.

    Raises
    ------
    PolicyError
        If there is no such operator.
    """
    over, _, plain = name.rpartition(":")
    base = plain.removesuffix("IfExists")
    positive = _NEGATED.get(base, base)
    if over not in ("", *_SETS) or (positive not in _OPERATORS and base != "Null"):
        raise PolicyError(f"the condition operator {name} is not known")
    compare, negated = _OPERATORS.get(positive), base in _NEGATED
    return Condition(compare, key.lower(), values, negated, plain != base, over)


def _numbers(compare: Callable[[float, float], bool]) -> Compare:
    def compared(given: str, wanted: str) -> bool:
        return _is_number(given) and _is_number(wanted) and compare(float(given), float(wanted))

    return compared


def _is_number(text: str) -> bool:
    return text.lstrip("-").replace(".", "", 1).isdecimal()


def _dates(compare: Callable[[float, float], bool]) -> Compare:
    return lambda given, wanted: compare(_seconds(given), _seconds(wanted))


def _seconds(text: str) -> float:
    if _is_number(text):
        return float(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise PolicyError(f"{text} is no date") from error
    return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()


def _in_network(given: str, wanted: str) -> bool:
    try:
        return ip_address(given) in ip_network(wanted, strict=False)
    except ValueError as error:
        raise PolicyError(f"{wanted} is no range of addresses") from error


_ORDERS = {
    "Equals": operator.eq,
    "LessThan": operator.lt,
    "LessThanEquals": operator.le,
    "GreaterThan": operator.gt,
    "GreaterThanEquals": operator.ge,
}
_OPERATORS: dict[str, Compare] = {
    "StringEquals": lambda given, wanted: given == literal(wanted),
    "StringEqualsIgnoreCase": lambda given, wanted: given.lower() == literal(wanted).lower(),
    "StringLike": lambda given, wanted: bool(like(wanted).fullmatch(given)),
    "ArnEquals": lambda given, wanted: like_arn(wanted, given),
    "ArnLike": lambda given, wanted: like_arn(wanted, given),
    "Bool": lambda given, wanted: given.lower() == wanted.lower(),
    "BinaryEquals": operator.eq,
    "IpAddress": _in_network,
    **{f"Numeric{name}": _numbers(compare) for name, compare in _ORDERS.items()},
    **{f"Date{name}": _dates(compare) for name, compare in _ORDERS.items()},
}
_NEGATED = {
    "StringNotEquals": "StringEquals",
    "StringNotEqualsIgnoreCase": "StringEqualsIgnoreCase",
    "StringNotLike": "StringLike",
    "ArnNotEquals": "ArnEquals",
    "ArnNotLike": "ArnLike",
    "NumericNotEquals": "NumericEquals",
    "DateNotEquals": "DateEquals",
    "NotIpAddress": "IpAddress",
}
