"""What the pipeline says to a build: the project's and CodeBuild's environment variables."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

from .errors import PipelineError

_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class Settings:
    """Where images, their parameter and the data are, and which commit is built."""

    repository_uri: str
    repository_name: str
    image_parameter: str
    data_bucket: str
    source_repository: str
    """The CodeCommit repository; empty where the source comes as a git clone."""
    commit: str

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Settings":
        """Read the variables.

        Raises
        ------
        PipelineError
            If one is absent, or the commit is none.
        """

        def given(name: str) -> str:
            if not environment.get(name):
                raise PipelineError(
                    f"{name} is not set; expected the build project to set it. Start the pipeline."
                )
            return environment[name]

        commit = given("CODEBUILD_RESOLVED_SOURCE_VERSION")
        if not _COMMIT.fullmatch(commit):
            raise PipelineError(
                f"CODEBUILD_RESOLVED_SOURCE_VERSION is {commit!r}; expected a commit of 40 "
                "hexadecimal digits. Start the pipeline, not its build project."
            )
        return cls(
            given("REPOSITORY_URI"),
            given("REPOSITORY_NAME"),
            given("IMAGE_PARAMETER"),
            given("DATA_BUCKET"),
            environment.get("SOURCE_REPOSITORY", ""),
            commit,
        )

    @property
    def tags(self) -> tuple[str, str]:
        """The tags of the training and the processing image."""
        return self.commit, f"{self.commit}-processing"


def line_of(error: Exception) -> str:
    """Say an error in one line, those of AWS too."""
    return " ".join(str(error).split())
