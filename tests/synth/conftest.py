"""The synthesized templates, made once a session as the CDK CLI makes them."""

import os
from collections.abc import Callable

import pytest

from tests.synth import variants
from tests.synth.assembly import NODE, Assembly, run_app

# Tests that import constructs run the CDK in their own process, with the same Node as app.py.
os.environ["PATH"] = os.pathsep.join([NODE, os.environ["PATH"]])


@pytest.fixture(scope="session")
def assembly(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Assembly]:
    """Synthesize an environment, once."""
    made: dict[str, Assembly] = {}

    def of(environment: str) -> Assembly:
        if environment not in made:
            folder = tmp_path_factory.mktemp(f"synth-{environment}")
            done = run_app(folder, env=environment)
            assert done.returncode == 0, done.stderr
            made[environment] = Assembly(folder, environment)
        return made[environment]

    return of


@pytest.fixture(scope="session")
def dev(assembly: Callable[[str], Assembly]) -> Assembly:
    """The environment that the demo deploys: its gate reports."""
    return assembly("dev")


@pytest.fixture(scope="session")
def staging(assembly: Callable[[str], Assembly]) -> Assembly:
    """An environment whose gate enforces."""
    return assembly("staging")


@pytest.fixture(scope="session")
def organisation(tmp_path_factory: pytest.TempPathFactory) -> Assembly:
    """An account with a permissions boundary, mandatory tags, a VPC, and subscribers."""
    return variants.synthesize("organisation", tmp_path_factory.mktemp("organisation"))


@pytest.fixture(scope="session")
def connection(tmp_path_factory: pytest.TempPathFactory) -> Assembly:
    """A project whose model's code is on GitHub."""
    return variants.synthesize("connection", tmp_path_factory.mktemp("connection"))


@pytest.fixture(scope="session")
def longest(tmp_path_factory: pytest.TempPathFactory) -> Assembly:
    """A project and an environment whose names are as long as any can be."""
    return variants.synthesize_longest_names(tmp_path_factory.mktemp("longest"))


@pytest.fixture(scope="session")
def existing(tmp_path_factory: pytest.TempPathFactory) -> Assembly:
    """An account whose bucket, key and repository exist already."""
    return variants.synthesize("existing", tmp_path_factory.mktemp("existing"))
