"""Every command once, on rows made from the contract: what the contract tests look at."""

import tarfile
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from model_code.runtime.artifact import ARTIFACT_FILES
from model_code.tests.job import Job, require
from model_code.tests.rows import write_version
from model_code.tests.serving import Serving


@dataclass
class Lab:
    """A version of the data and what each command made of it, side by side where they can."""

    folder: Path
    packages: Path
    pool: Executor
    _serving: Serving | None = field(default=None, init=False)
    _jobs: list[Job] = field(default_factory=list, init=False)

    @cached_property
    def version(self) -> Path:
        write_version(self.folder / "version")
        return self.folder / "version"

    @cached_property
    def _started(self) -> dict[str, Future[str | None]]:
        return {
            "train": self.pool.submit(self.job.run, "train"),
            "validate": self.pool.submit(self.job.run, "validate"),
            "train again": self.pool.submit(self.other_job.run, "train"),
        }

    @cached_property
    def job(self) -> Job:
        return self._job("job")

    @cached_property
    def other_job(self) -> Job:
        return self._job("other")

    @cached_property
    def _evaluated(self) -> Future[str | None]:
        folder = self.job.paths.processing_input("model")
        folder.mkdir()
        with tarfile.open(folder / "model.tar.gz", "w:gz") as archive:
            archive.add(self.job.paths.model, arcname=".")
        return self.pool.submit(self.job.run, "evaluate")

    def trained(self) -> Path:
        """Return the model folder of a training that ended well and has written a model."""
        require(self._started["train"].result())
        folder = self.job.paths.model
        found = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
        if found != ARTIFACT_FILES:
            require(
                f"`train` ended with exit code 0 but model/ has {sorted(found) or 'nothing'}; "
                f"expected {', '.join(sorted(ARTIFACT_FILES))}. Let `fit` return the model: the "
                "runtime writes it."
            )
        return folder

    def trained_again(self) -> Path:
        """Return the model folder of the same training in another process."""
        require(self._started["train again"].result())
        return self.other_job.paths.model

    def validated(self) -> Path:
        """Return the output folder of `validate`."""
        require(self._started["validate"].result())
        return self.job.paths.processing_output("validation")

    def evaluated(self) -> Path:
        """Return the output folder of `evaluate`, given the trained model."""
        self.trained()
        require(self._evaluated.result())
        return self.job.paths.processing_output("evaluation")

    def serving(self) -> Serving:
        """Return the server of the trained model, ready."""
        self.trained()
        if self._serving is None:
            self._serving = Serving.start(self.job)
        self._serving.wait()
        return self._serving

    def begin(self) -> None:
        """Start what needs the model only, so that it runs while others do."""
        self.trained()
        _ = self._evaluated
        self._serving = self._serving or Serving.start(self.job)

    def stop(self) -> None:
        """Kill what still runs: after a failure nobody looks at it."""
        for job in self._jobs:
            job.stop()
        if self._serving is not None:
            self._serving.process.communicate()

    def _job(self, name: str) -> Job:
        job = Job(self.folder / name, self.packages)
        job.prepare(self.version)
        self._jobs.append(job)
        return job
