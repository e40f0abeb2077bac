"""Entry point of StartRunLambda."""

from typing import Any, Literal

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from shared import images, objects
from shared.environment import StartRunEnvironment
from shared.errors import EventInvalid
from shared.events import parse_request
from shared.uploads import uploaded_object
from start_run import gateway
from start_run.logic import start_of_manifest, start_of_schedule
from start_run.models import ManifestRequest, ScheduleRequest, Start, StartResult

logger = Logger()
metrics = Metrics()
METRIC_OF = {
    "Started": "RunsStarted",
    "Duplicate": "EventsDuplicate",
    "NothingToTrain": "SchedulesWithoutData",
    "WaitsForImage": "RunsWaitingForImage",
}
SAID = {
    "Started": "Run started",
    "Duplicate": "Duplicate event",
    "NothingToTrain": "No data set version has a manifest",
    "WaitsForImage": "No image is built yet: the reconciler starts the run once there is one",
}
LEFT_OUT = "No image is built yet: this hour of the schedule is left out"


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Start the execution that an event asks for, once."""
    environment = StartRunEnvironment.load()
    asked = _asked(event, environment.bucket_name)
    result = _start(asked, environment) if asked else StartResult(status="NothingToTrain")
    logger.info(
        _said(result, asked),
        result=result.model_dump(),
        dataset=asked.input.dataset if asked else None,
    )
    metrics.add_metric(name=METRIC_OF[result.status], unit=MetricUnit.Count, value=1)
    return result.model_dump()


def _start(asked: Start, environment: StartRunEnvironment) -> StartResult:
    """Start it, unless there is no image yet."""
    if images.published(environment.image_parameter_name) is None:
        return StartResult(status="WaitsForImage", execution_name=asked.name)
    started = gateway.start(environment.state_machine_arn, asked)
    status: Literal["Started", "Duplicate"] = "Started" if started else "Duplicate"
    return StartResult(status=status, execution_name=asked.name)


def _said(result: StartResult, asked: Start | None) -> str:
    """A manifest waits to be found by the reconciler, an hour of the schedule passes."""
    is_scheduled = asked is not None and asked.input.trigger == "schedule"
    return LEFT_OUT if is_scheduled and result.status == "WaitsForImage" else SAID[result.status]


def _asked(event: dict[str, Any], bucket: str) -> Start | None:
    match event:
        case {"detail": _}:
            manifest = uploaded_object(event, bucket)
            return start_of_manifest(
                bucket,
                manifest.key,
                version_id=manifest.version_id,
                etag=manifest.etag,
                trigger="upload",
            )
        case {"manifest_key": _}:
            lost = parse_request(ManifestRequest, event)
            return start_of_manifest(
                bucket,
                lost.manifest_key,
                version_id=lost.version_id,
                etag=lost.etag,
                trigger="reconciler",
            )
        case {"scheduled_time": _}:
            return _scheduled(parse_request(ScheduleRequest, event), bucket)
    raise EventInvalid(
        f"Event of StartRun: found {str(event)[:200]!r}, expected S3's event with `detail`, a "
        "`manifest_key`, or a `scheduled_time`. Correct what sent it."
    )


def _scheduled(request: ScheduleRequest, bucket: str) -> Start | None:
    version = request.dataset or objects.newest_version(bucket)
    return start_of_schedule(version, request.scheduled_time) if version else None
