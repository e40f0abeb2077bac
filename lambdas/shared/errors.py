"""Named errors: Step Functions shows the class's name as the error and the message as the cause.

PipelineError
├── InputError              who sent the data, the image or the event must correct it
│   ├── EventInvalid            an event or a state's input has another shape
│   ├── DatasetInvalid          manifest and objects of a data set version disagree
│   ├── ImageMissing            no image has been built yet, or it is not there any more
│   ├── ImageInvalid            an image is not one of the repository, or not by digest
│   ├── EvaluationInvalid       a file of the evaluation cannot be read
│   └── UploadInvalid           an uploaded object belongs to no data set version
├── OutcomeError            the run's model or endpoint is not good enough to go on
│   ├── EndpointFailed          the endpoint is Failed, or cannot be updated
│   ├── EndpointBusy            another deployment of the endpoint is under way
│   ├── StagingBusy             another execution holds staging for longer than this one may wait
│   ├── EndpointRolledBack      the endpoint serves its previous model again
│   ├── EndpointTimedOut        the endpoint is not in service within its time
│   └── ModelTestFailed         the endpoint predicts something else than the evaluation
└── PlatformError           the deployment or the platform must be corrected
    ├── EnvironmentInvalid      an environment variable is missing or malformed
    ├── ServiceUnavailable      a service is throttled, fails or cannot be reached
    ├── RunKeyContended         too many executions want one run key at once
    ├── CleaningIncomplete      something that a run left could not be removed yet
    └── ReconcilingIncomplete   something that an event was lost for could not be looked at
"""

# The same input comes to the same end: what is to be mended is not the run.
AFTER_MENDING_DATA = frozenset({"DatasetInvalid", "UploadInvalid", "EventInvalid"})
NOT_WORTH_A_RETRY = AFTER_MENDING_DATA | {
    "HyperparametersInvalid",
    "QualityGateFailed",
    "MetricsMissing",
    "ImageInvalid",
}


class PipelineError(Exception):
    """A run ends here."""


class InputError(PipelineError):
    """What came in is wrong."""


class EventInvalid(InputError):
    """An event or a state's input has another shape."""


class DatasetInvalid(InputError):
    """Manifest and objects of a data set version disagree."""


class ImageMissing(InputError):
    """No image has been built yet, or the repository does not have it any more."""


class ImageInvalid(InputError):
    """An image is not one of the project's repository, or not named by its digest."""


class EvaluationInvalid(InputError):
    """A file of the evaluation is missing or malformed."""


class UploadInvalid(InputError):
    """An uploaded object belongs to no data set version."""


class OutcomeError(PipelineError):
    """The run's model or endpoint is not good enough to go on."""


class EndpointFailed(OutcomeError):
    """The endpoint is Failed, or in a status that allows no update."""


class EndpointBusy(OutcomeError):
    """Another deployment of the endpoint is under way."""


class StagingBusy(OutcomeError):
    """Another execution holds staging for longer than this one may wait."""


class EndpointRolledBack(OutcomeError):
    """The endpoint serves its previous model again."""


class EndpointTimedOut(OutcomeError):
    """The endpoint is not in service within its time."""


class ModelTestFailed(OutcomeError):
    """The endpoint predicts something else than the evaluation did."""


class PlatformError(PipelineError):
    """The deployment or the platform must be corrected."""


class EnvironmentInvalid(PlatformError):
    """An environment variable is missing or malformed."""


class ServiceUnavailable(PlatformError):
    """A service is throttled, fails or cannot be reached, longer than its client retries."""


class RunKeyContended(PlatformError):
    """Too many executions want one run key at once."""


class CleaningIncomplete(PlatformError):
    """Something that a run left could not be removed yet."""


class ReconcilingIncomplete(PlatformError):
    """Something that an event was lost for could not be looked at, or not be made up for."""
