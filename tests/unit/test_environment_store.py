"""The store of environments, which two programs write that do not import each other."""

from pathlib import Path

from local_account import environments
from model_code.pipeline.environment import COMPLETE, environment


def test_an_environment_that_the_build_stage_makes_is_one_that_the_account_finds(
    tmp_path: Path,
) -> None:
    lock, cache = tmp_path / "requirements.lock", tmp_path / "cache"
    lock.write_text("# nothing\n")
    key = environments.key_of(lock.read_bytes())
    assert environments.find(cache, key) is None
    made = environment(lock, cache)
    assert environments.find(cache, key) == made
    (made / COMPLETE).unlink()
    assert environments.find(cache, key) is None
