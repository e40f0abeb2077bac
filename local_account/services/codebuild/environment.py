"""What a build finds in its environment: AWS's variables, the buildspec's and the project's."""

from collections.abc import Iterable, Mapping
from typing import Any

from botocore.exceptions import ClientError

from local_account.services.codebuild.buildspec import Buildspec
from local_account.services.codebuild.plane import Record
from local_account.services.codebuild.records import Build, PhaseFailed

_NAMES_AT_ONCE = 10
_DECRYPTED = "Decrypted Variables Error"


def variables(build: Build, buildspec: Buildspec, ssm: Any) -> tuple[dict[str, str], list[str]]:
    """Return the variables of a build that somebody chose, and which values are secrets.

    The buildspec's have the lowest precedence, then the project's, then the build's own.

    Raises
    ------
    PhaseFailed
        If a parameter cannot be read.
    """
    chosen = {**_plain(buildspec.variables), **_stored(buildspec.parameters)}
    for each in build.project["environment"]["environmentVariables"]:
        stored = each["type"] == "PARAMETER_STORE"
        chosen[each["name"]] = (each["value"], stored)
    wanted = {value for value, stored in chosen.values() if stored}
    parameters = _read(ssm, sorted(wanted))
    values = {
        name: parameters[value] if stored else value for name, (value, stored) in chosen.items()
    }
    return values, list(parameters.values())


def of_codebuild(build: Build, folders: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that CodeBuild itself sets.

    Parameters
    ----------
    folders
        Where the commands find each source, by its identifier; the primary one has none.
    """
    record: Record = build.record
    known = {
        "CODEBUILD_BUILD_ARN": record["arn"],
        "CODEBUILD_BUILD_ID": build.id,
        "CODEBUILD_BUILD_IMAGE": record["environment"]["image"],
        "CODEBUILD_BUILD_NUMBER": str(record["buildNumber"]),
        "CODEBUILD_BUILD_SUCCEEDING": "1",
        "CODEBUILD_CI": "true",
        "CODEBUILD_INITIATOR": record["initiator"],
        "CODEBUILD_KMS_KEY_ID": record["encryptionKey"],
        "CODEBUILD_LOG_PATH": record["logs"].get("streamName", ""),
        "CODEBUILD_PROJECT_ARN": build.project["arn"],
        "CODEBUILD_RESOLVED_SOURCE_VERSION": record.get("resolvedSourceVersion", ""),
        "CODEBUILD_SOURCE_REPO_URL": _source_url(record["source"]),
        "CODEBUILD_SOURCE_VERSION": record.get("sourceVersion", ""),
        "CODEBUILD_START_TIME": str(int(record["startTime"] * 1000)),
    }
    for identifier, folder in folders.items():
        known["CODEBUILD_SRC_DIR" + (f"_{identifier}" if identifier else "")] = folder
    return {name: value for name, value in known.items() if value}


def _source_url(source: Record) -> str:
    location: str = source.get("location", "")
    return f"s3://{location}" if source["type"] == "S3" else location


def _plain(values: Mapping[str, str]) -> dict[str, tuple[str, bool]]:
    return {name: (value, False) for name, value in values.items()}


def _stored(values: Mapping[str, str]) -> dict[str, tuple[str, bool]]:
    return {name: (value, True) for name, value in values.items()}


def _read(ssm: Any, names: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for start in range(0, len(names), _NAMES_AT_ONCE):
        found |= _page(ssm, names[start : start + _NAMES_AT_ONCE])
    return found


def _page(ssm: Any, names: Iterable[str]) -> dict[str, str]:
    try:
        answer = ssm.get_parameters(Names=list(names), WithDecryption=True)
    except ClientError as error:
        known = error.response["Error"]
        raise PhaseFailed(_DECRYPTED, f"{known['Code']}: {known['Message']}") from error
    if lacking := answer["InvalidParameters"]:
        raise PhaseFailed(_DECRYPTED, f"parameter does not exist: {', '.join(lacking)}")
    values = {each["Name"]: each["Value"] for each in answer["Parameters"]}
    return {name: values[name] for name in names}
