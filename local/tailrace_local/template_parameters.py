"""The parameters of a template: given values and defaults, held to what the template allows.

Invariant: a value that CloudFormation would refuse is refused here, by the parameter's name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tailrace_local.arns import ACCOUNT_ID, REGION, STACK
from tailrace_local.cloudformation import TemplateError

PSEUDO_PARAMETERS: Mapping[str, Any] = {
    "AWS::AccountId": ACCOUNT_ID,
    "AWS::NotificationARNs": [],
    "AWS::Partition": "aws",
    "AWS::Region": REGION,
    "AWS::StackId": f"arn:aws:cloudformation:{REGION}:{ACCOUNT_ID}:stack/{STACK}/laptop",
    "AWS::StackName": STACK,
    "AWS::URLSuffix": "amazonaws.com",
}


def parameter_values(declared: Mapping[str, Any], given: Mapping[str, str], file: str) -> dict[str, Any]:
    """The value of every declared parameter that has one; lists for list types. Raises `TemplateError`."""
    for name in given:
        if name not in declared:
            raise TemplateError(f"{file}: Parameters.{name}: it has a value here, but the template does not declare it")
    values = {name: given.get(name, each.get("Default")) for name, each in declared.items()}
    known = {name: value for name, value in values.items() if value is not None}
    for name, value in known.items():
        _check(declared[name], str(value), f"{file}: Parameters.{name}")
    return {name: _typed(declared[name], value) for name, value in known.items()}


def _check(declared: Mapping[str, Any], value: str, place: str) -> None:
    allowed = declared.get("AllowedValues")
    if allowed is not None and value not in map(str, allowed):
        raise TemplateError(f"{place}: {value!r} is none of {', '.join(map(str, allowed))}")
    pattern = declared.get("AllowedPattern")
    if pattern is not None and not re.fullmatch(str(pattern), value):
        # The value is not shown: it may hold a password.
        raise TemplateError(f"{place}: its value does not match {pattern}")


def _typed(declared: Mapping[str, Any], value: Any) -> Any:
    is_list = str(declared.get("Type", "")).startswith(("CommaDelimitedList", "List<"))
    return str(value).split(",") if is_list else value
