"""What answers the `docker` of one privileged build, behind a unix socket."""

import contextlib
import json
import socketserver
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from io import BufferedIOBase
from pathlib import Path

from local_account.archives import Allowance, ArchiveError
from local_account.contained import Isolation
from local_account.image_builds import client
from local_account.image_builds.building import Asked
from local_account.image_builds.console import BuildError, Cancelled, Console
from local_account.image_builds.dockerfile import DockerfileError
from local_account.image_builds.engines import CHOICE_VARIABLE, chosen
from local_account.image_builds.kept_layers import KeptLayers
from local_account.image_builds.local_images import LocalImages, formatted
from local_account.image_builds.pushing import Pushing
from local_account.image_builds.requests import Request, checked
from local_account.layers import apply_layer
from local_account.limits import GIB

_MAX_CONTEXT_BYTES, _MAX_CONTEXT_FILES = 2 * GIB, 100_000
_MAX_REQUEST_BYTES = 4 * 1024 * 1024
_PIECE_BYTES = 1024 * 1024
_CLOSING_SECONDS = 5.0


@dataclass
class Daemon:
    """The images and requests of one build.

    Attributes
    ----------
    scratch : Path
        Where the folders of requests are, which go with them.
    """

    cache: Path
    scratch: Path
    isolation: Isolation
    pushing: Pushing
    images: LocalImages = field(default_factory=LocalImages)
    _consoles: set[Console] = field(default_factory=set)
    _closing: threading.Event = field(default_factory=threading.Event)

    def answer(self, request: Request, context: Path, console: Console) -> None:
        """Do what a client asks for.

        Raises
        ------
        BuildError
            If it cannot be done; the message is for who asked.
        """
        commands: dict[str, Callable[[Request, Console], None]] = {
            "login": self._login,
            "push": self._push,
            "tag": self._tag,
            "images": self._images,
            "inspect": self._inspect,
            "info": self._info,
            "version": self._version,
        }
        if request["command"] == "build":
            self._build(request, context, console)
        else:
            commands[request["command"]](request, console)

    @contextlib.contextmanager
    def working(self, console: Console) -> Iterator[None]:
        """Count a request in, so that it ends with the daemon."""
        self._consoles.add(console)
        if self._closing.is_set():
            console.cancel()
        try:
            yield
        finally:
            self._consoles.discard(console)

    def close(self) -> None:
        """Kill whatever runs, and wait until it has taken its files away."""
        self._closing.set()
        for console in list(self._consoles):
            console.cancel()
        deadline = time.monotonic() + _CLOSING_SECONDS
        while self._consoles and time.monotonic() < deadline:
            time.sleep(0.02)

    def _build(self, request: Request, context: Path, console: Console) -> None:
        asked = Asked(
            context=context,
            dockerfile=request["dockerfile"],
            **{name: request[name] for name in ("name", "target", "arguments", "labels")},
            platform=request["platform"],
            no_cache=request["no_cache"],
        )
        builder, why = chosen(asked, self.cache, self.isolation)
        console.quiet = request["quiet"]
        console.say(f"image builder: {builder.name} ({why})")
        try:
            image = builder.build(asked, console)
        except (BuildError, DockerfileError):
            console.show_withheld()
            raise
        KeptLayers(self.cache).prune()
        for reference in request["tags"]:
            self.images.add(reference, image)
        short = image.image_id.removeprefix("sha256:")[:12]
        console.say(f"Successfully built {short} with {builder.name}")
        for reference in request["tags"]:
            console.say(f"Successfully tagged {reference}")
        if console.quiet:
            console.quiet = False
            console.say(image.image_id)

    def _login(self, request: Request, console: Console) -> None:
        self.pushing.log_in(request["registry"], request["auth"])
        console.say("Login Succeeded")

    def _push(self, request: Request, console: Console) -> None:
        reference, console.quiet = request["reference"], request["quiet"]
        image = self.images.find(reference)
        digest = self.pushing.push(image, reference, request["auth"], console)
        self.images.note_push(reference, digest)

    def _tag(self, request: Request, console: Console) -> None:
        self.images.add(request["target"], self.images.find(request["source"]))

    def _images(self, request: Request, console: Console) -> None:
        rows = [
            (repository, tag, image.image_id.removeprefix("sha256:")[:12])
            for repository, tag, image in self.images.listed()
        ]
        if request["quiet"]:
            for image_id in dict.fromkeys(row[2] for row in rows):
                console.say(image_id)
            return
        for repository, tag, image_id in (("REPOSITORY", "TAG", "IMAGE ID"), *rows):
            console.say(f"{repository}   {tag}   {image_id}")

    def _inspect(self, request: Request, console: Console) -> None:
        found = [self.images.inspected(reference) for reference in request["references"]]
        if not request["format"]:
            console.say(json.dumps(found, indent=4))
            return
        for document in found:
            console.say(formatted(document, request["format"]))

    def _info(self, request: Request, console: Console) -> None:
        console.say("Server: image builds of the embedded account")
        console.say(f" Builders: buildah, podman, docker, rootless ({CHOICE_VARIABLE} forces one)")
        console.say(f" Isolation: {self.isolation}")
        console.say(f" Images: {len(list(self.images.listed()))}")

    def _version(self, request: Request, console: Console) -> None:
        console.say("Docker version of the embedded account: build, tag, push, inspect")


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, address: str, daemon: Daemon) -> None:
        self.daemon = daemon
        super().__init__(address, _Handler)


