"""What training and processing jobs have in common: acceptance, the run, stopping, the end."""

import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from local_account.contained import Process
from local_account.images import ImageError
from local_account.log_shipping import LogStream
from local_account.sandbox import Command
from local_account.service import ServiceError
from local_account.services.sagemaker import data
from local_account.services.sagemaker.containers import arguments
from local_account.services.sagemaker.plane import Plane, Record, Table, invalid
from local_account.services.sagemaker.roles import ExecutionRole

INTERNAL_ERROR = "InternalServerError: We encountered an internal error. Please try again."
_POLL_SECONDS = 0.5


class LimitExceeded(Exception):
    """A container was killed for what it used; the message is one line."""


@dataclass(frozen=True)
class Ended:
    """How a job's container ended: its exit status, and whether by itself."""

    status: int
    by: Literal["exit", "stop", "timeout"]


@dataclass(frozen=True)
class Outcome:
    """What a job comes to; `reason` is its FailureReason."""

    status: Literal["Completed", "Failed", "Stopped"]
    reason: str = ""
    timed_out: bool = False


class Jobs:
    """The jobs of one kind.

    Attributes
    ----------
    stop_grace_seconds : float
        How long a container may take to end after SIGTERM; 120 seconds on AWS.
    """

    prefix: ClassVar[str]
    kind: ClassVar[str]
    missing: ClassVar[str]
    stop_grace_seconds = 10.0

    def __init__(self, plane: Plane) -> None:
        self._plane = plane
        self._jobs = Table(plane, self.prefix, f"{self.kind}-job", self.missing)
        self._stopping: dict[str, threading.Event] = {}

    def _refuse_duplicate(self, name: str) -> None:
        arn = self._jobs.arn(name)
        if arn in self._jobs.rows:
            raise ServiceError(
                "ResourceInUse",
                f"{self.kind.capitalize()} job names must be unique within an AWS account and "
                f"region, and a {self.kind} job with this name already exists ({arn})",
            )

    def _start(self, name: str, params: Record, members: Record) -> Record:
        with self._plane.lock:
            self._refuse_duplicate(name)
            members = {**members, f"{self.prefix}Status": "InProgress"}
            job = self._jobs.add(name, params, members)
            self._stopping[job[f"{self.prefix}Arn"]] = threading.Event()
            self._accepted(job)
        self._changed(job)
        self._plane.in_background(self._work, job)
        return job

    def _stop(self, name: str) -> None:
        job = self._jobs.get(name)
        with self._plane.lock:
            status = job[f"{self.prefix}Status"]
            if status not in ("InProgress", "Stopping"):
                raise invalid(
                    f"The request was rejected because the {self.kind} job is in status {status}."
                )
            self._jobs.update(job, **{f"{self.prefix}Status": "Stopping"})
            self._stopping[job[f"{self.prefix}Arn"]].set()
            self._stops(job)
        if status == "InProgress":
            self._changed(job)

    def _work(self, job: Record) -> None:
        outcome = Outcome("Failed", INTERNAL_ERROR)
        try:
            outcome = self._carry_out(job)
        except (ImageError, data.DataError, LimitExceeded) as error:
            outcome = Outcome("Failed", f"ClientError: {error}")
        except ServiceError as error:  # the role may not be taken any more, or use the key
            outcome = Outcome("Failed", f"ClientError: {error.message}")
        finally:
            # whatever happens to this thread, the job does not stay in progress
            with self._plane.lock:
                if outcome.status == "Completed" and self._asked_to_stop(job):
                    outcome = Outcome("Stopped")  # it was told so, however fast its container was
                self._finish(job, outcome)
            self._changed(job)

    def _role(self, job: Record) -> ExecutionRole:
        return ExecutionRole(self._plane.account, job["RoleArn"], job[f"{self.prefix}Arn"])

    def _folder(self, job: Record) -> Path:
        name: str = job[f"{self.prefix}Name"]
        return self._plane.account.state / "jobs" / self.kind / name

    def _asked_to_stop(self, job: Record) -> bool:
        return self._stopping[job[f"{self.prefix}Arn"]].is_set()

    def _execute(
        self,
        job: Record,
        image_uri: str,
        specification: Record,
        default_arguments: list[str] | None,
        isolated: bool,
    ) -> Ended:
        """Run the job's container to its end: its exit, a stop, or the maximum runtime."""
        folder, name, role = self._folder(job), job[f"{self.prefix}Name"], self._role(job)
        image = role.pull(self._plane.images, image_uri)
        command = Command(
            arguments=arguments(image, specification, default_arguments),
            environment={
                **image.environment,
                **role.environment(isolated),
                f"{self.kind.upper()}_JOB_NAME": name,
                f"{self.kind.upper()}_JOB_ARN": job[f"{self.prefix}Arn"],
                **job.get("Environment", {}),
            },
            virtual_environment=image.virtual_environment,
            root=image.root,
            working_directory=image.working_directory,
            base=folder / "ml",
            log=folder / "container.log",
            network=not isolated,
        )
        group, stream = f"/aws/sagemaker/{self.prefix}s", f"{name}/algo-1-{int(time.time())}"
        logs = LogStream(command.log, role.client("logs"), group, stream)
        return self._wait(job, self._plane.start_container(command), logs)

    def _wait(self, job: Record, process: Process, logs: LogStream) -> Ended:
        seconds = job.get("StoppingCondition", {}).get("MaxRuntimeInSeconds", 86400)
        deadline = time.monotonic() + seconds
        while (status := process.wait(_POLL_SECONDS)) is None:
            logs.ship()
            stopped = self._asked_to_stop(job)
            if stopped or time.monotonic() > deadline:
                self._stops(job)
                process.stop(self.stop_grace_seconds)
                logs.ship(rest=True)
                return Ended(0, "stop" if stopped else "timeout")
        logs.ship(rest=True)
        if process.exceeded:
            raise LimitExceeded(process.exceeded)
        return Ended(status, "exit")

    def _accepted(self, job: Record) -> None:
        """Complete a job that was just accepted."""

    def _stops(self, job: Record) -> None:
        """Note that a job's container is being stopped."""

    def _carry_out(self, job: Record) -> Outcome:
        """Bring the data in, run the container, bring its results out."""
        raise NotImplementedError

    def _finish(self, job: Record, outcome: Outcome) -> None:
        """Write a job's end into it."""
        raise NotImplementedError

    def _changed(self, job: Record) -> None:
        """Send the event of a changed status."""
        raise NotImplementedError


def first_text(path: Path, characters: int) -> str:
    """Return the start of a file that a container may have left, or nothing."""
    if path.is_symlink() or not path.is_file():
        return ""
    with path.open(errors="replace") as file:
        return file.read(characters).strip()
