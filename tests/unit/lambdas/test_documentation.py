"""What a person who is paged reads names every error that can page."""

import inspect
from pathlib import Path

from shared import errors

FAILURES = Path(__file__).parents[3] / "docs" / "failures.md"


def test_every_named_error_is_in_the_failure_table() -> None:
    documented = FAILURES.read_text(encoding="utf-8")
    raised = [
        name
        for name, error in inspect.getmembers(errors, inspect.isclass)
        if issubclass(error, errors.PipelineError) and not error.__subclasses__()
    ]
    assert raised
    assert [name for name in raised if f"`{name}`" not in documented] == []
