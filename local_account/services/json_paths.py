"""Step Functions: JSONPaths and intrinsic functions, AWS's and those that run here."""

import re
from functools import lru_cache
from typing import Any

from jsonpath_ng.exceptions import JSONPathError
from jsonpath_ng.ext import parse

REFERENCE_PATH = re.compile(r"\$(\.[\w-]+|\[\d+\]|\['[^']+'\])*")
_INTRINSIC = re.compile(r"States\.([A-Za-z0-9]+)\(.*\)", re.DOTALL)
_FUNCTIONS = frozenset(
    {
        *("Format", "StringToJson", "JsonToString", "Array", "ArrayPartition", "ArrayContains"),
        *("ArrayRange", "ArrayGetItem", "ArrayLength", "ArrayUnique", "Base64Encode"),
        *("Base64Decode", "Hash", "JsonMerge", "MathRandom", "MathAdd", "StringSplit", "UUID"),
    }
)
_TEXT = re.compile(r"'(?:\\.|[^'\\])*'", re.DOTALL)
_VARIABLE = re.compile(r"(?<![$\w])\$[A-Za-z_]")
_QUOTED = r"""(?:'[^']*'|"[^"]*")"""
_NUMBER = r"-?\d+"
# what Jayway's evaluator takes, which AWS has; roughly, for the sake of an error's words
_JAYWAY = re.compile(
    rf"""\$(?:
        \.{{1,2}}(?:\*|[^\s.\[\]()'"*@$?,]+(?:\((?:{_NUMBER}|\$[^()]*)?\))?)
        |(?:\.\.)?\[\s*(?:
            \*
            |{_QUOTED}(?:\s*,\s*{_QUOTED})*
            |{_NUMBER}(?:\s*,\s*{_NUMBER})*
            |(?:{_NUMBER})?:(?:{_NUMBER})?
            |\?\s*\((?:[^\[\]'"]|{_QUOTED}|\[[^\[\]]*\])+\)
        )\s*\]
    )*""",
    re.VERBOSE,
)


def is_json_path(value: Any) -> bool:
    """Tell whether AWS takes a value for a path into a state's input, its context or a variable."""
    if not isinstance(value, str) or not value.startswith("$"):
        return False
    path = _rooted(value)
    return _runs(path) or _JAYWAY.fullmatch(path) is not None


def is_intrinsic(value: Any) -> bool:
    """Tell whether a value calls a function that AWS has."""
    match = _INTRINSIC.fullmatch(value) if isinstance(value, str) else None
    return match is not None and match[1] in _FUNCTIONS


def unmodelled_in(value: str) -> str:
    """Return what of a path or a call AWS takes and the interpreter does not, or nothing."""
    if _VARIABLE.search(_TEXT.sub("", value)):
        return "variables"
    runs = not value.startswith("$") or _runs(_rooted(value))
    return "" if runs else f"the JSONPath {value}"


def _rooted(path: str) -> str:
    """Return a path as if it went into the input."""
    return re.sub(r"^\$(\$|[A-Za-z_]\w*)", "$", path, count=1)


@lru_cache(maxsize=1024)
def _runs(path: str) -> bool:
    if REFERENCE_PATH.fullmatch(path):
        return True
    try:
        parse(path)
    except (JSONPathError, AttributeError):  # what the library's lexer and parser raise
        return False
    return True
