"""What single fields of the settings file may hold, as AWS takes it."""

import math
import re
from collections.abc import Iterable
from typing import Annotated

from pydantic import AfterValidator, Field

MINUTES, HOURS = r"([0-9]|[1-5][0-9])", r"([0-9]|1[0-9]|2[0-3])"
DAYS = r"([1-9]|[12][0-9]|3[01])"
MONTHS = r"([1-9]|1[0-2]|JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC)"
WEEKDAYS = r"([1-7]|SUN|MON|TUE|WED|THU|FRI|SAT)"
YEARS = r"(19[7-9][0-9]|20[0-9]{2}|21[0-9]{2})"


def _listed(value: str, *others: str) -> re.Pattern[str]:
    """Match a cron field: `*`, or values, ranges and steps with commas between."""
    part = rf"({value}|\*)(-{value})?(/[0-9]+)?"
    return re.compile("|".join([rf"{part}(,{part})*", *others]))


CRON_FIELDS = {
    "minutes": _listed(MINUTES),
    "hours": _listed(HOURS),
    "day of month": _listed(DAYS, r"\?", "L", "LW", f"{DAYS}W"),
    "month": _listed(MONTHS),
    "day of week": _listed(WEEKDAYS, r"\?", "L", f"{WEEKDAYS}L", f"{WEEKDAYS}#[1-5]"),
    "year": _listed(YEARS),
}
BRANCH = re.compile(r"(?!.*(\.\.|//|\.lock(/|$)))[A-Za-z0-9_]([A-Za-z0-9_./-]*[A-Za-z0-9_-])?")
RATE = re.compile(r"([1-9][0-9]{0,5}) (minute|hour|day)(s?)")


def _is_hyperparameter(value: object) -> object:
    if not isinstance(value, (bool, int, float, str)):
        raise ValueError("expected a number, a string or a boolean")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("expected a finite number")
    if len(str(value)) > 2500:
        raise ValueError("expected at most 2500 characters")
    return value


def _is_tag_key(key: str) -> str:
    if key.lower().startswith("aws:"):
        raise ValueError('expected another beginning than "aws:", which AWS keeps to itself')
    return key


def _is_no_url(name: str) -> str:
    if name.endswith(".git"):
        raise ValueError('expected another ending than ".git", which clone URLs keep to themselves')
    return name


def _is_branch(name: str) -> str:
    if not BRANCH.fullmatch(name):
        raise ValueError("expected the name of a git branch, such as main or release/1")
    return name


def _is_schedule(expression: str) -> str:
    kind, _, rest = expression.partition("(")
    if kind == "cron" and rest.endswith(")"):
        _check_cron(rest.removesuffix(")"))
    elif kind == "rate" and rest.endswith(")"):
        _check_rate(rest.removesuffix(")"))
    else:
        raise ValueError('expected "cron(…)" or "rate(…)"')
    return expression


def _check_cron(text: str) -> None:
    found = text.split(" ")
    if len(found) != len(CRON_FIELDS):
        expected = f"{len(CRON_FIELDS)} fields of cron ({', '.join(CRON_FIELDS)})"
        raise ValueError(f"expected {expected} with one space between, found {len(found)}")
    for (name, pattern), value in zip(CRON_FIELDS.items(), found, strict=True):
        if not pattern.fullmatch(value):
            raise ValueError(f"{value!r} is no {name} of cron")
    if (found[2] == "?") == (found[4] == "?"):
        raise ValueError('expected "?" as day of month or as day of week, and not as both')


def _check_rate(text: str) -> None:
    rate = RATE.fullmatch(text)
    if not rate:
        raise ValueError('expected a number and minutes, hours or days, such as "rate(12 hours)"')
    if (rate[1] == "1") == bool(rate[3]):
        raise ValueError(f'expected "{rate[2]}" after 1, "{rate[2]}s" after other numbers')


def _has_each_once(values: tuple[str, ...]) -> tuple[str, ...]:
    _check_unique(values)
    return values


def _has_each_key_once(tags: dict[str, str]) -> dict[str, str]:
    # IAM holds tags that differ in case alone for one.
    _check_unique(tags)
    return tags


def _check_unique(values: Iterable[str]) -> None:
    seen: dict[str, str] = {}
    for value in values:
        if value.lower() in seen:
            raise ValueError(f"expected each once, found {seen[value.lower()]} and {value}")
        seen[value.lower()] = value


Unique = AfterValidator(_has_each_once)
UniqueKeys = AfterValidator(_has_each_key_once)

InstanceType = Annotated[
    str, Field(pattern=r"^ml\.[a-z][a-z0-9]*(-[a-z0-9]+)?\.(medium|large|([0-9]+)?xlarge)$")
]
MetricName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Seconds = Annotated[int, Field(ge=60, le=432_000)]
HyperparameterName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]{0,255}$")]
HyperparameterValue = Annotated[object, AfterValidator(_is_hyperparameter)]

DatasetVersion = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]
Schedule = Annotated[str, Field(max_length=256), AfterValidator(_is_schedule)]

SubnetId = Annotated[str, Field(pattern=r"^subnet-[0-9a-f]{8,17}$")]
SecurityGroupId = Annotated[str, Field(pattern=r"^sg-[0-9a-f]{8,17}$")]
PolicyArn = Annotated[
    str, Field(pattern=r"^arn:aws[a-z-]*:iam::([0-9]{12}|aws):policy/[A-Za-z0-9+=,.@_/-]+$")
]
KeyArn = Annotated[
    str, Field(pattern=r"^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$")
]
BucketName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")]
RepositoryName = Annotated[
    str, Field(pattern=r"^[a-z0-9]+([._/-][a-z0-9]+)*$", min_length=2, max_length=256)
]
RolePath = Annotated[str, Field(pattern=r"^/([A-Za-z0-9+=,.@_-]+/)*$", max_length=512)]
RoleNamePrefix = Annotated[str, Field(pattern=r"^[A-Za-z0-9+=,.@_-]*$", max_length=20)]
Qualifier = Annotated[str, Field(pattern=r"^[a-z0-9]{1,10}$")]
TagKey = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9_ .:/=+@-]{1,128}$"), AfterValidator(_is_tag_key)
]
TagValue = Annotated[str, Field(pattern=r"^[A-Za-z0-9_ .:/=+@-]{0,256}$")]

SourceRepository = Annotated[
    str,
    Field(
        pattern=r"^(codecommit|(github|bitbucket):[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+"
        r"|gitlab:[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)+)$",
        max_length=255,
    ),
]
SourceName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,100}$"), AfterValidator(_is_no_url)]
BranchName = Annotated[str, Field(max_length=256), AfterValidator(_is_branch)]
PipelineName = Annotated[str, Field(pattern=r"^[A-Za-z0-9.@_-]{1,100}$")]
BuildImage = Annotated[
    str, Field(pattern=r"^aws/codebuild/(amazonlinux-x86_64-)?standard:[0-9]+\.[0-9]+$")
]
BuildMinutes = Annotated[int, Field(ge=5, le=2160)]

EmailAddress = Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$", max_length=254)]
HttpsUrl = Annotated[str, Field(pattern=r"^https://[^\s/]+\S*$", max_length=2048)]
SlackWorkspaceId = Annotated[str, Field(pattern=r"^[0-9A-Z]{1,255}$")]
SlackChannelId = Annotated[str, Field(pattern=r"^[A-Za-z0-9]{1,255}$")]
