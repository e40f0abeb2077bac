"""Staging after a run: put back what it served before, delete what nothing refers to."""

from run_ended import cleaning, hosting
from run_ended.models import Context, Endpoint, RunFields, Staging
from shared import records
from shared.errors import CleaningIncomplete


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

    def settle(self, context: Context, execution_arn: str) -> Staging:
        """Undo what an unsuccessful execution did to the endpoint, one request at a time.

        Raises
        ------
        CleaningIncomplete
            If it was tried too often: what it served before does not come into service.
        """
        endpoint = hosting.endpoint(self._name)
        lock = records.lock(self._table)
        holds_lock = lock is not None and lock.holder == execution_arn
        repair = cleaning.repair(context, endpoint, holds_lock=holds_lock)
        said = self._describe(endpoint)
        if repair.action == "wait":
            return Staging(True, f"{said} What this run changed is undone once that has ended.")
        if repair.action == "restore":
            return self._restore(repair.config, said, execution_arn)
        if repair.action == "delete":
            self._count(execution_arn, said)
            hosting.delete_endpoint(self._name)
            return Staging(True, f"{said} This run created it, so it is deleted.")
        return Staging(False, said)

    def _restore(self, config: str, said: str, execution_arn: str) -> Staging:
        if not hosting.config_exists(config):
            return Staging(
                False,
                f"ATTENTION: {said} This run's config stays in service, since endpoint config "
                f"{config}, which served before, does not exist any more.",
            )
        self._count(execution_arn, said)
        hosting.update_endpoint(self._name, config)
        return Staging(True, f"{said} It goes back to endpoint config {config}.")

    def _count(self, execution_arn: str, said: str) -> None:
        if records.count_repair(self._table, execution_arn) > cleaning.REPAIRS:
            raise CleaningIncomplete(
                f"{said} {cleaning.REPAIRS} requests did not undo what this run changed. Look at "
                f"log group /aws/sagemaker/Endpoints/{self._name}, and deploy another config or "
                "delete the endpoint."
            )

    def _describe(self, endpoint: Endpoint | None) -> str:
        if endpoint is None:
            return f"endpoint {self._name} does not exist."
        return f"endpoint {self._name} is {endpoint.status} with endpoint config {endpoint.config}."


def remove_run(run: RunFields) -> None:
    """Delete the run's endpoint config and model, if they exist and nothing refers to them."""
    if hosting.config_exists(run.name):
        if not cleaning.config_may_go(run, hosting.configs_in_use()):
            return
        hosting.delete_config(run.name)
    created = hosting.model_created(run.name)
    if created and cleaning.model_may_go(run, hosting.configs(created)):
        hosting.delete_model(run.name)


def remove_surplus(run: RunFields, *, project: str, kept: int) -> None:
    """Delete what is left of runs that are too old to go back to.

    A model goes before its config: who dies between the two still finds the config.
    """
    surplus = cleaning.surplus(
        hosting.configs(),
        hosting.configs_in_use(),
        project=project,
        run_name=run.name,
        kept=kept,
    )
    for name in surplus.models:
        hosting.delete_model(name)
    for name in surplus.configs:
        hosting.delete_config(name)
