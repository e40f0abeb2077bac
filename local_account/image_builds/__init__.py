"""Image builds: the `docker` that a privileged build finds, and what builds behind it."""

from contextlib import AbstractContextManager
from pathlib import Path

from local_account.contained import Isolation
from local_account.image_builds.daemon import Daemon, served
from local_account.image_builds.pushing import Pushing
from local_account.registry_tokens import RegistryTokens
from local_account.sandbox import Sandbox
from local_account.service import Account


class ImageBuilds:
    """Gives each privileged build a docker daemon of its own.

    Attributes
    ----------
    client : Path
        The program `docker` of a build: Python's standard library is all that it needs.
    """

    client = Path(__file__).with_name("client.py")

    def __init__(
        self, account: Account, tokens: RegistryTokens, isolation: Isolation | None = None
    ) -> None:
        self._account, self._tokens = account, tokens
        self._isolation = isolation or Sandbox().isolation

    def serve(self) -> AbstractContextManager[Path]:
        """Serve one build; the value is the path of its daemon's unix socket."""
        pushing = Pushing(self._account, self._tokens)
        scratch = self._account.state / "builds"
        return served(Daemon(self._account.cache, scratch, self._isolation, pushing))
