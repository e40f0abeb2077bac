"""Addresses of image layers: on AWS they are signed ones of S3, here signed ones of the account."""

import hashlib
import hmac
import re
import secrets
import time
from pathlib import Path
from urllib.parse import parse_qs

from local_account.images import blob_path
from local_account.service import Account, ServiceError

PREFIX = "/v1/layers/"
"""As of git's repositories: no bucket has a name as short."""
_LIFETIME_SECONDS = 3600
_PATH = re.compile(rf"{PREFIX}(sha256:[0-9a-f]{{64}})")


class LayerDownloads:
    """Gives out addresses of layers, and the layers to whoever comes with one."""

    def __init__(self, account: Account) -> None:
        self._account, self._key = account, secrets.token_bytes(32)

    def url(self, digest: str) -> str:
        """Return where the bytes of a layer can be had for an hour."""
        expires = int(time.time()) + _LIFETIME_SECONDS
        query = f"expires={expires}&signature={self._signature(digest, str(expires))}"
        return f"{self._account.url}{PREFIX}{digest}?{query}"

    def file(self, path: str, query: str) -> Path:
        """Return the file with the bytes that an address leads to.

        Raises
        ------
        ServiceError
            If it is none that was given out, or its time is over.
        """
        found, asked = _PATH.fullmatch(path), parse_qs(query)
        expires, signature = (asked.get(name, [""])[0] for name in ("expires", "signature"))
        digest = found[1] if found else ""
        expected = self._signature(digest, expires)
        if not hmac.compare_digest(signature.encode(), expected.encode()) or not digest:
            raise ServiceError("SignatureDoesNotMatch", "The address was not given out here.", 403)
        if int(expires) < time.time():
            raise ServiceError("AccessDenied", "Request has expired", 403)
        return blob_path(self._account, digest)

    def _signature(self, digest: str, expires: str) -> str:
        return hmac.new(self._key, f"{digest} {expires}".encode(), hashlib.sha256).hexdigest()
