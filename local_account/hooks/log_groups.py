"""Log groups: the key of one can be changed, which moto cannot."""

from typing import Any

from local_account.hooks.replace import add


def install() -> None:
    """Give moto's service the two operations."""
    service = "moto.logs.responses:LogsResponse"
    add(f"{service}.associate_kms_key", _associate)
    add(f"{service}.disassociate_kms_key", _disassociate)


def _associate(request: Any) -> str:
    _group(request).kms_key_id = request._get_param("kmsKeyId")
    return ""


def _disassociate(request: Any) -> str:
    _group(request).kms_key_id = None
    return ""


def _group(request: Any) -> Any:
    from moto.logs.exceptions import ResourceNotFoundException

    group = request.logs_backend.groups.get(request._get_param("logGroupName"))
    if group is None:
        raise ResourceNotFoundException
    return group