class _Handler(socketserver.StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        """Answer one client, and stop when it goes."""
        daemon, console = self.server.daemon, Console(self._show)
        with contextlib.suppress(Cancelled, ConnectionError), daemon.working(console):
            try:
                self._answer(daemon, console)
            except (BuildError, DockerfileError, ArchiveError) as error:
                self._fail(str(error))
            except ConnectionError:
                raise
            except (OSError, ValueError) as error:
                self._fail(f"the account cannot do it: {' '.join(str(error).split())}")
            else:
                self._send(client.STATUS, b"0")

    def _answer(self, daemon: Daemon, console: Console) -> None:
        request = checked(json.loads(self.rfile.readline(_MAX_REQUEST_BYTES)))
        daemon.scratch.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="context-", dir=daemon.scratch) as folder:
            context = Path(folder, "context")
            context.mkdir()
            if request["command"] == "build":
                receive(self.rfile, Path(folder, "context.tar"), context)
            threading.Thread(target=self._watch, args=(console,), daemon=True).start()
            daemon.answer(request, context, console)

    def _fail(self, cause: str) -> None:
        self._send(client.ERROR, f"ERROR: {cause}\n".encode(errors="backslashreplace"))
        self._send(client.STATUS, b"1")

    def _show(self, content: bytes) -> None:
        self._send(client.OUTPUT, content)

    def _send(self, kind: bytes, content: bytes) -> None:
        size = len(content).to_bytes(client.SIZE_BYTES, "big")
        self.request.sendall(kind + size + content)

    def _watch(self, console: Console) -> None:
        """Cancel what is done when the client ends, which sends nothing more."""
        with contextlib.suppress(OSError):
            self.request.recv(1)
        console.cancel()


def receive(chunks: BufferedIOBase, archive: Path, folder: Path) -> None:
    """Write the context that a client sends into a folder.

    Raises
    ------
    BuildError
        If it is too large, or ends too early.
    """
    total = 0
    with archive.open("wb") as file:
        while size := int.from_bytes(chunks.read(client.SIZE_BYTES), "big"):
            total += size
            if total > _MAX_CONTEXT_BYTES:
                raise BuildError(f"the context is over {_MAX_CONTEXT_BYTES} bytes; leave out more")
            while size:
                piece = chunks.read(min(size, _PIECE_BYTES))
                if not piece:
                    raise BuildError("the context ended too early; its client has gone")
                size -= file.write(piece)
    # as a layer: links lead no further than the context
    apply_layer(archive, folder, Allowance("the context", _MAX_CONTEXT_BYTES, _MAX_CONTEXT_FILES))
    archive.unlink()


@contextlib.contextmanager
def served(daemon: Daemon) -> Iterator[Path]:
    """Answer at a unix socket; in the end, whatever still runs is killed."""
    # below a short folder: the path of a socket has 107 characters at most
    with tempfile.TemporaryDirectory(prefix="docker-", dir=_short_folder()) as folder:
        path = Path(folder, "docker.sock")
        with _Server(str(path), daemon) as server:
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
            try:
                yield path
            finally:
                server.shutdown()
                daemon.close()


def _short_folder() -> str | None:
    own = tempfile.gettempdir()
    return own if len(own) < 60 else "/tmp"  # noqa: S108 - the folder in it is this user's alone
