"""What every service of the account builds on: the account itself, and wire shapes from botocore.

A `JsonService` answers one AWS service of the JSON protocol. Requests are checked against
the service's own model before an operation sees them, and answers are cut to its output shape.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import boto3
from botocore import xform_name
from botocore.config import Config
from botocore.loaders import Loader
from botocore.model import Shape
from botocore.session import Session, get_session

from local_account.authorization.principals import Credentials

if TYPE_CHECKING:
    from local_account.authorization.identities import Identities

Operation = Callable[[dict[str, Any]], dict[str, Any] | None]

_LONGEST_ANSWER_SECONDS = 960  # a function runs for 900 at most


class ServiceError(Exception):
    """An error as an AWS client sees it: a code it can catch, and a message for a person."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message, self.status = code, message, status


@dataclass(frozen=True)
class Account:
    """One embedded account: who it is, where it answers and where it keeps its state."""

    account_id: str
    region: str
    url: str
    access_key_id: str
    secret_access_key: str
    state: Path
    """Folder that ends with the account."""
    cache: Path
    """Folder that outlives it: environments and layers of builds."""

    @cached_property
    def identities(self) -> "Identities":
        """Who acts in this account: the sessions of its roles, and services as themselves."""
        from local_account.authorization.identities import Identities

        return Identities(self)

    def client(
        self, service_name: str, *, retries: bool = True, credentials: Credentials | None = None
    ) -> Any:
        """Return the boto3 client of a service of this account, made once per identity.

        Without `credentials` it is the account's own, for its book-keeping. Without `retries`
        its caller sees each error, and waits for an answer as long as it takes.
        """
        own = Credentials(self.access_key_id, self.secret_access_key)
        return _client(service_name, self.url, self.region, credentials or own, retries)

    def environment(self, credentials: Credentials) -> dict[str, str]:
        """Return the variables with which a client of AWS finds this account, as somebody."""
        return {
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": credentials.access_key_id,
            "AWS_SECRET_ACCESS_KEY": credentials.secret_access_key,
            "AWS_SESSION_TOKEN": credentials.session_token,
        }

    def arn(self, service: str, resource: str) -> str:
        """Return the ARN of a resource of this account."""
        return f"arn:aws:{service}:{self.region}:{self.account_id}:{resource}"


@lru_cache
def _models() -> Loader:
    """Return what reads the services' models, each of them once."""
    loader: Loader = get_session().get_component("data_loader")
    return loader


@lru_cache(maxsize=512)
def _client(
    service_name: str, url: str, region: str, credentials: Credentials, retries: bool
) -> Any:
    # a session of its own each: clients are thread-safe, the making of one is not
    core = Session()
    core.register_component("data_loader", _models())
    session: Any = boto3.session.Session(botocore_session=core)
    once = Config(retries={"total_max_attempts": 1}, read_timeout=_LONGEST_ANSWER_SECONDS)
    config = Config(s3={"addressing_style": "path"}, max_pool_connections=32)
    return session.client(
        service_name,
        endpoint_url=url,
        region_name=region,
        aws_access_key_id=credentials.access_key_id,
        aws_secret_access_key=credentials.secret_access_key,
        aws_session_token=credentials.session_token or None,
        config=config if retries else config.merge(once),
    )


class JsonService:
    """One AWS service of the JSON protocol, its operations named as in boto3."""

    service_name: ClassVar[str]
    answers_every_operation: ClassVar[bool] = True
    """False where moto answers the operations that this service does not have."""
    refusal: ClassVar[str] = "ValidationException"
    """The error code of a request that breaks the service's model."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self._model = service_model(self.service_name)

    def asked_by(self, caller: Credentials) -> Self:
        """Return the service as it acts for a caller: for all of them the same."""
        return self

    def handles(self, operation: str) -> bool:
        """Tell whether a request is for this service to answer (or to refuse by name)."""
        return self.answers_every_operation or self._operation(operation) is not None

    def call(self, operation: str, params: dict[str, Any]) -> dict[str, Any]:
        """Validate a request, carry it out and shape its answer.

        Raises
        ------
        ServiceError
            If the operation is not modelled here, or if AWS would refuse the request.
        """
        method = self._operation(operation)
        if method is None or operation not in self._model.operation_names:
            message = f"The embedded account does not model {self.service_name}:{operation}."
            raise ServiceError("UnsupportedOperation", message, 501)
        model = self._model.operation_model(operation)
        if model.input_shape is not None:
            self._validate(params, model.input_shape)
        answer = method(params) or {}
        return _shaped(answer, model.output_shape) if model.output_shape else {}

    def _validate(self, params: dict[str, Any], shape: Shape) -> None:
        if refusal := _refusal(params, shape):
            raise ServiceError(self.refusal, refusal)

    def _operation(self, operation: str) -> Operation | None:
        method: Operation | None = getattr(self, xform_name(operation), None)
        return method


def problems_of(service_name: str, operation: str, params: dict[str, Any]) -> str:
    """Return how AWS words what is wrong with a request, or nothing."""
    operation_model = service_model(service_name).operation_model(operation)
    return _refusal(params, operation_model.input_shape)


@lru_cache
def service_model(name: str) -> Any:
    """Return botocore's model of a service, read once: the large ones take half a second."""
    return get_session().get_service_model(name)


