"""The order in which PrepareRun asks and decides."""

from typing import NamedTuple

from prepare_run import logic
from prepare_run.gateway import RunGateway
from prepare_run.models import Dataset, PrepareRunRequest, Run
from shared.environment import PrepareRunEnvironment
from shared.errors import DatasetInvalid, RunKeyContended

CLAIM_ROUNDS = 10


class Turn(NamedTuple):
    """An execution's attempt at a run key, or the execution it duplicates."""

    attempt: int
    duplicate_of: str | None


def prepare_run(
    request: PrepareRunRequest, environment: PrepareRunEnvironment, gateway: RunGateway
) -> Run:
    """Identify the run that an uploaded manifest asks for, and claim it.

    Raises
    ------
    DatasetInvalid
        If the data set version is not what its manifest says.
    ImageMissing
        If there is no image to train with.
    RunKeyContended
        If the run key cannot be claimed for all the others that want it.
    """
    dataset = read_dataset(request, environment.bucket_name, gateway)
    image = logic.newest_pair(gateway.images(), environment.repository_uri)
    settings = logic.settings_digest(request.hyperparameters)
    run_key = logic.run_key(dataset.digest, image, settings)
    turn = take_turn(run_key, request.execution_arn, gateway)
    return logic.describe_run(
        project=environment.project_name,
        bucket=environment.bucket_name,
        dataset=dataset,
        image=image,
        hyperparameters=request.hyperparameters,
        key=run_key,
        attempt=turn.attempt,
        duplicate_of=turn.duplicate_of,
    )


def read_dataset(request: PrepareRunRequest, bucket: str, gateway: RunGateway) -> Dataset:
    """Check manifest and objects against each other."""
    found = request.event.bucket.name
    key = request.event.object.key
    if found != bucket:
        raise DatasetInvalid(f"s3://{found}/{key}: expected an object of bucket {bucket}.")
    version = logic.dataset_version(bucket, key)
    root = f"s3://{bucket}/{version}/"
    content = gateway.manifest(key, request.event.object.version_id)
    manifest = logic.parse_manifest(content, f"s3://{bucket}/{key}", version)
    logic.check_objects(manifest, root, gateway.object_sizes(f"{version}/"))
    for file in manifest.files:
        if file.version_id is None:
            continue
        current = gateway.current_version_id(f"{version}/{file.key}")
        if current != file.version_id:
            raise DatasetInvalid(
                f"{root}{file.key}: was replaced (version id {current}, expected "
                f"{file.version_id} as in the manifest). Write the manifest again."
            )
    return logic.describe_dataset(manifest, root)


def take_turn(run_key: str, execution_arn: str, gateway: RunGateway) -> Turn:
    """Claim the next attempt, unless the run key has, or is getting, a version.

    The claim is looked at before the version: an execution writes its version before it ends,
    so one that no longer runs has either written it by now or never will.
    """
    for _ in range(CLAIM_ROUNDS):
        newest = gateway.newest_claim(run_key)
        if newest and newest.execution_arn == execution_arn:
            return Turn(newest.attempt, None)
        if newest and gateway.is_running(newest.execution_arn):
            return Turn(newest.attempt, newest.execution_arn)
        if registered_by := gateway.registered_by(run_key):
            return Turn(newest.attempt if newest else 1, registered_by)
        attempt = newest.attempt + 1 if newest else 1
        if gateway.claim(run_key, attempt, execution_arn):
            return Turn(attempt, None)
    raise RunKeyContended(
        f"Run key {run_key}: other executions claimed it {CLAIM_ROUNDS} times. Start again later."
    )
