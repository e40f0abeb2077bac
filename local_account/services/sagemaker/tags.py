"""Tags of SageMaker resources."""

from local_account.services.sagemaker.plane import Plane, Record, invalid


class Tags:
    """AddTags, ListTags and DeleteTags."""

    def __init__(self, plane: Plane) -> None:
        self._plane = plane

    def add_tags(self, params: Record) -> Record:
        """Add tags to a resource, or replace their values."""
        with self._plane.lock:
            self._plane.add_tags(self._known(params), params["Tags"])
        return self.list_tags(params)

    def list_tags(self, params: Record) -> Record:
        """Return all tags of a resource: there are never more than one page of them."""
        tags = self._plane.tags[self._known(params)]
        return {"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}

    def delete_tags(self, params: Record) -> None:
        """Remove tags by key."""
        with self._plane.lock:
            tags = self._plane.tags[self._known(params)]
            for key in params["TagKeys"]:
                tags.pop(key, None)

    def _known(self, params: Record) -> str:
        arn: str = params["ResourceArn"]
        if arn not in self._plane.tags:
            raise invalid(f"Could not find the resource {arn}.")
        return arn
