"""Where the container contract puts things below the base directory."""

import os
from dataclasses import dataclass
from pathlib import Path

DEFAULT_BASE_DIRECTORY = "/opt/ml"
CONTRACT_FILE = Path(__file__).parent.parent / "contract.toml"
SPLITS = ("train", "validation")


@dataclass(frozen=True)
class Paths:
    """The files and folders of one job."""

    base: Path

    @classmethod
    def from_environment(cls) -> "Paths":
        """Take the base directory from ``SAGEMAKER_BASE_DIR``, which is unset on SageMaker."""
        return cls(Path(os.environ.get("SAGEMAKER_BASE_DIR") or DEFAULT_BASE_DIRECTORY))

    @property
    def hyperparameters(self) -> Path:
        """Of a training job: absent where none are given."""
        return self.base / "input/config/hyperparameters.json"

    def channel(self, name: str) -> Path:
        """Of a training job: the folder of one input."""
        return self.base / "input/data" / name

    @property
    def model(self) -> Path:
        """Written by training, read by serving."""
        return self.base / "model"

    @property
    def failure(self) -> Path:
        """Of a training job: its first 1024 characters become FailureReason."""
        return self.base / "output/failure"

    @property
    def message(self) -> Path:
        """Of a processing job: its first 1 KB becomes ExitMessage."""
        return self.base / "output/message"

    def processing_input(self, name: str) -> Path:
        """Of a processing job: the folder of one input."""
        return self.base / "processing/input" / name

    def processing_output(self, name: str) -> Path:
        """Of a processing job: the folder of one output."""
        return self.base / "processing/output" / name
