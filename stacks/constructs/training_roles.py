"""The roles that the run's jobs and its endpoint take, one per purpose."""

from constructs import Construct

from stacks.constructs.job_role import JobRole
from stacks.settings import NetworkSettings
from stacks.storage import StorageStack

PROCESSING_LOGS = "/aws/sagemaker/ProcessingJobs"
TRAINING_LOGS = "/aws/sagemaker/TrainingJobs"
ENDPOINT_LOGS = "/aws/sagemaker/Endpoints"
CHANNELS = ("*/train/*", "*/validation/*")
MODEL_ARTIFACTS = "runs/*/training/*"


class TrainingRoles:
    """Who reads which keys, and who writes which."""

    def __init__(self, scope: Construct, storage: StorageStack, network: NetworkSettings) -> None:
        in_vpc = bool(network.subnet_ids)
        self.validation = JobRole(
            scope,
            "ValidationJobRole",
            storage=storage,
            in_vpc=in_vpc,
            log_group=PROCESSING_LOGS,
            reads=("*/_MANIFEST.json", *CHANNELS),
            writes=("runs/*/validation/*",),
        )
        self.training = JobRole(
            scope,
            "TrainingJobRole",
            storage=storage,
            in_vpc=in_vpc,
            log_group=TRAINING_LOGS,
            reads=CHANNELS,
            writes=(MODEL_ARTIFACTS,),
        )
        self.evaluation = JobRole(
            scope,
            "EvaluationJobRole",
            storage=storage,
            in_vpc=in_vpc,
            log_group=PROCESSING_LOGS,
            reads=(MODEL_ARTIFACTS, *CHANNELS),
            writes=("runs/*/evaluation/*",),
        )
        self.model = JobRole(
            scope,
            "ModelExecutionRole",
            storage=storage,
            in_vpc=in_vpc,
            log_group=ENDPOINT_LOGS,
            reads=(MODEL_ARTIFACTS,),
        )

    @property
    def all(self) -> tuple[JobRole, ...]:
        """What the state machine passes to SageMaker."""
        return (self.validation, self.training, self.evaluation, self.model)
