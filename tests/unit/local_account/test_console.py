"""What a build runs, once nobody waits for the build any more."""

import time

import pytest

from local_account.image_builds.console import Cancelled, Console


def test_what_starts_after_its_build_was_cancelled_is_killed() -> None:
    console, begun = Console(lambda _: None), time.monotonic()
    console.cancel()
    with pytest.raises(Cancelled):
        console.follow(["sleep", "30"], {"PATH": "/usr/bin:/bin"})
    assert time.monotonic() - begun < 10
