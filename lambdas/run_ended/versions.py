"""The run's model version: found even if the run did not get to say so, and rejected."""

from collections.abc import Iterator

from run_ended import cleaning, gateway
from run_ended.context import REGISTERING, error_of
from run_ended.models import Context, Execution, Version
from shared.environment import RunEndedEnvironment


def find(
    execution: Execution, context: Context, environment: RunEndedEnvironment
) -> Version | None:
    """Return the version that this execution registered, which the version itself confirms."""
    candidates = _candidates(execution, context, environment)
    versions = (gateway.version(arn, execution.arn) for arn in candidates)
    return next((version for version in versions if version), None)


def _candidates(
    execution: Execution, context: Context, environment: RunEndedEnvironment
) -> Iterator[str]:
    """Look in the state's result first, then where an execution that was cut short may have it."""
    if context.registered:
        yield context.registered.model_package_arn
    elif context.run and context.state == REGISTERING:
        recorded = gateway.recorded_version(environment.bucket_name, context.run.run_key)
        if recorded:
            yield recorded
        yield from gateway.versions_since(environment.model_package_group_name, execution.started)


def reject(
    execution: Execution, context: Context, environment: RunEndedEnvironment
) -> Version | None:
    """Reject the version of an execution that did not succeed, and return it as it is then."""
    version = find(execution, context, environment)
    if version and cleaning.must_be_rejected(version.status):
        gateway.reject(version.arn, cleaning.rejection(*error_of(execution, context)))
        return version._replace(status=cleaning.REJECTED)
    return version
