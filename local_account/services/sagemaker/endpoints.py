"""Endpoints: their lifecycle, from one endpoint configuration to the next."""

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager

from local_account.service import ServiceError
from local_account.services.sagemaker import events
from local_account.services.sagemaker.jobs import INTERNAL_ERROR
from local_account.services.sagemaker.models import Models
from local_account.services.sagemaker.plane import Plane, Record, Table, invalid, refuse
from local_account.services.sagemaker.serving import ServingError, Variant


class Endpoints:
    """CreateEndpoint and what belongs to it."""

    def __init__(self, plane: Plane, models: Models) -> None:
        self._plane, self._models = plane, models
        self._endpoints = Table(
            plane,
            "Endpoint",
            "endpoint",
            'Could not find endpoint "{arn}".',
            'Cannot create already existing endpoint "{arn}".',
        )
        self._serving: dict[str, list[Variant]] = {}

    def create_endpoint(self, params: Record) -> Record:
        """Start to serve a configuration."""
        refuse(params, "DeploymentConfig")
        config = self._models.config(params["EndpointConfigName"])
        members = {"EndpointStatus": "Creating"}
        endpoint = self._endpoints.add(params["EndpointName"], params, members)
        self._begin(endpoint, config)
        return endpoint

    def update_endpoint(self, params: Record) -> Record:
        """Start to serve another configuration; the old one serves until the new one does."""
        refuse(params, "DeploymentConfig", "RetainAllVariantProperties", "RetainDeploymentConfig")
        config = self._models.config(params["EndpointConfigName"])
        with self._plane.lock:
            endpoint = self._settled(params["EndpointName"])
            if endpoint["EndpointStatus"] == "Failed":
                arn = endpoint["EndpointArn"]
                raise invalid(f'Cannot update endpoint "{arn}" in status Failed: delete it.')
            self._endpoints.update(endpoint, EndpointStatus="Updating")
        self._begin(endpoint, config)
        return endpoint

    def describe_endpoint(self, params: Record) -> Record:
        """Return an endpoint as it is now."""
        with self._plane.lock:
            return dict(self._endpoints.get(params["EndpointName"]))

    def list_endpoints(self, params: Record) -> Record:
        """Return a page of endpoints."""
        return self._endpoints.page(params, "Endpoints", "Descending")

    def delete_endpoint(self, params: Record) -> None:
        """Stop serving, then forget the endpoint."""
        with self._plane.lock:
            endpoint = self._settled(params["EndpointName"])
            self._endpoints.update(endpoint, EndpointStatus="Deleting")
            variants = self._serving.pop(endpoint["EndpointArn"], [])
        events.endpoint_changed(self._plane, endpoint)
        self._plane.in_background(self._remove, endpoint, variants)

    @contextmanager
    def serving(self, name: str, variant_name: str | None) -> Iterator[Variant]:
        """Yield a variant of an endpoint, which is not stopped meanwhile.

        Raises
        ------
        ServiceError
            If the endpoint does not serve, or has no such variant.
        """
        with self._plane.lock:
            variants = self._serving.get(self._endpoints.arn(name), [])
            if not variants:
                owner = self._plane.account.account_id
                raise ServiceError(
                    "ValidationError", f"Endpoint {name} of account {owner} not found."
                )
            eligible = [v for v in variants if variant_name in (None, v.name)]
            if not eligible:
                raise ServiceError("ValidationError", f"Variant {variant_name} not found.")
            variant = random.choices(eligible, [v.weight or 1e-9 for v in eligible])[0]  # noqa: S311
            variant.enter()
        try:
            yield variant
        finally:
            variant.leave()

    def _settled(self, name: str) -> Record:
        endpoint = self._endpoints.get(name)
        if endpoint["EndpointStatus"] not in ("InService", "Failed"):
            raise invalid(f'Cannot update in-progress endpoint "{endpoint["EndpointArn"]}".')
        return endpoint

    def _begin(self, endpoint: Record, config: Record) -> None:
        events.endpoint_changed(self._plane, endpoint)
        self._plane.in_background(self._deploy, endpoint, config)

    def _deploy(self, endpoint: Record, config: Record) -> None:
        reason, variants, summaries = INTERNAL_ERROR, list[Variant](), list[Record]()
        try:
            for definition in config["ProductionVariants"]:
                model = self._models.model(definition["ModelName"])
                container = self._models.container(model)
                variant = Variant(self._plane, endpoint["EndpointName"], definition, model)
                variants.append(variant)
                variant.start(container)
                summaries.append(_summary(definition, container["Image"], variant.digest))
            reason = ""
        except ServingError as error:
            reason = str(error)
        except ServiceError as error:  # the model was deleted meanwhile
            reason = error.message
        finally:
            # whatever happens to this thread, the endpoint does not stay in progress
            self._settle(endpoint, config, variants, summaries, reason)

    def _settle(
        self,
        endpoint: Record,
        config: Record,
        variants: list[Variant],
        summaries: list[Record],
        reason: str,
    ) -> None:
        """Switch to the new variants, or go back to the old ones; then stop what is left over."""
        arn = endpoint["EndpointArn"]
        with self._plane.lock:
            if reason:
                leftover = variants
                status = "InService" if arn in self._serving else "Failed"
                self._endpoints.update(endpoint, EndpointStatus=status, FailureReason=reason)
            else:
                leftover = self._serving.get(arn, [])
                self._serving[arn] = variants
                endpoint.pop("FailureReason", None)
                self._endpoints.update(
                    endpoint,
                    EndpointStatus="InService",
                    EndpointConfigName=config["EndpointConfigName"],
                    ProductionVariants=summaries,
                )
        events.endpoint_changed(self._plane, endpoint)
        for variant in leftover:
            variant.retire()

    def _remove(self, endpoint: Record, variants: list[Variant]) -> None:
        for variant in variants:
            variant.retire()
        self._endpoints.remove(endpoint["EndpointName"])


def _summary(definition: Record, image: str, digest: str) -> Record:
    """Return a variant as DescribeEndpoint has it."""
    weight, count = definition.get("InitialVariantWeight", 1.0), definition["InitialInstanceCount"]
    return {
        "VariantName": definition["VariantName"],
        "DeployedImages": [
            {
                "SpecifiedImage": image,
                "ResolvedImage": f"{image.partition('@')[0].partition(':')[0]}@{digest}",
                "ResolutionTime": time.time(),
            }
        ],
        "CurrentWeight": weight,
        "DesiredWeight": weight,
        "CurrentInstanceCount": count,
        "DesiredInstanceCount": count,
    }
