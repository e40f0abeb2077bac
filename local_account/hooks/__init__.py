"""Every place where the account reaches into moto: what is replaced there, and why.

moto's services are used as they are where they do the real thing. Where they do not,
`install` puts the account's own behaviour in their place. Each replaced callable is
private to moto, so the version is pinned, another one is refused, and a test compares
the source of each replaced callable with the one these modules were written against.
"""

from dataclasses import dataclass
from functools import partial
from itertools import chain

from local_account.hooks import (
    definitions,
    events,
    executions,
    functions,
    invocations,
    judged,
    log_groups,
    messages,
    objects,
    scheduler,
    state_machines,
    state_tests,
    task_callers,
    task_errors,
)
from local_account.service import Account
from local_account.services.delivery import Delivery
from local_account.services.eventbridge import EventBus
from local_account.services.lambda_runtime import LambdaRuntime
from local_account.services.scheduler import Clock


@dataclass(frozen=True)
class Installed:
    """What the hooks started: the event bus, and the clock that fires schedules."""

    bus: EventBus
    clock: Clock
    delivery: Delivery

    def close(self) -> None:
        """Fire and deliver nothing more."""
        self.clock.close()
        self.delivery.close()


def install(account: Account, lambda_runtime: LambdaRuntime) -> Installed:
    """Replace what moto lacks with what the account does."""
    delivery = Delivery(account)
    bus = EventBus(account, delivery, partial(events.matching_targets, account))
    clock = Clock(lambda: chain(scheduler.plans(account, delivery), events.plans(account, bus)))
    events.install(account, bus)
    functions.install(account, lambda_runtime)
    invocations.install(lambda_runtime)
    judged.install()
    log_groups.install()
    messages.install(account, delivery)
    objects.install()
    scheduler.install(account)
    state_machines.install(account)
    task_callers.install(account)
    definitions.install(account)
    executions.install(account, bus)
    state_tests.install(account)
    task_errors.install()
    return Installed(bus, clock, delivery)
