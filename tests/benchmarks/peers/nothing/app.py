"""A handler that does nothing: what the runtime client alone costs, reading the event's JSON included."""

from typing import Any


def lambda_handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Take the batch and leave it."""
    return {}
