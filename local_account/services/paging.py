"""Listings that come in pages: the token of the next one is where it begins."""

from collections.abc import Sequence
from typing import TypeVar

from local_account.service import ServiceError

Item = TypeVar("Item")


def page(
    items: Sequence[Item], token: str | None, size: int, code: str
) -> tuple[list[Item], str | None]:
    """Return a page of a listing, and the token of the next one.

    Raises
    ------
    ServiceError
        With this code, if the token is none of a page.
    """
    if token and not token.isdecimal():
        raise ServiceError(code, f"The token {token!r} of a next page is not one that was returned")
    start = int(token or 0)
    end = start + size
    return list(items[start:end]), str(end) if end < len(items) else None
