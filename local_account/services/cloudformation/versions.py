"""CloudFormation: read the version of a stack that a request asks for."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from botocore.exceptions import ClientError

from local_account.service import Account, ServiceError
from local_account.services.cloudformation import templates
from local_account.services.cloudformation.intrinsics import invalid, readable
from local_account.services.cloudformation.resource_type import ResourceType
from local_account.services.cloudformation.stacks import Registry, Stack, Version

_REFUSED = (
    *("NotificationARNs", "ResourcesToImport", "ResourceTypes", "StackPolicyBody"),
    *("StackPolicyDuringUpdateBody", "StackPolicyDuringUpdateURL", "StackPolicyURL"),
    "TimeoutInMinutes",
)


class Versions:
    """Reads templates and parameters of requests, and refuses what CloudFormation refuses.

    The caller reads templates, the stack's role (if it has one) the parameters of SSM.
    """

    def __init__(
        self,
        caller: Account,
        acting: Account,
        registry: Registry,
        types: Mapping[str, ResourceType],
    ) -> None:
        self._account, self._acting = caller, acting
        self._registry, self._types = registry, types

    def asked(self, stack: Stack, params: Mapping[str, Any]) -> Version:
        """Return the version that a request to create or update a stack asks for.

        Raises
        ------
        ServiceError
            If CloudFormation would refuse it, or if it is not modelled here.
        """
        if unmodelled := [name for name in _REFUSED if params.get(name)]:
            message = f"The embedded account does not model {unmodelled[0]}; leave it out."
            raise ServiceError("UnsupportedOperation", message, 501)
        body = self._body(params, stack)
        with readable("the template"):
            template = templates.parse(body, inline="TemplateBody" in params)
            templates.check(template, self._types)
        self._check_capabilities(template, params)
        texts = templates.parameter_texts(template, _given(params, stack.version.parameters))
        values = templates.parameter_values(template, texts, self._look_up)
        tags = {tag["Key"]: tag["Value"] for tag in params.get("Tags", [])}
        version = Version(body, template, texts, values, tags or stack.version.tags)
        self._check_rules(stack, version)
        return version

    def _body(self, params: Mapping[str, Any], stack: Stack) -> str:
        named = [name for name in ("TemplateBody", "TemplateURL") if params.get(name)]
        if params.get("UsePreviousTemplate"):
            if named:
                message = "You cannot specify both usePreviousTemplate and Template Body/Template"
                raise invalid(f"{message} URL.")
            return stack.version.body
        if len(named) != 1:
            raise invalid("Either Template URL or Template Body must be specified.")
        value = str(params[named[0]])
        return value if named == ["TemplateBody"] else self._downloaded(value)

    def _downloaded(self, url: str) -> str:
        parts = urlsplit(url)
        path = unquote(parts.path).lstrip("/")
        if url.startswith(self._account.url) or parts.netloc.startswith("s3"):
            bucket, _, key = path.partition("/")
        else:
            bucket, key = parts.netloc.partition(".s3")[0], path
        try:
            answer = self._account.client("s3").get_object(Bucket=bucket, Key=key)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            raise invalid(f"S3 error: {code} ({url})") from error
        text: str = answer["Body"].read().decode()
        return text

    def _look_up(self, name: str) -> str:
        try:
            found = self._acting.client("ssm").get_parameters(Names=[name])["Parameters"]
        except ClientError as error:
            raise invalid(error.response["Error"]["Message"]) from error
        if not found:
            what = f"Unable to fetch parameters [{name}] from parameter store for this account."
            raise invalid(what)
        value: str = found[0]["Value"]
        return value

    def _check_capabilities(self, template: templates.Template, params: Mapping[str, Any]) -> None:
        given = set(params.get("Capabilities", []))
        needed = templates.required_capabilities(template)
        if needed and not given & {*needed, "CAPABILITY_NAMED_IAM"}:
            message = f"Requires capabilities : [{needed[0]}]"
            raise ServiceError("InsufficientCapabilitiesException", message)

    def _check_rules(self, stack: Stack, version: Version) -> None:
        scope = self._registry.scope(stack, version, {}, set())
        for name, rule in version.template.get("Rules", {}).items():
            if "RuleCondition" in rule and not scope.true(rule["RuleCondition"]):
                continue
            for assertion in rule["Assertions"]:
                if not scope.true(assertion["Assert"]):
                    what = assertion.get("AssertDescription", "")
                    raise invalid(f"Template error: Rule {name} is violated. {what}")


def _given(params: Mapping[str, Any], previous: Mapping[str, str]) -> dict[str, str]:
    given = {}
    for parameter in params.get("Parameters", []):
        name = parameter["ParameterKey"]
        if not parameter.get("UsePreviousValue"):
            given[name] = parameter.get("ParameterValue", "")
        elif name in previous:
            given[name] = previous[name]
        else:
            raise invalid(
                f"Invalid input for parameter key {name}. Cannot specify "
                "usePreviousValue as true for a parameter key not in the previous "
                "template"
            )
    return given
