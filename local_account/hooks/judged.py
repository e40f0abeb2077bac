"""Let moto carry out the operation that was judged, on the object that was judged, and no other."""

from typing import Any

from local_account.hooks.replace import replace
from local_account.rewriting import JUDGED
from local_account.service import ServiceError


def install() -> None:
    """Take the operation from the front door; of S3, where moto routes itself, the object too."""
    s3 = "moto.s3.responses:S3Response"
    replace("moto.core.responses:BaseResponse._get_action", _operation)
    replace(f"{s3}.parse_bucket_name_from_url", _bucket)
    replace(f"{s3}.parse_key_name", _key)
    replace(f"{s3}._bucket_response", lambda original: _answers(original, is_key=False))
    replace(f"{s3}._key_response", lambda original: _answers(original, is_key=True))


def _operation(original: Any) -> Any:
    def get_action(self: Any) -> Any:
        call = self.normalized_request.environ.get(JUDGED)
        if call is None:
            return original(self)
        if call.protocol == "rest-json":
            self._get_action_from_method_and_request_uri(self.normalized_request)  # sets uri_match
        return call.operation

    return get_action


def _bucket(original: Any) -> Any:
    def parse_bucket_name_from_url(self: Any, request: Any, url: str) -> str:
        call = request.environ.get(JUDGED)
        found: str = call.params.get("Bucket", "") if call else original(self, request, url)
        return found

    return parse_bucket_name_from_url


def _key(original: Any) -> Any:
    def parse_key_name(self: Any) -> str:
        call = self.request.environ.get(JUDGED)
        found: str = call.params["Key"] if call else original(self)
        return found

    return parse_key_name


def _answers(original: Any, *, is_key: bool) -> Any:
    def response(self: Any, request: Any, full_url: str) -> Any:
        call = request.environ.get(JUDGED)
        if call is not None and ("Key" in call.params) != is_key:
            message = f"The path of {call.operation} names {'no ' if is_key else 'an '}object."
            raise ServiceError("InvalidURI", message)
        return original(self, request, full_url)

    return response
