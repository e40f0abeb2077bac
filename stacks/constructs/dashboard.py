"""One page of graphs: runs, versions, Lambdas, the staging endpoint."""

from collections.abc import Sequence

from aws_cdk import Duration, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_sqs as sqs
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from stacks.constructs.python_function import PythonFunction
from stacks.workflows.hosting import VARIANT

PERIOD = Duration.minutes(5)
WIDTH, HEIGHT = 8, 6
# What the Lambdas count, and measure in seconds, by the module that does.
COUNTS = (
    ("start_run", "RunsStarted"),
    ("start_run", "EventsDuplicate"),
    ("start_run", "RunsWaitingForImage"),
    ("prepare_run", "RunsDuplicate"),
    ("dataset_sealer", "DatasetsSealed"),
    ("dataset_sealer", "UploadsUnchanged"),
    ("model_registry", "VersionsRegistered"),
    ("run_ended", "NotificationsSent"),
    ("reconciler", "LostEventsExecutions"),
    ("reconciler", "LostEventsUploads"),
    ("reconciler", "EndpointsExpired"),
)
SECONDS = (("staging_lock", "StagingWaitSeconds"), ("endpoint_wait", "EndpointSeconds"))


class RunDashboard(cloudwatch.Dashboard):
    """A dashboard with the stack's name; the console adds no cost for looking at it."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        state_machine: sfn.StateMachine,
        dead_letter_queue: sqs.IQueue,
        functions: Sequence[PythonFunction],
        endpoint_name: str,
        namespace: str,
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            dashboard_name=Stack.of(scope).stack_name,
            default_interval=Duration.days(7),
        )
        self.add_widgets(
            _graph("Runs", _runs(state_machine)),
            _graph("Run duration", _durations(state_machine)),
            _graph("Dead letters", [_visible(dead_letter_queue)]),
        )
        self.add_widgets(
            _graph("Quality of trained models", [_quality(namespace)]),
            _graph("Data sets, versions, lost events", _own(namespace, COUNTS, "Sum")),
            _graph("Staging: seconds waited", _own(namespace, SECONDS, "Maximum")),
        )
        self.add_widgets(
            _graph("Lambda errors", [f.metric_errors(label=f.node.id) for f in functions]),
            _graph("Lambda throttles", [f.metric_throttles(label=f.node.id) for f in functions]),
            _graph(
                "Lambda duration (p95)",
                [f.metric_duration(label=f.node.id, statistic="p95") for f in functions],
            ),
        )
        self.add_widgets(
            _graph("Endpoint requests", _requests(endpoint_name)),
            _graph("Endpoint errors", _request_errors(endpoint_name)),
            _graph("Endpoint latency", _latencies(endpoint_name)),
        )


def _graph(title: str, metrics: Sequence[cloudwatch.IMetric]) -> cloudwatch.GraphWidget:
    return cloudwatch.GraphWidget(
        title=title, left=list(metrics), width=WIDTH, height=HEIGHT, period=PERIOD
    )


def _runs(machine: sfn.StateMachine) -> list[cloudwatch.IMetric]:
    return [
        machine.metric_started(label="started"),
        machine.metric_succeeded(label="succeeded"),
        machine.metric_failed(label="failed"),
        machine.metric_timed_out(label="timed out"),
        machine.metric_aborted(label="aborted"),
    ]


def _durations(machine: sfn.StateMachine) -> list[cloudwatch.IMetric]:
    return [machine.metric_time(label=name, statistic=name) for name in ("p50", "p95")]


def _visible(queue: sqs.IQueue) -> cloudwatch.IMetric:
    return queue.metric_approximate_number_of_messages_visible(label="waiting", statistic="Maximum")


def _own(
    namespace: str, names: Sequence[tuple[str, str]], statistic: str
) -> list[cloudwatch.IMetric]:
    """Metrics of the Lambdas as Powertools publishes them: by the dimension `service`."""
    return [
        cloudwatch.Metric(
            namespace=namespace,
            metric_name=name,
            dimensions_map={"service": service},
            statistic=statistic,
            label=name,
        )
        for service, name in names
    ]


def _quality(namespace: str) -> cloudwatch.IMetric:
    """Whatever metrics the gate tests: the settings name them."""
    schema = f'{{"{namespace}","service"}}'
    seconds = int(PERIOD.to_seconds())
    return cloudwatch.MathExpression(
        expression=f"SEARCH('{schema} service=\"evaluation_reader\"', 'Average', {seconds})",
        using_metrics={},
        label="",
        period=PERIOD,
    )


def _requests(endpoint_name: str) -> list[cloudwatch.IMetric]:
    return [_of_endpoint(endpoint_name, "Invocations", "Sum")]


def _request_errors(endpoint_name: str) -> list[cloudwatch.IMetric]:
    return [
        _of_endpoint(endpoint_name, f"Invocation{kind}Errors", "Sum") for kind in ("4XX", "5XX")
    ]


def _latencies(endpoint_name: str) -> list[cloudwatch.IMetric]:
    return [
        _of_endpoint(endpoint_name, name, "p95") for name in ("ModelLatency", "OverheadLatency")
    ]


def _of_endpoint(endpoint_name: str, name: str, statistic: str) -> cloudwatch.IMetric:
    return cloudwatch.Metric(
        namespace="AWS/SageMaker",
        metric_name=name,
        dimensions_map={"EndpointName": endpoint_name, "VariantName": VARIANT},
        statistic=statistic,
    )
