"""Environment and code of a function: each variable is read, each that is required is set."""

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.unit.checks.factories import assembly, found, resource

HANDLER = """
from one.settings import OneEnvironment
from shared import names
def handler(event, context):
    return OneEnvironment().table_name, names.BUCKET
"""
SETTINGS = """
from shared.base import Base
class OneEnvironment(Base):
    table_name: str
    mode: str = "fast"
class OtherEnvironment(Base):
    queue_url: str
"""
BASE = """
class Base:
    service_name: str
"""
CODE = {
    "one/__init__.py": "",
    "one/handler.py": HANDLER,
    "one/settings.py": SETTINGS,
    "shared/__init__.py": "",
    "shared/base.py": BASE,
    "shared/names.py": "import os\nBUCKET = os.environ['BUCKET_NAME']\nUNUSED = 1\n",
    "lib/__init__.py": "import os\nDSN = os.environ.get('LIB_DSN')\n",
    "lib-1.0.dist-info/METADATA": "",
}
SET = {"TABLE_NAME": "t", "BUCKET_NAME": "b", "SERVICE_NAME": "s"}


def judged(
    folder: Path, variables: dict[str, str], *, code: dict[str, str] = CODE, **others: Any
) -> set[tuple[str, str]]:
    with zipfile.ZipFile(folder / "asset.abc.zip", "w") as archive:
        for name, text in code.items():
            archive.writestr(name, text)
    assets = {"files": {"abc": {"source": {"path": "asset.abc.zip"}}}}
    (folder / "one.assets.json").write_text(json.dumps(assets))
    properties = {
        "Runtime": "python3.14",
        "Handler": "one.handler.handler",
        "Code": {"S3Bucket": "assets", "S3Key": "abc.zip"},
        "Environment": {"Variables": variables},
        "LoggingConfig": {"LogGroup": "logs"},
        **others,
    }
    return found(assembly(folder, {"F": resource("AWS::Lambda::Function", **properties)}))


def test_what_code_and_libraries_read_may_be_set(tmp_path: Path) -> None:
    given = {"MODE": "slow", "LIB_DSN": "d", "POWERTOOLS_LOG_LEVEL": "INFO", "TZ": "UTC"}
    assert judged(tmp_path, SET | given) == set()


@pytest.mark.parametrize("name", ["QUEUE_URL", "UNUSED", "TABLE"])
def test_a_variable_of_no_code_that_the_handler_reaches_is_found(tmp_path: Path, name: str) -> None:
    assert judged(tmp_path, {**SET, name: "x"}) == {("environment-unread", "F")}


@pytest.mark.parametrize("name", sorted(SET))
def test_a_required_variable_that_is_not_set_is_found(tmp_path: Path, name: str) -> None:
    rest = {key: value for key, value in SET.items() if key != name}
    assert judged(tmp_path, rest) == {("environment-missing", "F")}


@pytest.mark.parametrize("name", ["two.handler.handler", "one.handler.handle"])
def test_a_handler_that_is_not_there_is_found(tmp_path: Path, name: str) -> None:
    assert judged(tmp_path, SET, Handler=name) == {("function-handler", "F")}


@pytest.mark.parametrize(
    "source",
    [
        "from one.handler import handler",
        "from one.handler import *",
        "from one import handler as it\nhandler = it.handler",
        "try:\n    import faster\nexcept ImportError:\n    from one.handler import handler",
        "from one.handler import *\nfrom shared.base import *",
        "def __getattr__(name):\n    import one.handler\n    return one.handler.handler",
    ],
)
def test_a_handler_may_come_from_elsewhere(tmp_path: Path, source: str) -> None:
    code = {**CODE, "main.py": source}
    assert judged(tmp_path, SET, code=code, Handler="main.handler") == set()


@pytest.mark.parametrize(
    "others", [{"Handler": {"Fn::Sub": "main.${Name}"}}, {"Handler": "of.layer", "Layers": ["l"]}]
)
def test_a_handler_may_be_where_nobody_sees_it(tmp_path: Path, others: dict[str, Any]) -> None:
    assert judged(tmp_path, {}, **others) == set()


def test_code_that_cannot_be_read_is_found(tmp_path: Path) -> None:
    code = {**CODE, "one/settings.py": "class ("}
    assert judged(tmp_path, SET, code=code) == {("function-handler", "F")}


def test_other_languages_are_searched_for_the_name(tmp_path: Path) -> None:
    code = {"index.js": "exports.handler = async () => process.env.TABLE_NAME"}
    js: dict[str, Any] = {"code": code, "Runtime": "nodejs24.x", "Handler": "index.handler"}
    assert judged(tmp_path, {"TABLE_NAME": "t"}, **js) == set()
    assert judged(tmp_path, {"TABLE": "t"}, **js) == {("environment-unread", "F")}


@pytest.mark.parametrize(
    ("name", "value", "is_secret"),
    [
        ("MODE", "AKIA" + "A" * 16, True),
        ("MODE", "postgres://user:hunter2@host/db", True),  # pragma: allowlist secret
        ("API_KEY", "0123", True),
        ("API_KEY", "arn:aws:secretsmanager:eu-west-1:1:secret:x", False),
        ("API_KEY", "{{resolve:secretsmanager:x}}", False),
        ("MODE", "fast", False),
    ],
)
def test_secrets_are_told_by_name_and_by_value(
    tmp_path: Path, name: str, value: str, is_secret: bool
) -> None:
    rules = {rule for rule, _ in judged(tmp_path, {**SET, name: value})}
    assert ("secret" in rules) is is_secret
