"""The model registry: groups of model package versions, their metrics and their approval."""

from typing import Any

from local_account.images import ImageNotFound
from local_account.service import ServiceError
from local_account.services.sagemaker import events
from local_account.services.sagemaker.plane import Plane, Record, Table, invalid, refuse, refuse_if

_PENDING = "PendingManualApproval"
_UPDATED = ("ModelApprovalStatus", "ApprovalDescription", "ModelLifeCycle", "ModelCard")


class ModelPackages:
    """CreateModelPackageGroup, CreateModelPackage and what belongs to them."""

    def __init__(self, plane: Plane) -> None:
        self._plane = plane
        self._groups = Table(
            plane,
            "ModelPackageGroup",
            "model-package-group",
            "ModelPackageGroup {arn} does not exist.",
            "Model Package Group already exists: {arn}",
        )
        self._packages = Table(
            plane, "ModelPackage", "model-package", "ModelPackage {arn} does not exist."
        )
        self._tokens: dict[str, tuple[Record, Record]] = {}
        self._last_version: dict[str, int] = {}

    def create_model_package_group(self, params: Record) -> Record:
        """Create a group."""
        name = params["ModelPackageGroupName"]
        return self._groups.add(name, params, {"ModelPackageGroupStatus": "Completed"})

    def describe_model_package_group(self, params: Record) -> Record:
        """Return a group."""
        return {"CreatedBy": {}, **self._groups.get(params["ModelPackageGroupName"])}

    def list_model_package_groups(self, params: Record) -> Record:
        """Return a page of groups."""
        refuse_if(params.get("CrossAccountFilterOption") == "CrossAccount", "CrossAccount")
        return self._groups.page(params, "ModelPackageGroupSummaryList", "Ascending")

    def delete_model_package_group(self, params: Record) -> None:
        """Delete a group that has no versions."""
        with self._plane.lock:
            group = self._groups.get(params["ModelPackageGroupName"])
            arn = group["ModelPackageGroupArn"]
            if any(self._group_of(package) == arn for package in self._packages.rows.values()):
                message = f"Model Package Group {arn} cannot be deleted: it has model packages."
                raise ServiceError("ConflictException", message)
            self._groups.remove(arn)
            self._last_version.pop(arn, None)

    def create_model_package(self, params: Record) -> Record:
        """Register the next version of a group, once per ClientToken."""
        refuse(params, "SourceAlgorithmSpecification", "ValidationSpecification")
        refuse_if("ModelPackageGroupName" not in params, "a model package without a group")
        if "ModelPackageName" in params:
            raise invalid(
                "Both ModelPackageName and ModelPackageGroupName are provided in the input. "
                "Cannot determine which one to use."
            )
        if params.get("Tags"):
            raise invalid("Tags cannot be added to a model package version: tag its group.")
        with self._plane.lock:
            token = params.get("ClientToken", "")
            earlier, package = self._tokens.get(token, (params, {}))
            if earlier != params:
                message = f"The ClientToken {token} was used with other parameters."
                raise ServiceError("ConflictException", message)
            if package:
                return package
            package = self._register(params)
            if token:
                self._tokens[token] = (params, package)
            events.model_package_changed(self._plane, package)
        return package

    def describe_model_package(self, params: Record) -> Record:
        """Return a version."""
        return self._packages.get(params["ModelPackageName"])

    def list_model_packages(self, params: Record) -> Record:
        """Return a page of versions; without a group there are only unversioned ones: none."""
        group = params.get("ModelPackageGroupName")
        versioned = group or params.get("ModelPackageType") in ("Versioned", "Both")
        arn = group and self._groups.get(group)["ModelPackageGroupArn"]

        def keep(package: Record) -> bool:
            approval = package["ModelApprovalStatus"]
            wanted = params.get("ModelApprovalStatus", approval)
            return bool(versioned) and arn in (None, self._group_of(package)) and approval == wanted

        return self._packages.page(params, "ModelPackageSummaryList", "Ascending", keep)

    def update_model_package(self, params: Record) -> Record:
        """Approve or reject a version, or change what is noted on it."""
        refuse(params, "AdditionalInferenceSpecificationsToAdd", "ModelPackageRegistrationType")
        refuse(params, "InferenceSpecification", "SourceUri")
        with self._plane.lock:
            package = self._packages.get(params["ModelPackageArn"])
            status = package["ModelApprovalStatus"]
            if status != _PENDING and params.get("ModelApprovalStatus") == _PENDING:
                raise invalid(f"ModelApprovalStatus cannot change from {status} to {_PENDING}.")
            changed = {name: params[name] for name in _UPDATED if name in params}
            properties = {
                **package.get("CustomerMetadataProperties", {}),
                **params.get("CustomerMetadataProperties", {}),
            }
            for name in params.get("CustomerMetadataPropertiesToRemove", []):
                properties.pop(name, None)
            if properties != package.get("CustomerMetadataProperties", {}):
                changed["CustomerMetadataProperties"] = properties
            if changed:
                self._packages.update(package, **changed)
                events.model_package_changed(self._plane, package, list(changed))
        return package

    def delete_model_package(self, params: Record) -> None:
        """Delete a version; its number is not used again."""
        self._packages.remove(params["ModelPackageName"])

    def container(self, name: str) -> Record:
        """Return the container definition of a version."""
        container: Record = self._packages.get(name)["InferenceSpecification"]["Containers"][0]
        return container

    def _register(self, params: Record) -> Record:
        group = self._groups.get(params["ModelPackageGroupName"])
        arn, name = group["ModelPackageGroupArn"], group["ModelPackageGroupName"]
        version = self._last_version[arn] = self._last_version.get(arn, 0) + 1
        members: dict[str, Any] = {
            "ModelPackageGroupName": name,
            "ModelPackageVersion": version,
            "ModelPackageStatus": "Completed",
            "ModelPackageStatusDetails": {"ValidationStatuses": [], "ImageScanStatuses": []},
            "ModelApprovalStatus": params.get("ModelApprovalStatus", _PENDING),
            "CertifyForMarketplace": params.get("CertifyForMarketplace", False),
        }
        if "InferenceSpecification" in params:
            members["InferenceSpecification"] = self._resolved(params["InferenceSpecification"])
        package = self._packages.add(f"{name}/{version}", params, members)
        del package["ModelPackageName"]  # only unversioned packages have one
        return package

    def _resolved(self, specification: Record) -> Record:
        """Return an inference specification with the digests of its images."""
        containers = []
        for container in specification["Containers"]:
            try:
                digest = self._plane.images.resolve(container.get("Image", ""))
            except ImageNotFound as error:
                raise invalid(f"Requested image {container.get('Image')} not found.") from error
            containers.append({**container, "ImageDigest": digest})
        return {**specification, "Containers": containers}

    def _group_of(self, package: Record) -> str:
        return self._groups.arn(package["ModelPackageGroupName"])
