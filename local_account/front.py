"""The front door: who may come in, and which service a request is for."""

import json
import re
import traceback
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, Protocol
from xml.sax.saxutils import escape

from moto.core.serialize import QuerySerializer, SerializationContext
from werkzeug.wsgi import FileWrapper

from local_account.authorization.guard import Guard
from local_account.authorization.principals import Credentials, Principal
from local_account.faults import Faults
from local_account.layer_downloads import PREFIX as LAYERS
from local_account.layer_downloads import LayerDownloads
from local_account.operations import FORM, Call, Environ, body_of, service_of
from local_account.rewriting import rewritten
from local_account.service import Account, JsonService, ServiceError

StartResponse = Callable[..., Any]
WsgiApplication = Callable[[Environ, StartResponse], Iterable[bytes]]

# where moto serves something else than the service that a request is signed for
_OF_MOTO = re.compile(r"/(latest/(meta-data|api)/|favicon\.ico$|v20180820/)")
# no bucket has a name as short, and no other service's paths begin like this
_GIT = "/v1/repos/"
_PIECE_BYTES = 1024 * 1024
_STATUS_TEXT = {200: "OK", 400: "Bad Request", 403: "Forbidden", 424: "Failed Dependency"}


class Endpoints(Protocol):
    """What serves `InvokeEndpoint`."""

    def invoke_endpoint(
        self, name: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        """Return the status, headers and body of the answer."""


class GitRemote(Protocol):
    """What serves clones, fetches and pushes."""

    def answer(
        self, guard: Guard, environ: Environ, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Answer one request of git's, which signs in in a way of its own."""


class Front:
    """Refuse what does not come from this machine's own clients, then route by service.

    Requests for the account's own JSON services and for endpoint invocations are answered here,
    as are those with the address of a layer; those of git by its remote, all others by moto;
    those that meet a fault suffer it first.
    """

    def __init__(
        self,
        account: Account,
        services: list[JsonService],
        endpoints: Endpoints,
        moto_application: WsgiApplication,
        faults: Faults,
        git: GitRemote,
        layers: LayerDownloads,
    ) -> None:
        self._endpoints, self._moto, self._git = endpoints, moto_application, git
        self._layers = layers
        self._guard, self._faults = Guard(account), faults
        self._services = {service.service_name: service for service in services}
        port = account.url.rpartition(":")[2]
        self._hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        try:
            self._refuse_foreign(environ)
            if environ["PATH_INFO"].startswith(_GIT):
                return self._git.answer(self._guard, environ, start_response)
            if environ["PATH_INFO"].startswith(LAYERS):
                return self._download(environ, start_response)
            answer = partial(self._route, *self._guard.admit(environ), environ)
            if (fault := self._faults.met_by(environ)) is None:
                return answer(start_response)
            return self._faults.inflict(fault, answer, start_response)
        except ServiceError as error:
            return _refuse(error, environ, start_response)

    def _route(
        self,
        principal: Principal,
        credentials: Credentials,
        environ: Environ,
        start_response: StartResponse,
    ) -> Iterable[bytes]:
        call = self._guard.authorize(principal, environ)
        if call[:2] == ("sagemaker", "InvokeEndpoint"):
            return self._invoke(call.params["EndpointName"], environ, start_response)
        service = self._services.get(call.service)
        if service is None or not service.handles(call.operation):
            return self._call_moto(rewritten(environ, call), start_response)
        return self._call(service.asked_by(credentials), call, start_response)

    def _refuse_foreign(self, environ: Environ) -> None:
        if environ.get("HTTP_HOST") not in self._hosts:
            raise ServiceError("AccessDenied", "The Host header is not this account's.", 403)
        if "HTTP_ORIGIN" in environ or environ["PATH_INFO"].startswith("/moto-api"):
            raise ServiceError("AccessDenied", "Web pages may not call this account.", 403)
        uri = environ["REQUEST_URI"]
        if not uri.startswith("/") or "#" in uri or _OF_MOTO.match(environ["PATH_INFO"]):
            raise ServiceError("InvalidURI", f"No service answers at {uri[:80]}.", 400)

    def _call_moto(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        with _worded():
            return self._moto(environ, start_response)

    def _call(
        self, service: JsonService, call: Call, start_response: StartResponse
    ) -> Iterable[bytes]:
        request_id = str(uuid.uuid4())
        with _worded():
            answer = service.call(call.operation, call.params)
            if call.protocol == "query":
                content_type, context = "text/xml", SerializationContext(request_id)
                body = QuerySerializer(call.model, context).serialize(answer)["body"]
            else:
                content_type, body = "application/x-amz-json-1.1", json.dumps(answer)
        headers = [("Content-Type", content_type)]
        return _respond(200, headers, body.encode(), start_response, request_id)

    def _download(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        path = self._layers.file(environ["PATH_INFO"], environ.get("QUERY_STRING", ""))
        headers = [
            ("Content-Type", "application/octet-stream"),
            ("Content-Length", str(path.stat().st_size)),
            ("x-amzn-RequestId", str(uuid.uuid4())),
        ]
        start_response("200 OK", headers)
        return FileWrapper(path.open("rb"), _PIECE_BYTES)

    def _invoke(
        self, name: str, environ: Environ, start_response: StartResponse
    ) -> Iterable[bytes]:
        headers = {
            key[5:].replace("_", "-").lower(): value
            for key, value in environ.items()
            if key.startswith("HTTP_")
        }
        headers["content-type"] = environ.get("CONTENT_TYPE", "")
        answer = self._endpoints.invoke_endpoint(name, headers, body_of(environ))
        return _respond(*answer, start_response, str(uuid.uuid4()))


@contextmanager
def _worded() -> Iterator[None]:
    """Tell a client of whatever goes wrong, in an error that it can read."""
    try:
        yield
    except ServiceError:  # in its own words
        raise
    except NotImplementedError as error:
        message = f"The embedded account does not model this: {error}"
        raise ServiceError("UnsupportedOperation", message, 501) from error
    except Exception as error:
        traceback.print_exc()
        raise ServiceError("InternalFailure", f"{type(error).__name__}: {error}", 500) from error


def _refuse(
    error: ServiceError, environ: Environ, start_response: StartResponse
) -> Iterable[bytes]:
    """Word an error in the protocol of the service that was asked."""
    request_id = str(uuid.uuid4())
    form = environ.get("CONTENT_TYPE", "").startswith(FORM)
    if form or service_of(environ) == "s3":
        body = f"<Code>{escape(error.code)}</Code><Message>{escape(error.message)}</Message>"
        if form:
            fault = "Sender" if error.status < 500 else "Receiver"
            known = f"<Error><Type>{fault}</Type>{body}</Error><RequestId>{request_id}</RequestId>"
            body = f"<ErrorResponse>{known}</ErrorResponse>"
        else:
            body = f"<Error>{body}</Error>"
        headers = [("Content-Type", "text/xml")]
    else:
        body = json.dumps({"__type": error.code, "message": error.message})
        headers = [("Content-Type", "application/json"), ("x-amzn-ErrorType", error.code)]
    content = b"" if environ["REQUEST_METHOD"] == "HEAD" else body.encode()
    return _respond(error.status, headers, content, start_response, request_id)


def _respond(
    status: int,
    headers: list[tuple[str, str]],
    body: bytes,
    start_response: StartResponse,
    request_id: str,
) -> Iterable[bytes]:
    start_response(
        f"{status} {_STATUS_TEXT.get(status, 'Error')}",
        [
            *headers,
            ("x-amzn-RequestId", request_id),
            ("Content-Length", str(len(body))),
        ],
    )
    return [body]