def _refusal(params: dict[str, Any], shape: Any) -> str:
    problems = list(_problems(params, shape, ""))
    noun = "error" if len(problems) == 1 else "errors"
    found = f"{len(problems)} validation {noun} detected: {'; '.join(problems)}"
    return found if problems else ""


_TYPES: dict[str, tuple[type, ...]] = {
    "structure": (dict,),
    "map": (dict,),
    "list": (list,),
    "string": (str,),
    "blob": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "timestamp": (int, float, str),
}
# Java's classes in botocore's patterns that Python's `re` lacks, each by the nearest wider one
_CLASSES = {
    r"\p{L}": r"\w",
    r"\p{Alnum}": r"\w",
    r"\p{M}": "",
    r"\p{N}": r"\d",
    r"\p{Z}": r"\s",
    r"\p{P}": r"\W",
    r"\p{S}": r"\W",
    r"\uD800\uDC00-\uDBFF\uDFFF": r"\U00010000-\U0010FFFF",
}


def _problems(value: Any, shape: Any, path: str) -> Iterator[str]:
    """Yield what AWS finds wrong with a value: types, members, lengths, ranges, patterns."""
    kind: str = shape.type_name
    if not _is_of(value, kind):
        yield f"{_found(value, path)} Member must be of type {kind}"
        return
    yield from _broken_limits(value, shape, path)
    if kind == "structure":
        for name in shape.required_members:
            if value.get(name) is None:
                yield f"{_found(None, _join(path, name))} Member must not be null"
        for name, member in value.items():
            if name not in shape.members:
                yield f"Unknown member {name!r} at '{path}', expected one of {list(shape.members)}"
            elif member is not None:
                yield from _problems(member, shape.members[name], _join(path, name))
    elif kind == "list":
        for number, member in enumerate(value, start=1):
            yield from _problems(member, shape.member, f"{path}.{number}.member")
    elif kind == "map":
        for key, member in value.items():
            yield from _problems(key, shape.key, path)
            yield from _problems(member, shape.value, f"{path}.{key}.member")


def _is_of(value: Any, kind: str) -> bool:
    return isinstance(value, _TYPES[kind]) and isinstance(value, bool) == (kind == "boolean")


def _broken_limits(value: Any, shape: Any, path: str) -> Iterator[str]:
    limits = shape.metadata
    is_blob = shape.type_name == "blob"  # in base64, of which the limits do not speak
    found = _found(value, path, is_shown="sensitive" not in limits and not is_blob)
    sized = isinstance(value, str | list | dict)
    measure, noun = (len(value), "length") if sized else (value, "value")
    measure = measure * 3 // 4 - value[-2:].count("=") if is_blob else measure
    if "min" in limits and measure < limits["min"]:
        yield f"{found} Member must have {noun} greater than or equal to {limits['min']}"
    if "max" in limits and measure > limits["max"]:
        yield f"{found} Member must have {noun} less than or equal to {limits['max']}"
    if "enum" in limits and value not in limits["enum"]:
        yield f"{found} Member must satisfy enum value set: [{', '.join(limits['enum'])}]"
    pattern = limits.get("pattern")
    if pattern and isinstance(value, str) and not _compiled(pattern).fullmatch(value):
        yield f"{found} Member must satisfy regular expression pattern: {pattern}"


@lru_cache
def _compiled(pattern: str) -> re.Pattern[str]:
    for java, python in _CLASSES.items():
        pattern = pattern.replace(java, python)
    # botocore repeats the length after the anchor, `(...)${1,256}`, which is no expression
    return re.compile(re.sub(r"\$\{[\d,]+\}$", "", pattern))


def _found(value: Any, path: str, *, is_shown: bool = True) -> str:
    shown = "null" if value is None else f"'{value}'"
    return f"Value {shown + ' ' if is_shown else ''}at '{path}' failed to satisfy constraint:"


def _join(path: str, name: str) -> str:
    member = name[0].lower() + name[1:]
    return f"{path}.{member}" if path else member


def _shaped(value: Any, shape: Any) -> Any:
    """Cut a value to its shape: undeclared and absent members are left out."""
    if shape.type_name == "structure":
        return {
            name: _shaped(value[name], member)
            for name, member in shape.members.items()
            if value.get(name) is not None
        }
    if shape.type_name == "list":
        return [_shaped(member, shape.member) for member in value]
    if shape.type_name == "map":
        return {key: _shaped(member, shape.value) for key, member in value.items()}
    return value
