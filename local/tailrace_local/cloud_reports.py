"""What a running laptop cloud says of itself, and how its functions are found by the names that people use.

Invariant: a report is plain JSON; it names functions, streams and counts, never an item's values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import orjson

from tailrace.errors import UserError
from tailrace_local.cloud import LaptopCloud
from tailrace_local.function_properties import Function
from tailrace_local.functions import InvokeResult, RequestTooLargeError

Json = dict[str, Any]


def describe(cloud: LaptopCloud) -> Json:
    """Functions, mappings with their counters, what rests and why, and what the template has beyond them.

    `ready` says whether every mapping works and lags by a minute at most.
    """
    statuses = cloud.statuses()
    resting = {mapping.name: cloud.reason_to_rest(mapping) for mapping in cloud.template.mappings}
    return {
        "functions": {name: str(function.code) for name, function in cloud.template.functions.items()},
        "ready": all(status.is_ready for status in statuses),
        "mappings": [_flat({"ready": status.is_ready, **asdict(status)}) for status in statuses],
        "resting": {name: reason for name, reason in resting.items() if reason is not None},
        "ignored": list(cloud.template.ignored),
    }


def find_function(functions: Mapping[str, Function], wanted: str) -> str:
    """The logical id of a function that is called by it, by its folder (`indexer`), or without `Function`.

    Raises `UserError`, which lists the functions.
    """
    for name, function in functions.items():
        if wanted.lower() in (name.lower(), function.code.name.lower(), name.lower().removesuffix("function")):
            return name
    raise UserError(f"there is no function {wanted}: the template declares {', '.join(functions) or 'none'}")


def invoke(cloud: LaptopCloud, wanted: str, event: bytes) -> Json:
    """Send one event (JSON) to a function. Raises `UserError` for an unknown function and a too large event."""
    name = find_function(cloud.template.functions, wanted)
    try:
        result = cloud.functions[name].invoke(event)
    except RequestTooLargeError as error:
        raise UserError(str(error)) from None
    return report(name, result)


def report(name: str, result: InvokeResult) -> Json:
    """The result of an invocation; `response` is the function's JSON."""
    return {
        "function": name,
        "response": orjson.loads(result.payload) if result.payload else None,
        "function_error": result.function_error,
        "duration_ms": round(result.duration_ms, 1),
        "log": result.log,
    }


def _flat(status: Json) -> Json:
    return {**status, **status.pop("counters")}
