"""Container registries over HTTP: which digest a tag has, asked without an account of theirs.

The protocol is that of the OCI distribution specification; how a name is read follows the
reference grammar of Docker's clients.
"""

from __future__ import annotations

import hashlib
import json
import re
import urllib.error
import urllib.request
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode, urlsplit

from mlops.errors import RegistryError, RequestError

DEFAULT_DOMAIN = "docker.io"
_DEFAULT_HOST = f"registry-1.{DEFAULT_DOMAIN}"
_DEFAULT_TAG = "latest"
_LOOPBACK = ("localhost", "127.0.0.1")
_SECONDS = 20.0
_MAX_BYTES = 4 * 1024 * 1024
_INDEXES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
_MANIFESTS = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_PATH = re.compile(
    r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*"
)
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]+)?")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')


@dataclass(frozen=True)
class Reference:
    """An image's name: as it was written, and where it leads."""

    written: str
    """Without a digest, and with a tag unless only a digest was given."""
    host: str
    repository: str
    tag: str
    digest: str

    @property
    def pinned(self) -> str:
        """The name by which the same image is found for ever."""
        return f"{self.written}@{self.digest}"

    @property
    def base_url(self) -> str:
        """Where the registry answers; on this machine without TLS, as Docker's clients do."""
        name = self.host.rpartition(":")[0] or self.host
        scheme = "http" if name in _LOOPBACK else "https"
        return f"{scheme}://{self.host}/v2/"


def parse_reference(name: str) -> Reference:
    """Read an image's name.

    Raises
    ------
    RequestError
        If it is none.
    """
    named, _, digest = name.partition("@")
    first, slash, rest = named.partition("/")
    if slash and (set(".:") & set(first) or first == "localhost"):
        host, path = first, rest
    else:
        host, path = DEFAULT_DOMAIN, named
    path, colon, tag = path.partition(":")
    named_well = _HOST.fullmatch(host) and _PATH.fullmatch(path)
    tagged_well = not colon or _TAG.fullmatch(tag)
    if not (named_well and tagged_well) or ("@" in name and not _DIGEST.fullmatch(digest)):
        raise RequestError(
            f"NAME is {name[:120]!r}; expected an image as in `docker pull`, such as "
            "python:3.12-slim or python:3.12-slim@sha256:<64 hexadecimal digits>."
        )
    if host == DEFAULT_DOMAIN:
        host, path = _DEFAULT_HOST, path if "/" in path else f"library/{path}"
    written = named if colon or digest else f"{named}:{_DEFAULT_TAG}"
    return Reference(written, host, path, tag or _DEFAULT_TAG, digest)


def resolve(reference: Reference) -> Reference:
    """Ask the registry which digest a tag has now; of several platforms, that of their index.

    Raises
    ------
    RegistryError
        If the registry does not answer, does not have it, or contradicts itself.
    """
    url = f"{reference.base_url}{reference.repository}/manifests/{reference.tag}"
    accept = {"Accept": ", ".join((*_INDEXES, *_MANIFESTS))}
    try:
        answer, body = _get(url, accept)
    except urllib.error.HTTPError as refused:
        if refused.code != HTTPStatus.UNAUTHORIZED:
            raise _refused(reference, refused) from refused
        token = _token(reference, refused.headers.get("WWW-Authenticate", ""))
        try:
            answer, body = _get(url, {**accept, "Authorization": f"Bearer {token}"})
        except urllib.error.HTTPError as error:
            raise _refused(reference, error) from error
    found = f"sha256:{hashlib.sha256(body).hexdigest()}"
    told = answer.get("Docker-Content-Digest", found)
    if told != found:
        raise RegistryError(
            f"{url} says that it is {told}, and what it sent is {found}. Try again; a proxy may "
            "have changed it."
        )
    return Reference(reference.written, reference.host, reference.repository, reference.tag, found)


def _token(reference: Reference, challenge: str) -> str:
    """Get an anonymous bearer token, as the challenge of a refusal says."""
    asked = dict(_CHALLENGE.findall(challenge))
    realm = asked.get("realm", "")
    # a token is asked for where the registry is trusted to say, but not over an open line
    safe = realm.startswith("https://") or urlsplit(realm).hostname in ("localhost", "127.0.0.1")
    if not challenge.lower().startswith("bearer ") or not safe:
        raise RegistryError(
            f"{reference.host} asks for {challenge[:120]!r}; expected Bearer, which strangers may "
            "have. Give NAME with its digest: `docker buildx imagetools inspect NAME` shows it."
        )
    scope = asked.get("scope") or f"repository:{reference.repository}:pull"
    query = {"service": asked.get("service", ""), "scope": scope}
    try:
        _, body = _get(f"{realm}?{urlencode({k: v for k, v in query.items() if v})}", {})
        document: Any = json.loads(body)
        return str(document.get("token") or document["access_token"])
    except urllib.error.HTTPError as error:
        raise _refused(reference, error) from error
    except (ValueError, KeyError, AttributeError) as error:
        raise RegistryError(
            f"{realm} answered {error!r}; expected a JSON document with a token."
        ) from error


def _refused(reference: Reference, error: urllib.error.HTTPError) -> RegistryError:
    known = "does not have it" if error.code == HTTPStatus.NOT_FOUND else "refused"
    if error.code == HTTPStatus.UNAUTHORIZED:
        known = "does not have it, or not for strangers"
    return RegistryError(
        f"{reference.written}: {reference.host} {known} (HTTP {error.code}). Check the name, or "
        "give it with its digest."
    )


def _get(url: str, headers: dict[str, str]) -> tuple[Any, bytes]:
    request = urllib.request.Request(url, headers={"User-Agent": "mlops"})  # noqa: S310
    for name, value in headers.items():
        # not to be sent to whatever host the registry redirects to
        request.add_unredirected_header(name, value)
    try:
        with urllib.request.urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310
            body: bytes = answer.read(_MAX_BYTES + 1)
            return answer.headers, body
    except urllib.error.HTTPError:
        raise
    except (urllib.error.URLError, OSError) as error:
        reason = getattr(error, "reason", error)
        raise RegistryError(
            f"{urlsplit(url).netloc} cannot be reached: {reason}. Resolving a tag needs the "
            "network; without it give NAME with its digest."
        ) from error
