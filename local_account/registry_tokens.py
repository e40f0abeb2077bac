"""Passwords of the registry: whoever asks ECR for one, pushes with it as himself."""

import base64
import secrets
import threading
import time
from dataclasses import dataclass, field

from local_account.authorization.principals import Credentials

USER = "AWS"
_LIFETIME_SECONDS = 12 * 3600


@dataclass
class RegistryTokens:
    """The passwords that were given out, and to whom."""

    _holders: dict[str, tuple[Credentials, float]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def issue(self, holder: Credentials) -> tuple[str, float]:
        """Return a new authorization token, and when it expires."""
        now, password = time.time(), secrets.token_urlsafe(48)
        expires = now + _LIFETIME_SECONDS
        with self._lock:
            valid = {name: kept for name, kept in self._holders.items() if kept[1] > now}
            self._holders = {**valid, password: (holder, expires)}
        return base64.b64encode(f"{USER}:{password}".encode()).decode(), expires

    def holder(self, token: str) -> Credentials | None:
        """Return who a token was given to, if it is valid."""
        try:
            user, _, password = base64.b64decode(token, validate=True).decode().partition(":")
        except ValueError:
            return None
        with self._lock:
            holder, expires = self._holders.get(password, (None, 0.0))
        return holder if user == USER and expires > time.time() else None
