"""What the parts of the SageMaker plane share: resources, tags, threads and containers."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from local_account.contained import Isolation, Process
from local_account.images import Images
from local_account.sandbox import Command, Sandbox
from local_account.service import Account, ServiceError
from local_account.services.paging import page

Record = dict[str, Any]
Emit = Callable[[str, str, dict[str, Any]], None]

_RESULTS_PER_PAGE = 10
_MAX_TAGS = 50


class Closing(Exception):
    """The account is stopping: no container is started any more."""


def invalid(message: str) -> ServiceError:
    """Return the error of a request that AWS refuses for what it asks."""
    return ServiceError("ValidationException", message)


def refuse_if(condition: bool, what: str) -> None:
    """Refuse by name what would change the outcome and is not modelled."""
    if condition:
        message = f"The embedded account does not model {what}; leave it out."
        raise ServiceError("UnsupportedOperation", message, 501)


def refuse(params: Record, *members: str) -> None:
    """Refuse members of a request (`Outer.Inner`) that are not modelled."""
    for member in members:
        value: Any = params
        for name in member.split("."):
            value = (value or {}).get(name)
        refuse_if(bool(value), member)


class Plane:
    """The account's SageMaker, as its parts see it."""

    def __init__(self, account: Account, emit: Emit, isolation: Isolation | None) -> None:
        self.account, self.emit = account, emit
        self.sandbox = Sandbox(isolation)
        self.images = Images(account, self.sandbox.isolation)
        self.lock = threading.RLock()
        self.tags: dict[str, dict[str, str]] = {}
        self.closing = threading.Event()
        self._processes: set[Process] = set()

    def in_background(self, work: Callable[..., None], *arguments: Any) -> None:
        """Run what an operation leaves to be done after its answer."""

        def run() -> None:
            with contextlib.suppress(Closing):
                work(*arguments)

        threading.Thread(target=run, name=work.__qualname__, daemon=True).start()

    def start_container(self, command: Command) -> Process:
        """Start a container that ends with the account at the latest."""
        with self.lock:
            if self.closing.is_set():
                raise Closing
            process = self.sandbox.start(command)
            self._processes = {p for p in self._processes if p.running} | {process}
            return process

    def add_tags(self, arn: str, tags: Iterable[dict[str, str]]) -> None:
        """Add to the tags of a resource, or replace their values."""
        merged = self.tags.get(arn, {}) | {tag["Key"]: tag["Value"] for tag in tags}
        if len(merged) > _MAX_TAGS:
            raise invalid(f"The resource {arn} may have at most {_MAX_TAGS} tags.")
        self.tags[arn] = merged

    def close(self) -> None:
        """Stop every container."""
        with self.lock:
            self.closing.set()
        if self._processes:
            with ThreadPoolExecutor(len(self._processes)) as pool:
                list(pool.map(lambda process: process.stop(grace_seconds=2), self._processes))


class Table:
    """The resources of one kind, by ARN: names are unique whatever their case."""

    def __init__(
        self, plane: Plane, prefix: str, kind: str, missing: str, duplicate: str = ""
    ) -> None:
        self.plane, self.prefix, self._kind = plane, prefix, kind
        self._missing, self._duplicate = missing, duplicate
        self.rows: dict[str, Record] = {}

    def arn(self, name: str) -> str:
        """Return the ARN for a name (or ARN) of a resource."""
        resource = name.partition(f":{self._kind}/")[2] or name
        return self.plane.account.arn("sagemaker", f"{self._kind}/{resource.lower()}")

    def add(self, name: str, params: Record, members: Record) -> Record:
        """Add a resource that has no namesake."""
        arn, now = self.arn(name), time.time()
        with self.plane.lock:
            if arn in self.rows:
                raise invalid(self._duplicate.format(name=name, arn=arn))
            self.plane.add_tags(arn, params.get("Tags", []))
            identity = {f"{self.prefix}Name": name, f"{self.prefix}Arn": arn}
            times = {"CreationTime": now, "LastModifiedTime": now}
            self.rows[arn] = {**params, **identity, **times, **members}
            return self.rows[arn]

    def get(self, name: str) -> Record:
        """Return a resource, or refuse in AWS's words."""
        arn = self.arn(name)
        if arn not in self.rows:
            raise invalid(self._missing.format(name=name, arn=arn))
        return self.rows[arn]

    def remove(self, name: str) -> None:
        """Remove a resource and its tags."""
        with self.plane.lock:
            arn: str = self.get(name)[f"{self.prefix}Arn"]
            del self.rows[arn]
            self.plane.tags.pop(arn, None)

    def update(self, record: Record, **members: Any) -> None:
        """Change a resource in one step."""
        with self.plane.lock:
            record.update(members, LastModifiedTime=time.time())

    def page(
        self, params: Record, listed: str, order: str, keep: Callable[[Record], bool] | None = None
    ) -> Record:
        """Return a page of a listing: filtered, sorted, and a token for the next one."""
        with self.plane.lock:
            rows = [row for row in self.rows.values() if self._matches(row, params)]
        rows = [row for row in rows if keep is None or keep(row)]
        member = {"Name": f"{self.prefix}Arn", "Status": f"{self.prefix}Status"}
        key = member.get(params.get("SortBy", ""), "CreationTime")
        rows.sort(key=lambda row: row[key])
        if params.get("SortOrder", order) == "Descending":
            rows.reverse()
        size = params.get("MaxResults", _RESULTS_PER_PAGE)
        shown, token = page(rows, params.get("NextToken"), size, "ValidationException")
        return {listed: shown, "NextToken": token}

    def _matches(self, row: Record, params: Record) -> bool:
        tests = [
            row[member] > params.get(f"{member}After", 0)
            and row[member] < params.get(f"{member}Before", float("inf"))
            for member in ("CreationTime", "LastModifiedTime")
        ]
        name = row[f"{self.prefix}Arn"].partition("/")[2]
        tests.append(params.get("NameContains", "").lower() in name)
        if "StatusEquals" in params:
            tests.append(row[f"{self.prefix}Status"] == params["StatusEquals"])
        return all(tests)
