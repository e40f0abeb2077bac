"""The order in which PrepareRun asks and decides."""

from typing import NamedTuple

from prepare_run import image_choice, logic
from prepare_run.gateway import RunGateway
from prepare_run.models import BuiltImage, Dataset, ExecutionInput, PrepareRunRequest, Run
from shared.datasets import manifest_key
from shared.environment import PrepareRunEnvironment
from shared.errors import ImageMissing, RunKeyContended
from shared.executions import RUNNING

CLAIM_ROUNDS = 10
SUCCEEDED = "SUCCEEDED"


class Turn(NamedTuple):
    """An execution's attempt at a run key, or the execution it duplicates."""

    attempt: int
    duplicate_of: str | None


def prepare_run(
    request: PrepareRunRequest, environment: PrepareRunEnvironment, gateway: RunGateway
) -> Run | None:
    """Identify the run that an execution is asked for, and claim it; None without any data set.

    Raises
    ------
    DatasetInvalid
        If the data set version is not what its manifest says.
    ImageMissing, ImageInvalid
        If there is no image to train with, or it is not one of this repository.
    RunKeyContended
        If the run key cannot be claimed for all the others that want it.
    """
    asked = request.request
    version = asked.dataset or gateway.newest_version()
    if version is None:
        return None
    hyperparameters = request.hyperparameters | asked.hyperparameters
    dataset = read_dataset(version, asked.manifest_version_id, environment.bucket_name, gateway)
    built = choose_image(asked, environment, gateway)
    settings = logic.settings_digest(hyperparameters)
    run_key = logic.run_key(dataset.digest, built.pair, settings)
    turn = _turn(asked, run_key, dataset.digest, request.execution_arn, gateway)
    return logic.describe_run(
        project=environment.project_name,
        deployment=environment.deployment_id,
        bucket=environment.bucket_name,
        dataset=dataset,
        built=built,
        hyperparameters=hyperparameters,
        key=run_key,
        attempt=turn.attempt,
        duplicate_of=turn.duplicate_of,
        trigger=asked.trigger,
    )


def read_dataset(
    version: str, manifest_version_id: str | None, bucket: str, gateway: RunGateway
) -> Dataset:
    """Check manifest and objects against each other.

    Version ids in the manifest are not compared: files that were uploaded again with the same
    bytes are the same, and the validation job reads the bytes.
    """
    root = f"s3://{bucket}/{version}/"
    key = manifest_key(version)
    content = gateway.manifest(key, manifest_version_id)
    manifest = logic.parse_manifest(content, f"s3://{bucket}/{key}", version)
    logic.check_objects(manifest, root, gateway.object_sizes(f"{version}/"))
    return logic.describe_dataset(manifest, root)


def choose_image(
    asked: ExecutionInput, environment: PrepareRunEnvironment, gateway: RunGateway
) -> BuiltImage:
    """Take the images of the input, or else those that the pipeline built last.

    Raises
    ------
    ImageMissing
        If none has been built yet, or the repository does not have one of the two any more.
    ImageInvalid
        If one of them is not of this repository, or not by digest.
    """
    built, source = image_choice.asked_for(asked), "the execution's input"
    if built is None:
        parameter = environment.image_parameter_name
        built = image_choice.published(gateway.published_images(parameter), parameter)
        source = f"parameter {parameter}"
    for name, digest in image_choice.digests(built, environment.repository_uri, source).items():
        if not gateway.has_image(digest):
            raise ImageMissing(
                f"{name}: named by {source}, but not in the repository. Let the pipeline build "
                "again, `mlops pipelines start`, or start without an image of your own."
            )
    return built


def _turn(
    asked: ExecutionInput,
    run_key: str,
    dataset_digest: str,
    execution_arn: str,
    gateway: RunGateway,
) -> Turn:
    """Take a turn, unless a late upload's data was trained meanwhile, with whatever image.

    The reconciler makes up for an upload that started nothing. If a commit's run took the data
    first, then training it with a newer image would put old data back into staging.
    """
    if asked.trigger == "reconciler":
        taken_by = gateway.taker_of(dataset_digest)
        if taken_by not in (None, execution_arn) and _stands(taken_by, gateway):
            return Turn(1, taken_by)
    turn = take_turn(run_key, execution_arn, gateway, again=asked.again)
    if turn.duplicate_of is None:
        gateway.note_taker(dataset_digest, execution_arn)
    return turn


def _stands(execution_arn: str, gateway: RunGateway) -> bool:
    return gateway.status(execution_arn) in (None, SUCCEEDED, *RUNNING)


def take_turn(run_key: str, execution_arn: str, gateway: RunGateway, *, again: bool) -> Turn:
    """Claim the next attempt, unless the run key has, or is getting, a version.

    The claim is looked at before the version: an execution writes its version before it ends,
    so one that no longer runs has either written it by now or never will.

    Parameters
    ----------
    again
        Whether to run although the run key has a version; a running claim stands even so.
    """
    for _ in range(CLAIM_ROUNDS):
        newest = gateway.newest_claim(run_key)
        if newest and newest.execution_arn == execution_arn:
            return Turn(newest.attempt, None)
        if newest and gateway.status(newest.execution_arn) in RUNNING:
            return Turn(newest.attempt, newest.execution_arn)
        if not again and (registered_by := _registered_by(run_key, gateway)):
            return Turn(newest.attempt if newest else 1, registered_by)
        attempt = newest.attempt + 1 if newest else 1
        if gateway.claim(run_key, attempt, execution_arn):
            return Turn(attempt, None)
    raise RunKeyContended(
        f"Run key {run_key}: other executions claimed it {CLAIM_ROUNDS} times. Start again later."
    )


def _registered_by(run_key: str, gateway: RunGateway) -> str | None:
    """Return an execution whose version stands: that of one that failed is rejected.

    Step Functions forgets executions after 90 days; what it has forgotten counts as succeeded.
    """
    record = gateway.version_record(run_key)
    for execution_arn in record.execution_arns if record else ():
        if gateway.status(execution_arn) in (None, SUCCEEDED):
            return execution_arn
    return None
