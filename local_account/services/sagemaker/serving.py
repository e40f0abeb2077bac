"""A production variant being served: its container, its health, its open requests."""

import http.client
import secrets
import socket
import threading
import time

from local_account.archives import ArchiveError, extract_tar
from local_account.contained import Process
from local_account.images import ImageError
from local_account.log_shipping import LogStream
from local_account.sandbox import Command
from local_account.services.sagemaker import data
from local_account.services.sagemaker.containers import arguments
from local_account.services.sagemaker.plane import Plane, Record
from local_account.services.sagemaker.roles import ExecutionRole

_MAX_MODEL_BYTES = 4 * 1024**3
_PING_SECONDS = 0.1
_LOG_SECONDS = 0.5
_RESTART_SECONDS = 1.0
_DRAIN_SECONDS = 60.0
_STOP_GRACE_SECONDS = 10.0  # 30 on AWS
_STARTUP_SECONDS = 480
_CONTAINER_PORT, _LOOPBACK = 8080, "127.0.0.1"


class ServingError(Exception):
    """A variant cannot be served; the message is what AWS puts into a FailureReason."""


class Variant:
    """A variant's container: restarted when it dies, stopped when its requests are answered."""

    def __init__(self, plane: Plane, endpoint: str, definition: Record, model: Record) -> None:
        self.name: str = definition["VariantName"]
        self.weight = float(definition.get("InitialVariantWeight", 1.0))
        self.digest = ""
        self._plane, self._definition, self._model = plane, definition, model
        self._role = ExecutionRole(plane.account, model["ExecutionRoleArn"], model["ModelArn"])
        self._folder = plane.account.state / "endpoints" / endpoint / secrets.token_hex(4)
        stream = f"{self.name}/i-{secrets.token_hex(8)}"
        log, group = self._folder / "container.log", f"/aws/sagemaker/Endpoints/{endpoint}"
        self._logs = LogStream(log, self._role.client("logs"), group, stream)
        self._process: Process | None = None
        self._port = 0
        self._open, self._idle = 0, threading.Condition()
        self._retired = threading.Event()

    def start(self, container: Record) -> None:
        """Bring the model in, start the container, and return when it answers pings.

        Raises
        ------
        ServingError
            If the image or the artifact is absent or unsafe, or if the container is not healthy.
        """
        self._download(container.get("ModelDataUrl"))
        try:
            command = self._command(container)
        except ImageError as error:
            raise ServingError(f"ClientError: {error}") from error
        self._launch(command)
        self._plane.in_background(self._watch, command)

    def enter(self) -> None:
        """Count a request in; every `enter` is followed by a `leave`."""
        with self._idle:
            self._open += 1

    def connection(self, timeout_seconds: float) -> http.client.HTTPConnection:
        """Return a new connection to the container, which is opened with the first request."""
        if self._process is None:
            raise ConnectionRefusedError("the container is not started yet")
        if self._port:
            return http.client.HTTPConnection(_LOOPBACK, self._port, timeout=timeout_seconds)
        return _Connection(self._process, timeout_seconds)

    def leave(self) -> None:
        """Count a request out."""
        with self._idle:
            self._open -= 1
            self._idle.notify_all()

    def retire(self) -> None:
        """Stop the container for good, once its open requests are answered."""
        with self._idle:
            self._retired.set()
            self._idle.wait_for(lambda: self._open == 0, _DRAIN_SECONDS)
            process = self._process
        if process is not None:
            process.stop(_STOP_GRACE_SECONDS)

    def _download(self, uri: str | None) -> None:
        (self._folder / "ml" / "model").mkdir(parents=True)
        if uri is None:
            return
        archive = data.Object(*data.split_uri(uri), "model.tar.gz")
        try:
            data.download(self._role.client("s3"), [archive], self._folder)
            extract_tar(self._folder / archive.path, self._folder / "ml/model", _MAX_MODEL_BYTES)
        except data.DataError as error:
            raise ServingError(
                f'Failed to download model data for container "container_1" from URL: "{uri}". '
                "Please ensure that there is an object located at the URL and that the role passed "
                "to CreateModel has permissions to download the model."
            ) from error
        except ArchiveError as error:
            message = f'Failed to extract model data archive from URL "{uri}": {error}.'
            raise ServingError(message) from error

    def _command(self, container: Record) -> Command:
        image = self._role.pull(self._plane.images, container["Image"])
        self.digest = image.digest
        isolated = self._model.get("EnableNetworkIsolation", False)
        return Command(
            arguments=arguments(image, {}, ["serve"]),
            environment={
                **image.environment,
                **self._role.environment(isolated),
                **container.get("Environment", {}),
            },
            virtual_environment=image.virtual_environment,
            root=image.root,
            working_directory=image.working_directory,
            base=self._folder / "ml",
            log=self._folder / "container.log",
            network=not isolated,
            read_only=("model",),
            port=_CONTAINER_PORT,
        )

    def _launch(self, command: Command) -> None:
        """Start the container and wait until it is healthy."""
        bound, port = self._binding(command)
        process = self._plane.start_container(command.with_environment(bound))
        with self._idle:
            self._process, self._port = process, port
        if not self._becomes_healthy(process) or self._retired.is_set():
            process.kill()
            self._logs.ship(rest=True)
            raise ServingError(
                f"The primary container for production variant {self.name} did not pass the "
                "ping health check. Please check CloudWatch logs for this endpoint."
            )

    def _binding(self, command: Command) -> tuple[dict[str, str], int]:
        """Return what tells a container on the machine's own network where to listen.

        Such a container cannot have port 8080, which others want too; 0 is that of its own.
        """
        if not command.network and self._plane.sandbox.isolation == "bwrap":
            return {}, 0
        port = _free_port()
        return {"SAGEMAKER_BIND_TO_PORT": str(port), "MODEL_CODE_BIND_HOST": _LOOPBACK}, port

    def _becomes_healthy(self, process: Process) -> bool:
        key = "ContainerStartupHealthCheckTimeoutInSeconds"
        deadline = time.monotonic() + self._definition.get(key, _STARTUP_SECONDS)
        while not self._pings():
            ended = process.wait(_PING_SECONDS) is not None
            if ended or self._retired.is_set() or time.monotonic() > deadline:
                return False
        return True

    def _pings(self) -> bool:
        connection = self.connection(timeout_seconds=2)
        try:
            connection.request("GET", "/ping")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _watch(self, command: Command) -> None:
        while not (self._retired.is_set() or self._plane.closing.is_set()):
            assert self._process is not None  # noqa: S101 - `_launch` came before
            ended = self._process.wait(_LOG_SECONDS) is not None
            self._logs.ship()
            if ended and not self._retired.wait(_RESTART_SECONDS):
                self._restart(command)
        self._logs.ship(rest=True)

    def _restart(self, command: Command) -> None:
        if self._process is not None and self._process.exceeded:
            self._logs.note(self._process.exceeded)
        try:
            self._launch(command)
        except ServingError:
            self._logs.ship(rest=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class _Connection(http.client.HTTPConnection):
    """HTTP to a container that has a network of its own."""

    def __init__(self, process: Process, timeout_seconds: float) -> None:
        super().__init__(_LOOPBACK, _CONTAINER_PORT, timeout=timeout_seconds)
        self._process, self._seconds = process, timeout_seconds

    def connect(self) -> None:
        """Let the container's sandbox open the connection."""
        self.sock = self._process.connect(self._seconds)
