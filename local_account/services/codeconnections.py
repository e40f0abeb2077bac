"""CodeConnections: connections to repositories elsewhere; no console is here to finish them."""

import uuid
from dataclasses import dataclass, field
from typing import Any

from local_account.service import Account, JsonService, ServiceError

Params = dict[str, Any]

_PER_PAGE, _MOST_TAGS = 50, 200


@dataclass
class _Connection:
    """One connection, by whichever of the service's two names it was made."""

    name: str
    arn: str
    provider: str
    host_arn: str
    tags: dict[str, str] = field(default_factory=dict)


class CodeConnections(JsonService):
    """The CodeConnections API, as far as connections go; none of them is ever AVAILABLE."""

    service_name = "codeconnections"

    def __init__(self, account: Account, connections: dict[str, _Connection]) -> None:
        super().__init__(account)
        self._connections = connections

    def create_connection(self, params: Params) -> Params:
        """Create a connection, which a person finishes in the console."""
        provider, host = params.get("ProviderType", ""), params.get("HostArn", "")
        if bool(provider) == bool(host):
            message = "Exactly one of ProviderType and HostArn must be given."
            raise ServiceError("InvalidInputException", message)
        connection_id = str(uuid.uuid4())
        arn = self.account.arn(self.service_name, f"connection/{connection_id}")
        made = _Connection(params["ConnectionName"], arn, provider, host)
        _tag(made, params.get("Tags", []))
        self._connections[connection_id] = made
        return {"ConnectionArn": arn, "Tags": _tags(made)}

    def get_connection(self, params: Params) -> Params:
        """Return a connection."""
        return {"Connection": self._shown(self._found(params["ConnectionArn"]))}

    def list_connections(self, params: Params) -> Params:
        """List the connections."""
        provider, host = params.get("ProviderTypeFilter"), params.get("HostArnFilter")
        rows = [
            self._shown(each)
            for each in list(self._connections.values())
            if provider in (None, each.provider) and host in (None, each.host_arn)
        ]
        token = params.get("NextToken", "0")
        if not token.isdecimal():
            raise ServiceError("InvalidInputException", f"Invalid NextToken {token!r}.")
        start, end = int(token), int(token) + (params.get("MaxResults") or _PER_PAGE)
        return {"Connections": rows[start:end], "NextToken": str(end) if end < len(rows) else None}

    def delete_connection(self, params: Params) -> None:
        """Delete a connection; one that is gone already is fine."""
        self._connections.pop(params["ConnectionArn"].rpartition("/")[2], None)

    def tag_resource(self, params: Params) -> None:
        """Add tags to a connection, or replace their values."""
        _tag(self._found(params["ResourceArn"]), params["Tags"])

    def untag_resource(self, params: Params) -> None:
        """Remove tags by key."""
        found = self._found(params["ResourceArn"])
        found.tags = {key: found.tags[key] for key in found.tags if key not in params["TagKeys"]}

    def list_tags_for_resource(self, params: Params) -> Params:
        """Return the tags of a connection."""
        return {"Tags": _tags(self._found(params["ResourceArn"]))}

    def _found(self, arn: str) -> _Connection:
        found = self._connections.get(arn.rpartition("/")[2])
        if found is None:
            raise ServiceError("ResourceNotFoundException", f"Resource not found: {arn}")
        return found

    def _shown(self, found: _Connection) -> Params:
        return {
            "ConnectionName": found.name,
            "ConnectionArn": found.arn,
            "ProviderType": found.provider or None,
            "OwnerAccountId": self.account.account_id,
            "ConnectionStatus": "PENDING",
            "HostArn": found.host_arn or None,
        }


class CodeStarConnections(CodeConnections):
    """The same connections, by the service's former name."""

    service_name = "codestar-connections"


def connection_services(account: Account) -> tuple[CodeConnections, CodeStarConnections]:
    """Return the service under both of its names."""
    connections: dict[str, _Connection] = {}
    return CodeConnections(account, connections), CodeStarConnections(account, connections)


def _tag(connection: _Connection, tags: list[dict[str, str]]) -> None:
    merged = connection.tags | {tag["Key"]: tag["Value"] for tag in tags}
    if len(merged) > _MOST_TAGS:
        message = f"{connection.arn} would have {len(merged)} tags, at most {_MOST_TAGS} expected."
        raise ServiceError("LimitExceededException", message)
    connection.tags = merged


def _tags(connection: _Connection) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in connection.tags.items()]
