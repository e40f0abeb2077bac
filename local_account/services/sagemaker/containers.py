"""What a container runs."""

from local_account.images import Image
from local_account.services.sagemaker.plane import Record


def arguments(image: Image, specification: Record, default: list[str] | None) -> list[str]:
    """Return what a container runs: the request's entrypoint and arguments, or the image's.

    Without arguments and a default it is the image's command.
    """
    entrypoint = specification.get("ContainerEntrypoint")
    given = specification.get("ContainerArguments")
    if entrypoint:
        return [*entrypoint, *(given or [])]
    if given is None:
        given = image.command if default is None else default
    return [*image.entrypoint, *given]
