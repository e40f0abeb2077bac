"""Staging after a run: put back what it served before, delete what nothing refers to."""

from run_ended import cleaning, hosting
from run_ended.models import Context, Endpoint, Execution, RunFields, Staging
from shared import records


class StagingArea:
    """The staging endpoint, and the lock and counts about it in the run table.

    Parameters
    ----------
    table
        Name of the run table.
    endpoint_name
        Name of the one staging endpoint.
    """

    def __init__(self, table: str, endpoint_name: str) -> None:
        self._table = table
        self._name = endpoint_name

    def look(self) -> Staging:
        """Say what staging serves."""
        return Staging(pending=False, said=self._describe(hosting.endpoint(self._name)))

    def settle(self, execution: Execution, context: Context, *, now: int) -> Staging:
        """Undo what an unsuccessful execution did to the endpoint, one request at a time."""
        endpoint = hosting.endpoint(self._name)
        lock = records.lock(self._table)
        # What was undone once has been seen.
        awaited = (
            cleaning.awaits_deployment(execution, context, now=now)
            and not records.end(self._table, execution.arn).repairs
        )
        repair = cleaning.repair(
            context,
            endpoint,
            holds_lock=lock is not None and lock.holder == execution.arn,
            awaits_deployment=awaited,
        )
        said = self._describe(endpoint)
        if repair.action == "nothing":
            return Staging(False, said)
        if repair.action == "wait":
            return Staging(True, f"{said} What this run asked of it is undone once it shows.")
        return self._undo(repair, said, execution.arn)

    def _undo(self, repair: cleaning.Repair, said: str, execution_arn: str) -> Staging:
        if repair.action == "restore" and hosting.config(repair.config) is None:
            return Staging(
                False,
                f"ATTENTION: {said} This run's config stays in service, since endpoint config "
                f"{repair.config}, which served before, does not exist any more.",
            )
        if records.count_repair(self._table, execution_arn) > cleaning.REPAIRS:
            return Staging(
                False,
                f"ATTENTION: {said} {cleaning.REPAIRS} requests did not undo what this run "
                f"changed. Look at log group /aws/sagemaker/Endpoints/{self._name}, and deploy "
                "another config or delete the endpoint.",
                given_up=True,
            )
        if repair.action == "delete":
            hosting.delete_endpoint(self._name)
            return Staging(True, f"{said} This run created it, so it is deleted.")
        hosting.update_endpoint(self._name, repair.config)
        return Staging(True, f"{said} It goes back to endpoint config {repair.config}.")

    def _describe(self, endpoint: Endpoint | None) -> str:
        if endpoint is None:
            return f"endpoint {self._name} does not exist."
        return f"endpoint {self._name} is {endpoint.status} with endpoint config {endpoint.config}."


def remove_run(run: RunFields) -> None:
    """Delete the run's endpoint config and model, if they exist and nothing refers to them."""
    config = hosting.config(run.name)
    if config:
        if run.name in hosting.configs_in_use(config.created):
            return
        hosting.delete_config(run.name)
    model = hosting.model(run.name)
    if model and cleaning.model_may_go(run.name, hosting.configs_since(model.created)):
        hosting.delete_model(run.name)


def remove_surplus(run: RunFields, *, project: str, bucket: str, kept: int) -> None:
    """Delete what is left of runs that are too old to go back to.

    A model goes before its config: who dies between the two still finds the config.
    """
    named = cleaning.of_runs(hosting.configs_named(f"{project}-"), project)
    ours = [each for each in named if cleaning.is_ours(hosting.model(each.name), bucket)]
    old = cleaning.surplus(ours, run_name=run.name, kept=kept)
    if not old:
        return
    oldest = min(each.created for each in old)
    in_use, configs = hosting.configs_in_use(oldest), hosting.configs_since(oldest)
    going = [each.name for each in old if each.name not in in_use]
    for name in going:
        if cleaning.model_may_go(name, configs, going):
            hosting.delete_model(name)
        hosting.delete_config(name)
