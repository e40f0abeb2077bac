"""Wildcards and policy variables, as the elements of policies have them."""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache

Context = Mapping[str, tuple[str, ...]]
"""The condition keys of a request, in lower case, each with its values."""

_VARIABLE = re.compile(r"\$\{([^}]*)\}")
_SEGMENTS_BEFORE_RESOURCE = 5
_WILDCARDS = re.compile(r"([*?])")
# wildcards that are meant literally, while a pattern holds them
_MASKED = str.maketrans({"*": "\ue000", "?": "\ue001"})
_UNMASKED = str.maketrans({"\ue000": "*", "\ue001": "?"})


@lru_cache(maxsize=8192)
def like(pattern: str) -> re.Pattern[str]:
    """Return what `*` (any characters) and `?` (one) mean in texts and actions."""
    return re.compile(_regex(pattern, ".*"), re.DOTALL)


def _regex(pattern: str, any_characters: str) -> str:
    wildcards = {"*": any_characters, "?": "."}
    parts = _WILDCARDS.split(pattern)
    return "".join(wildcards.get(part) or re.escape(literal(part)) for part in parts)


@lru_cache(maxsize=8192)
def like_resource(pattern: str) -> re.Pattern[str]:
    """Return what a Resource means: `*` reaches beyond a colon only at the end of a segment.

    Segments are those before the resource's own part, in which colons are like any character.
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html
    """
    *heads, tail = pattern.split(":", _SEGMENTS_BEFORE_RESOURCE)
    if len(heads) < _SEGMENTS_BEFORE_RESOURCE:
        return like(pattern)
    segments = [_regex(head[:-1], "[^:]*") + _regex(head[-1:], ".*") for head in heads]
    return re.compile(":".join([*segments, _regex(tail, ".*")]), re.DOTALL)


def like_arn(pattern: str, arn: str) -> bool:
    """Tell whether an ARN is like another one, each of its six components apart."""
    given, wanted = (text.split(":", _SEGMENTS_BEFORE_RESOURCE) for text in (arn, pattern))
    return len(given) == len(wanted) and all(
        like(part).fullmatch(value) for part, value in zip(wanted, given, strict=True)
    )


def resolved(pattern: str, context: Context) -> str | None:
    """Return a pattern with its variables filled in, or None where one has no single value."""
    if "${" not in pattern:
        return pattern
    parts = list(_filled(pattern, context))
    return None if None in parts else "".join(part for part in parts if part is not None)


def literal(pattern: str) -> str:
    """Return a resolved pattern as a text that has no wildcards."""
    return pattern.translate(_UNMASKED)


def _filled(pattern: str, context: Context) -> Iterator[str | None]:
    for number, part in enumerate(_VARIABLE.split(pattern)):
        if number % 2 == 0:
            yield part
        elif part in ("*", "?", "$"):
            yield part.translate(_MASKED)
        else:
            key, _, default = (each.strip() for each in part.partition(","))
            values = context.get(key.lower(), ())
            value = values[0] if len(values) == 1 else default.strip("'") if default else None
            yield value if value is None else value.translate(_MASKED)
