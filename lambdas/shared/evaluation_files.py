"""Files that the evaluation job wrote."""

from shared import aws
from shared.errors import EvaluationInvalid

EVALUATION_BYTES = 4 * 1024 * 1024


def read_evaluation_file(uri: str) -> bytes:
    """Return a file of the evaluation.

    Raises
    ------
    EvaluationInvalid
        If it does not exist or is too large to be one.
    """
    bucket, key = aws.split_uri(uri)
    try:
        content = aws.read_object(bucket, key, at_most_bytes=EVALUATION_BYTES)
    except aws.ObjectTooLarge as error:
        raise EvaluationInvalid(f"{error}. Look at the evaluation job's log.") from error
    if content is None:
        raise EvaluationInvalid(f"{uri}: the evaluation job ended without writing it.")
    return content
