"""Every place where the account reaches into moto: what is replaced there, and why.

moto's services are used as they are where they do the real thing. Where they do not,
`install` puts the account's own behaviour in their place. Each replaced callable is
private to moto, so the version is pinned, another one is refused, and a test compares
the source of each replaced callable with the one these modules were written against.
"""

from local_account.hooks import authorization, cloudformation, events, functions, state_machines
from local_account.service import Account
from local_account.services.eventbridge import EventBus
from local_account.services.lambda_runtime import LambdaRuntime


def install(account: Account, lambda_runtime: LambdaRuntime) -> EventBus:
    """Replace what moto lacks with what the account does, and return its event bus."""
    bus = EventBus(account, lambda event: events.matching_targets(account, event))
    authorization.install(account)
    cloudformation.install(account)
    events.install(account, bus)
    functions.install(lambda_runtime)
    state_machines.install(account)
    return bus
