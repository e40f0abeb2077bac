"""The record in the bucket that a run key has a version in the registry."""

from pydantic import BaseModel, ConfigDict

from shared import aws

RECORD_BYTES = 64 * 1024


class VersionRecord(BaseModel):
    """Which executions registered versions of a run key, the latest first."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    execution_arn: str
    earlier: tuple[str, ...] = ()
    model_package_arn: str | None = None

    @property
    def execution_arns(self) -> tuple[str, ...]:
        """All of them."""
        return (self.execution_arn, *self.earlier)


def key_of(run_key: str) -> str:
    """Key of a run key's record."""
    return f"runs/{run_key}/version.json"


def read(bucket: str, run_key: str) -> VersionRecord | None:
    """Return the record, or None where the run key has no version."""
    content = aws.read_object(bucket, key_of(run_key), at_most_bytes=RECORD_BYTES)
    return VersionRecord.model_validate_json(content) if content else None
