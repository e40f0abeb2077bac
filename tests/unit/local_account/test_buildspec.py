"""What a buildspec may say, and the line that refuses what it may not."""

import pytest

from local_account.services.codebuild.buildspec import (
    MAX_BYTES,
    Artifact,
    Buildspec,
    BuildspecError,
    Phase,
    parse,
)

WHOLE = """\
version: 0.2
env:
  shell: bash
  variables:
    COLOUR: red  # as it is written
    VERSION: 1.10
    FLAG: yes
  parameter-store:
    TOKEN: /a/token
  exported-variables:
    - COLOUR
phases:
  install:
    runtime-versions:
      python: 3.12
  pre_build:
    commands: &two
      - cd sub
      - |
        echo one
        echo two
    finally: [echo done]
    on-failure: CONTINUE
  build:
    commands: *two
    on-failure: ABORT
artifacts:
  files: ['**/*', report.xml]
  base-directory: out
  discard-paths: yes
  name: made-$COLOUR
  secondary-artifacts:
    more:
      files: [more.txt]
cache:
  paths: [/root/.cache/**/*]
reports:
  tests:
    files: [report.xml]
"""


def test_all_that_a_buildspec_may_say() -> None:
    commands = ("cd sub", "echo one\necho two\n")
    assert parse(WHOLE) == Buildspec(  # noqa: S604 - it starts no process
        shell="bash",
        variables={"COLOUR": "red", "VERSION": "1.10", "FLAG": "yes"},
        parameters={"TOKEN": "/a/token"},
        exported=("COLOUR",),
        phases={
            "install": Phase(),
            "pre_build": Phase(commands, ("echo done",), "CONTINUE"),
            "build": Phase(commands, (), "ABORT"),
        },
        runtimes={"python": "3.12"},
        artifact=Artifact(("**/*", "report.xml"), "out", True, "made-$COLOUR"),
        secondary_artifacts={"more": Artifact(("more.txt",))},
        cache_paths=("/root/.cache/**/*",),
        reports=("tests",),
    )


def test_json_is_a_buildspec_too() -> None:
    assert parse('{"version": "0.2", "phases": {"build": {"commands": ["true"]}}}') == Buildspec(
        phases={"build": Phase(("true",))}
    )


def _spec(rest: str) -> str:
    return f"version: 0.2\nphases:\n  build:\n    commands: [make]\n{rest}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        # in CodeBuild's own words
        ("version: 0.2\nphases: [a", "did not find expected ',' or ']' at line 2"),
        ("version: 0.2\na: b: c", "mapping values are not allowed in this context at line 2"),
        ("version: 0.2\n\tphases: {}", "found character that cannot start any token at line 2"),
        (
            "version: 0.2\nphases:\n  build:\n    commands:\n      - make\n      - echo a: b",
            "Expected Commands[1] to be of string type: found subkeys instead at line 6, value of "
            "the key tag on line 5 might be empty",
        ),
        # in ours
        ("", "the buildspec is empty"),
        ("- a", "Expected the buildspec to be of mapping type: found a sequence instead at line 1"),
        ("phases: {}", "version is missing at line 1, expected 0.2"),
        ("version: 0.1", "version is '0.1' at line 1, expected one of 0.2"),
        (
            "version: 0.2",
            "phases is missing, expected at least one of install, pre_build, build, post_build",
        ),
        (
            "version: 0.2\nphases:\n  test:\n    commands: [x]",
            "unknown key test of phases at line 3, expected one of install, pre_build, build, "
            "post_build",
        ),
        (
            "version: 0.2\nphases:\n  build:",
            "Expected build to be of mapping type: found nothing instead at line 3",
        ),
        (
            "version: 0.2\nphases:\n  build:\n    finally: [x]",
            "phases/build at line 4 has no commands",
        ),
        (
            "version: 0.2\nphases:\n  build:\n    comands: [x]",
            "unknown key comands of build at line 4, expected one of commands, finally, on-failure",
        ),
        (
            "version: 0.2\nphases:\n  build:\n    commands: make",
            "Expected Commands to be of sequence type: found a string instead at line 4",
        ),
        (_spec("version: 0.2"), 'mapping key "version" at line 5 already defined at line 1'),
        (
            _spec("env:\n  secrets-manager: {A: b}"),
            "The embedded account does not model secrets-manager at line 6; leave it out",
        ),
        (_spec("run-as: me"), "The embedded account does not model run-as at line 5; leave it out"),
        (
            _spec("env:\n  shell: powershell.exe"),
            "env/shell is 'powershell.exe' at line 6, expected one of bash, /bin/sh, sh",
        ),
        (
            _spec("env:\n  exported-variables: ['A B']"),
            "env/exported-variables has the name 'A B' at line 6, expected letters, digits and "
            "underscores",
        ),
        (
            "version: 0.2\nphases:\n  build:\n    commands: [x]\n    on-failure: RETRY-2",
            "on-failure is 'RETRY-2' at line 5, expected one of ABORT, CONTINUE",
        ),
        (_spec("artifacts:\n  name: x"), "artifacts at line 6 has no files"),
        (_spec("--- {}"), "but found another document at line 5"),
        ("[" * 5000, "the buildspec is nested too deeply"),
        (
            "a" * (MAX_BYTES + 1),
            f"the buildspec has {MAX_BYTES + 1} characters, at most {MAX_BYTES}",
        ),
        (
            "version: \x00",
            "unacceptable character #x0000: special characters are not allowed in "
            '"<unicode string>", position 9',
        ),
    ],
)
def test_a_buildspec_that_is_refused(text: str, message: str) -> None:
    with pytest.raises(BuildspecError) as refused:
        parse(text)
    assert str(refused.value) == message
