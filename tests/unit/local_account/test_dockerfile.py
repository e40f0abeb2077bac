"""Dockerfiles: what is read, what variables become, and what is refused by its line."""

from pathlib import Path

import pytest

from local_account.image_builds.building import Asked, Plan, planned
from local_account.image_builds.dockerfile import DockerfileError, Instruction, parse
from local_account.image_builds.substitution import pairs_of, words_of

DIGEST = f"sha256:{'1' * 64}"
VALUES = {"NAME": "model", "EMPTY": "", "DEEP": "a b"}


def _plan(text: str, target: str = "", **arguments: str) -> Plan:
    return planned(Asked(Path(), text, target=target, arguments=arguments))


def _one(text: str) -> Instruction:
    (instruction,) = parse(text)
    return instruction


def test_lines_are_joined_and_counted_from_where_they_begin() -> None:
    text = '# a comment\nFROM a\n\nRUN one \\\n  # between\n\n  two\nCMD ["x", "y"]\n'
    found = parse(text)
    assert [(each.place, each.name) for each in found] == [
        ("Dockerfile:2", "FROM"),
        ("Dockerfile:4", "RUN"),
        ("Dockerfile:8", "CMD"),
    ]
    assert found[1].text.split() == ["one", "two"]
    assert found[1].words is None
    assert found[2].words == ("x", "y")


def test_a_test_of_the_shell_is_no_json() -> None:
    assert _one("RUN [ -f x ]").words is None


def test_flags_come_before_the_text() -> None:
    copy = _one("copy --chmod=0755 --link a b")
    assert (copy.name, copy.flags, copy.text) == ("COPY", {"chmod": "0755", "link": ""}, "a b")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", r"^Dockerfile:1: the file has no instructions"),
        ("FROM a\nRUN <<END\nx\nEND\n", r"^Dockerfile:2: RUN has a here-document"),
        ("# escape=`\nFROM a\n", r"^Dockerfile:1: the escape character `"),
    ],
)
def test_what_is_not_read_is_refused_by_line(text: str, expected: str) -> None:
    with pytest.raises(DockerfileError, match=expected):
        parse(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("$NAME/${NAME}", ["model/model"]),
        ("${NONE:-other} ${EMPTY:-other} ${NAME:-other}", ["other", "other", "model"]),
        ("${NAME:+is} ${NONE:+is}x ${NONE:-$NAME}", ["is", "x", "model"]),
        (r"\$NAME '$NAME' " + '"$DEEP"', ["$NAME", "$NAME", "a b"]),
        ("'a b'c  d", ["a bc", "d"]),
        ('"it\'s" \'say "x"\' ""', ["it's", 'say "x"', ""]),
    ],
)
def test_variables_and_quotes(text: str, words: list[str]) -> None:
    assert words_of(_one(f"LABEL {text}"), VALUES) == words


@pytest.mark.parametrize("text", ["'open", "${NAME%x}", "${NAME:?x}"])
def test_other_forms_are_refused(text: str) -> None:
    with pytest.raises(DockerfileError, match="^Dockerfile:1: LABEL"):
        words_of(_one(f"LABEL {text}"), VALUES)


def test_pairs_in_both_forms() -> None:
    assert pairs_of(_one('ENV A=1 B="2 $NAME"'), VALUES) == {"A": "1", "B": "2 model"}
    assert pairs_of(_one("ENV A some words"), VALUES) == {"A": "some words"}
    with pytest.raises(DockerfileError, match="expected name=value"):
        pairs_of(_one("ENV A"), VALUES)


STAGES = f"""
ARG BASE=python@{DIGEST}
ARG VERSION
FROM $BASE AS base
RUN one
FROM base AS Model
RUN two
FROM base AS other
RUN three
"""


def test_only_the_stages_of_the_target_are_done() -> None:
    plan = _plan(STAGES, target="model")
    assert list(plan.stages) == ["base", "model"]
    assert plan.bases == {"base": f"python@{DIGEST}", "model": "base"}
    assert plan.base_images() == [f"python@{DIGEST}"]
    assert list(_plan(STAGES).stages) == ["base", "other"]


def test_arguments_of_the_build_replace_defaults() -> None:
    assert _plan(STAGES, BASE="x").base_images() == ["x"]
    assert _plan(STAGES, VERSION="7", UNUSED="1").arguments["VERSION"] == "7"


@pytest.mark.parametrize(
    ("text", "target", "expected"),
    [
        ("ARG BASE\nFROM ${BASE} AS x", "", "Dockerfile:2: .*base name should not be blank"),
        ("FROM a", "gone", r"target stage 'gone' could not be found, expected one of \['0'\]"),
        ("RUN x\nFROM a", "", "Dockerfile:1: RUN x: expected ARG or FROM"),
        ("FROM --platform=linux/arm64 a", "", "Dockerfile:1: .*options of FROM"),
        ("FROM a b", "", "Dockerfile:1: .*expected FROM image"),
    ],
)
def test_a_plan_that_cannot_be_made(text: str, target: str, expected: str) -> None:
    with pytest.raises(DockerfileError, match=expected):
        _plan(text, target)


def test_a_platform_and_an_epoch_that_are_none() -> None:
    with pytest.raises(DockerfileError, match="--platform linux/s390x: expected linux/amd64"):
        _ = Asked(Path(), "", platform="linux/s390x").architecture
    with pytest.raises(DockerfileError, match="SOURCE_DATE_EPOCH=now: expected seconds"):
        _ = Asked(Path(), "", arguments={"SOURCE_DATE_EPOCH": "now"}).epoch
