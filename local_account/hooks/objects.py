"""S3: refuse keys that AWS refuses."""

from typing import Any

from local_account.hooks.replace import replace

_LONGEST_KEY_BYTES = 1024


def install() -> None:
    """Limit the length of keys."""
    replace("moto.s3.models:S3Backend.put_object", _with_a_key_that_fits)


def _with_a_key_that_fits(original: Any) -> Any:
    from moto.s3.exceptions import S3ClientError

    def put_object(self: Any, bucket_name: str, key_name: str, *args: Any, **kw: Any) -> Any:
        if len(key_name.encode()) > _LONGEST_KEY_BYTES:
            raise S3ClientError("KeyTooLongError", "Your key is too long")
        return original(self, bucket_name, key_name, *args, **kw)

    return put_object
