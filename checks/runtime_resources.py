"""What a state machine creates at run time, out of sight of whoever scans templates."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from checks.findings import Finding
from checks.images import is_moving
from checks.integrations import integration
from checks.machines import Machine, State
from checks.secret_values import secrets_in

LOCAL_DISKS = re.compile(r"^ml\.(g[4-9]\w*|p3dn|p[4-9]\w*|trn\w+|[a-z]+\d+\w*d\w*)\.")
"""Instances with disks of their own, for which SageMaker takes no key: they encrypt themselves."""
Places = tuple[str, ...]


@dataclass(frozen=True)
class Wanted:
    """What one kind of request has to say, by the paths of its parameters."""

    isolated: Places = ()
    keys: Places = ()
    volume: str = ""
    inter_container: str = ""
    count: str = ""
    bounded: str = ""
    tags: bool = True


_ISOLATION = "EnableNetworkIsolation"
_ENCRYPTION = "EnableInterContainerTrafficEncryption"
_RUNTIME = "StoppingCondition.MaxRuntimeInSeconds"
_CLUSTER = "ProcessingResources.ClusterConfig"
_TUNED = "TrainingJobDefinition"
WANTED = {
    "createTrainingJob": Wanted(
        isolated=(_ISOLATION,),
        keys=("OutputDataConfig.KmsKeyId",),
        volume="ResourceConfig",
        inter_container=_ENCRYPTION,
        count="ResourceConfig.InstanceCount",
        bounded=_RUNTIME,
    ),
    "createProcessingJob": Wanted(
        isolated=(f"NetworkConfig.{_ISOLATION}",),
        keys=("ProcessingOutputConfig.KmsKeyId",),
        volume=_CLUSTER,
        inter_container=f"NetworkConfig.{_ENCRYPTION}",
        count=f"{_CLUSTER}.InstanceCount",
        bounded=_RUNTIME,
    ),
    "createTransformJob": Wanted(keys=("TransformOutput.KmsKeyId",), volume="TransformResources"),
    "createHyperParameterTuningJob": Wanted(
        isolated=(f"{_TUNED}.{_ISOLATION}",),
        keys=(f"{_TUNED}.OutputDataConfig.KmsKeyId",),
        volume=f"{_TUNED}.ResourceConfig",
        inter_container=f"{_TUNED}.{_ENCRYPTION}",
        count=f"{_TUNED}.ResourceConfig.InstanceCount",
        bounded=f"{_TUNED}.{_RUNTIME}",
    ),
    "createModel": Wanted(isolated=(_ISOLATION,)),
    "createEndpointConfig": Wanted(keys=("KmsKeyId",)),
    "createEndpoint": Wanted(),
}
IMAGES = {"TrainingImage", "ImageUri", "Image"}


def find(machine: Machine) -> Iterator[Finding]:
    """Yield what would be created open, unencrypted, unlimited or unnamed."""
    for state in machine.states:
        called = integration(str(state.body.get("Resource", "")))
        asked = state.parameters
        if called is None or called.service != "sagemaker" or not isinstance(asked, Mapping):
            continue
        if wanted := WANTED.get(called.action):
            yield from _missing(state, wanted)
        yield from _anywhere(state, asked)
        if asked.get("ModelApprovalStatus") == "Approved":
            yield state.finding(
                "run-approval", "ModelApprovalStatus Approved", "a person's approval later"
            )


def _missing(state: State, wanted: Wanted) -> Iterator[Finding]:
    asked = state.parameters
    for place in wanted.isolated:
        if not _is_on(_at(asked, place)):
            yield state.finding("run-network-isolation", f"{place} {_at(asked, place)}", "True")
    for place in wanted.keys:
        if not _at(asked, place):
            yield state.finding("run-encryption-key", f"no {place}", "a KMS key")
    if wanted.volume and not _volume_is_encrypted(_at(asked, wanted.volume)):
        found = f"no {wanted.volume}.VolumeKmsKeyId"
        yield state.finding("run-encryption-key", found, "a KMS key")
    count = _at(asked, wanted.count) if wanted.count else None
    if isinstance(count, int) and count > 1 and not _is_on(_at(asked, wanted.inter_container)):
        found = f"{wanted.inter_container} off with {count} instances"
        yield state.finding("run-container-encryption", found, "True")
    if wanted.bounded and not _at(asked, wanted.bounded):
        yield state.finding("run-stopping-condition", f"no {wanted.bounded}", "a longest run time")
    if wanted.tags and not _at(asked, "Tags"):
        yield state.finding("run-tags", "no Tags", "tags that say whose it is")


def _at(value: Any, path: str) -> Any:
    """Return what a path leads to; the execution's own value (`Name.$`) counts as one."""
    for name in path.split("."):
        if not isinstance(value, Mapping):
            return value if isinstance(value, str) else None  # a JSONata expression
        value = value.get(name, value.get(f"{name}.$"))
    return value


def _is_on(value: Any) -> bool:
    return value is True or isinstance(value, str)


def _volume_is_encrypted(resources: Any) -> bool:
    if not isinstance(resources, Mapping):
        return isinstance(resources, str)
    own_disk = LOCAL_DISKS.match(str(resources.get("InstanceType", "")))
    return bool(_at(resources, "VolumeKmsKeyId") or own_disk)


def _anywhere(state: State, value: Any) -> Iterator[Finding]:
    """Look at images, and at what containers are told, wherever a request has them."""
    if isinstance(value, list):
        for part in value:
            yield from _anywhere(state, part)
    if not isinstance(value, Mapping):
        return
    for name, part in value.items():
        if name in IMAGES and is_moving(part):
            yield state.finding("image-by-tag", f"{name} {part}", "an image by its digest")
        if name in {"HyperParameters", "StaticHyperParameters", "Environment"}:
            for secret in secrets_in(part):
                yield state.finding(
                    "secret", f"{name}.{secret} as plain text", "a secret's ARN, read at run time"
                )
        yield from _anywhere(state, part)
