"""Parsing of what a state hands to its Lambda."""

from typing import Any, TypeVar

from aws_lambda_powertools.utilities.parser import parse
from pydantic import BaseModel, ConfigDict, ValidationError

from shared.errors import EventInvalid


class Request(BaseModel):
    """What a state passes; fields it does not name are somebody else's."""

    model_config = ConfigDict(frozen=True, extra="ignore")


RequestT = TypeVar("RequestT", bound=Request)


def parse_request(model: type[RequestT], event: dict[str, Any]) -> RequestT:
    """Return the event as the handler's model.

    Raises
    ------
    EventInvalid
        If a field is missing or malformed; names the field.
    """
    try:
        return parse(event=event, model=model)
    except ValidationError as error:
        raise EventInvalid(f"Input of {model.__name__}: {first_problem(error)}") from error


def first_problem(error: ValidationError) -> str:
    """The first problem that pydantic found, in one line that names the field."""
    first, *others = error.errors(include_url=False, include_context=False)
    field = ".".join(str(part) for part in first["loc"]) or "document"
    found = "" if first["type"] == "missing" else f", found {str(first['input'])[:80]!r}"
    more = f" (and {len(others)} more)" if others else ""
    return f"{field}: {first['msg']}{found}{more}"
