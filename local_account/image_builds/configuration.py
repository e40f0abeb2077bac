"""The configuration of an image that is built without a container engine."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from local_account.image_builds.building import Asked
from local_account.image_builds.documents import Layer, document
from local_account.images import BASE_LABEL, BUILDER_LABEL, ENVIRONMENT_LABEL, ROOTLESS


@dataclass
class Configuration:
    """How a container of the image starts, as the instructions so far say it."""

    environment: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    directory: str = "/"
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    ports: set[str] = field(default_factory=set)
    stop_signal: str = ""
    history: list[str] = field(default_factory=list)

    def note(self, instruction: str) -> None:
        """Add an instruction to the image's history."""
        self.history.append(instruction)

    def written(self, asked: Asked, base: str, environment: str, layers: Sequence[Layer]) -> bytes:
        """Return the document; `environment` is the key of the image's in the store."""
        created = datetime.fromtimestamp(asked.epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        of_builder = {
            BASE_LABEL: base,
            BUILDER_LABEL: ROOTLESS,
            ENVIRONMENT_LABEL: environment,
        }
        config: dict[str, Any] = {
            "Env": [f"{name}={value}" for name, value in self.environment.items()],
            "Labels": {**self.labels, **asked.labels, **of_builder},
            "WorkingDir": self.directory,
            "Entrypoint": list(self.entrypoint),
            "Cmd": list(self.command),
            "ExposedPorts": {port: {} for port in sorted(self.ports)},
            "StopSignal": self.stop_signal,
        }
        return document(
            {
                "architecture": asked.architecture,
                "os": "linux",
                "created": created,
                "config": {name: value for name, value in config.items() if value},
                "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]},
                "history": [{"created": created, "created_by": each} for each in self.history],
            }
        )
