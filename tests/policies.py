"""What the roles of template.yaml may do: their policies with every value resolved, and a strict judge of them.

Invariant: the judge knows Allow with Action and Resource alone; a policy that says more is refused, never guessed at.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tailrace_local.arns import ACCOUNT_ID, REGION, STACK, bucket_arn, data_stream_arn, function_arn
from tailrace_local.cloudformation import Resolver, load_document
from tailrace_local.template_parameters import PSEUDO_PARAMETERS, parameter_values

ROOT = Path(__file__).resolve().parents[1]
TEMPLATE = load_document(ROOT / "template.yaml")
DOMAIN = f"arn:aws:es:{REGION}:{ACCOUNT_ID}:domain/orders"
COLLECTION = f"arn:aws:aoss:{REGION}:{ACCOUNT_ID}:collection/07tjusf2h91cunochc"
TABLE = f"arn:aws:dynamodb:{REGION}:{ACCOUNT_ID}:table"
# What the parameters for the streams of the sample tables may be.
SAMPLE_STREAMS = {
    name: f"{TABLE}/{name.removesuffix('StreamArn').lower()}/stream/2026-11-21T12:51:11.612"
    for name in TEMPLATE["Parameters"]
    if name.endswith("StreamArn")
}
UNDERSTOOD = {"Sid", "Effect", "Action", "Resource"}


@dataclass(frozen=True)
class Statement:
    """One thing that is allowed: patterns of actions on patterns of resources."""

    sid: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]

    def allows(self, action: str, resource: str) -> bool:
        return any(_matches(pattern, action, re.IGNORECASE) for pattern in self.actions) and any(
            _matches(pattern, resource) for pattern in self.resources
        )


@dataclass(frozen=True)
class Role:
    """A role of the template: the documents of its policies as they would be deployed, and what they allow."""

    name: str
    documents: Mapping[str, dict]

    @property
    def statements(self) -> tuple[Statement, ...]:
        return tuple(_statement(each) for document in self.documents.values() for each in document["Statement"])

    def allows(self, action: str, resource: str) -> bool:
        """Everything is refused that no statement allows."""
        return any(statement.allows(action, resource) for statement in self.statements)


def read_roles(parameters: Mapping[str, str]) -> dict[str, Role]:
    """The roles that a stack with these parameters has, by their logical names."""
    values = parameter_values(TEMPLATE["Parameters"], parameters, "template.yaml")
    resolver = Resolver(TEMPLATE, "template.yaml", {**PSEUDO_PARAMETERS, **values}, _known)
    return {
        name: Role(name, {each["PolicyName"]: each["PolicyDocument"] for each in _policies(name, resource, resolver)})
        for name, resource in TEMPLATE["Resources"].items()
        if resource["Type"] == "AWS::IAM::Role"
        and ("Condition" not in resource or resolver.holds(resource["Condition"], name))
    }


def roles_of_functions() -> dict[str, str]:
    """The role of each function, both by their logical names."""
    found = {name: each for name, each in TEMPLATE["Resources"].items() if each["Type"] == "AWS::Serverless::Function"}
    return {name: each["Properties"]["Role"]["Fn::GetAtt"][0] for name, each in found.items()}


def _policies(name, resource, resolver):
    return resolver.resolve(resource["Properties"]["Policies"], f"{name}.Policies")


def _known(name: str, attribute: str | None) -> str:
    if attribute is None:
        return f"{STACK}-{name.lower()}"
    arns = {
        "AWS::S3::Bucket": bucket_arn(f"{STACK}-{name.lower()}"),
        "AWS::Serverless::Function": function_arn(f"{STACK}-{name}"),
        "AWS::Kinesis::Stream": data_stream_arn(f"{STACK}-{name}"),
        "AWS::Logs::LogGroup": f"arn:aws:logs:{REGION}:{ACCOUNT_ID}:log-group:/aws/lambda/{name}:*",
        "AWS::OpenSearchService::Domain": DOMAIN,
    }
    return arns[TEMPLATE["Resources"][name]["Type"]]


def _statement(given: dict) -> Statement:
    if set(given) - UNDERSTOOD or given["Effect"] != "Allow":
        raise ValueError(f"{given.get('Sid')} says more than this judge understands: {sorted(set(given) - UNDERSTOOD)}")
    return Statement(given["Sid"], _listed(given["Action"]), _listed(given["Resource"]))


def _listed(value) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


@cache
def _pattern(text: str, flags: int) -> re.Pattern:
    return re.compile("".join({"*": ".*", "?": "."}.get(each, re.escape(each)) for each in text), flags | re.DOTALL)


def _matches(pattern: str, text: str, flags: int = 0) -> bool:
    return _pattern(pattern, flags).fullmatch(text) is not None
