"""The front door: who may come in, and which service a request is for."""

import gzip
import json
import re
import traceback
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol
from xml.sax.saxutils import escape

from local_account.faults import Faults
from local_account.hooks import authorization
from local_account.operations import Environ, service_of
from local_account.service import Account, JsonService, ServiceError

StartResponse = Callable[..., Any]
WsgiApplication = Callable[[Environ, StartResponse], Iterable[bytes]]

# signature version 4, or version 2, which SDKs still presign URLs with
_CREDENTIAL = re.compile(r"(?:Credential|AWSAccessKeyId)=([^/&]+)")
_ENDPOINT = re.compile(r"^/endpoints/([^/]+)/(.+)$")
_STATUS_TEXT = {200: "OK", 400: "Bad Request", 403: "Forbidden", 424: "Failed Dependency"}


class Endpoints(Protocol):
    """What serves `InvokeEndpoint`."""

    def invoke_endpoint(
        self, name: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        """Return the status, headers and body of the answer."""


class Front:
    """Refuse what does not come from this machine's own clients, then route by service.

    Requests for the account's own JSON services (by `X-Amz-Target`) and for endpoint
    invocations are answered here, all others by moto; those that meet a fault suffer it first.
    """

    def __init__(
        self,
        account: Account,
        services: list[JsonService],
        endpoints: Endpoints,
        moto_application: WsgiApplication,
        faults: Faults,
    ) -> None:
        self._account, self._endpoints, self._moto = account, endpoints, moto_application
        self._faults = faults
        self._services = {service.target_prefix: service for service in services}
        port = account.url.rpartition(":")[2]
        self._hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        try:
            key_id = self._admit(environ)
            if (fault := self._faults.met_by(environ)) is None:
                return self._route(key_id, environ, start_response)
            return self._faults.inflict(
                fault, lambda start: self._route(key_id, environ, start), start_response
            )
        except ServiceError as error:
            return _refuse(error, environ, start_response)

    def _route(
        self, key_id: str, environ: Environ, start_response: StartResponse
    ) -> Iterable[bytes]:
        scoped = service_of(environ) == "sagemaker"
        if scoped and (match := _ENDPOINT.match(environ["PATH_INFO"])):
            if match[2] != "invocations":
                message = f"The embedded account does not model {match[2]} of an endpoint."
                raise ServiceError("UnsupportedOperation", message, 501)
            return self._invoke(match[1], key_id, environ, start_response)
        prefix, _, operation = environ.get("HTTP_X_AMZ_TARGET", "").rpartition(".")
        service = self._services.get(prefix)
        if service is None or not service.handles(operation):
            return self._call_moto(environ, start_response)
        return self._call(service, operation, key_id, environ, start_response)

    def _admit(self, environ: Environ) -> str:
        """Return the access key of a request, or refuse the request."""
        if environ.get("HTTP_HOST") not in self._hosts:
            raise ServiceError("AccessDenied", "The Host header is not this account's.", 403)
        if "HTTP_ORIGIN" in environ or environ["PATH_INFO"].startswith("/moto-api"):
            raise ServiceError("AccessDenied", "Web pages may not call this account.", 403)
        credential = environ.get("HTTP_AUTHORIZATION", "") or environ.get("QUERY_STRING", "")
        match = _CREDENTIAL.search(credential.replace("%2F", "/"))
        if match is None:
            raise ServiceError("MissingAuthenticationToken", "The request is not signed.", 403)
        if not authorization.is_known_access_key(self._account, match.group(1)):
            raise ServiceError(
                "InvalidClientTokenId",
                "The security token included in the request is invalid. Run "
                '`eval "$(.venv/bin/mlops account env)"` for the credentials of this account.',
                403,
            )
        return match.group(1)

    def _call_moto(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        try:
            return self._moto(environ, start_response)
        except NotImplementedError as error:
            raise ServiceError(
                "UnsupportedOperation", f"The embedded account does not model this: {error}", 501
            ) from error
        except Exception as error:
            traceback.print_exc()
            raise ServiceError(
                "InternalFailure", f"{type(error).__name__}: {error}", 500
            ) from error

    def _call(
        self,
        service: JsonService,
        operation: str,
        key_id: str,
        environ: Environ,
        start_response: StartResponse,
    ) -> Iterable[bytes]:
        self._authorize(key_id, f"{service.service_name}:{operation}")
        try:
            parameters = json.loads(_body(environ) or b"{}")
        except ValueError as error:
            message = f"The request's body is not JSON: {error}."
            raise ServiceError("SerializationException", message) from error
        body = json.dumps(service.call(operation, parameters)).encode()
        headers = [("Content-Type", "application/x-amz-json-1.1")]
        return _respond(200, headers, body, start_response)

    def _invoke(
        self, name: str, key_id: str, environ: Environ, start_response: StartResponse
    ) -> Iterable[bytes]:
        self._authorize(key_id, "sagemaker:InvokeEndpoint")
        headers = {
            key[5:].replace("_", "-").lower(): value
            for key, value in environ.items()
            if key.startswith("HTTP_")
        }
        headers["content-type"] = environ.get("CONTENT_TYPE", "")
        answer = self._endpoints.invoke_endpoint(name, headers, _body(environ))
        return _respond(*answer, start_response)

    def _authorize(self, key_id: str, action: str) -> None:
        try:
            authorization.authorize_user(self._account, key_id, action)
        except PermissionError as error:
            raise ServiceError("AccessDeniedException", str(error), 400) from error


def _body(environ: Environ) -> bytes:
    body: bytes = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    return gzip.decompress(body) if environ.get("HTTP_CONTENT_ENCODING") == "gzip" else body


def _refuse(
    error: ServiceError, environ: Environ, start_response: StartResponse
) -> Iterable[bytes]:
    """Word an error in the protocol of the service that was asked."""
    form = environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded")
    if form or service_of(environ) == "s3":
        code, message = escape(error.code), escape(error.message)
        element = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
        body = f"<ErrorResponse>{element}</ErrorResponse>" if form else element
        headers = [("Content-Type", "text/xml")]
    else:
        body = json.dumps({"__type": error.code, "message": error.message})
        headers = [("Content-Type", "application/json"), ("x-amzn-ErrorType", error.code)]
    content = b"" if environ["REQUEST_METHOD"] == "HEAD" else body.encode()
    return _respond(error.status, headers, content, start_response)


def _respond(
    status: int, headers: list[tuple[str, str]], body: bytes, start_response: StartResponse
) -> Iterable[bytes]:
    start_response(
        f"{status} {_STATUS_TEXT.get(status, 'Error')}",
        [
            *headers,
            ("x-amzn-RequestId", str(uuid.uuid4())),
            ("Content-Length", str(len(body))),
        ],
    )
    return [body]
