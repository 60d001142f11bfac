"""What a stream function's answer means: all settled, settled up to a sequence number, or nothing settled.

Invariant: an answer that names anything but a record of its batch settles nothing; without `ReportBatchItemFailures`
in the mapping every answer settles everything.
"""

from __future__ import annotations

from collections.abc import Container

import orjson

from tailrace_local.deliveries import Failed, Outcome, Reported, Succeeded


def read_response(payload: bytes, sequence_numbers: Container[str], reports_item_failures: bool) -> Outcome:
    """The outcome of an invocation that raised nothing and answered `payload` (JSON).

    `sequence_numbers` are those of its batch; of several reported ones the lowest counts.
    """
    if not reports_item_failures:
        return Succeeded()
    try:
        answer = orjson.loads(payload) if payload else None
    except orjson.JSONDecodeError:
        return Failed(None)
    if answer in (None, {}, [], ""):
        return Succeeded()
    return _read_failures(answer, sequence_numbers)


def _read_failures(answer: object, sequence_numbers: Container[str]) -> Outcome:
    if not isinstance(answer, dict):
        return Failed(None)
    failures = answer.get("batchItemFailures")
    if failures is None or failures == []:
        return Succeeded()
    if not isinstance(failures, list):
        return Failed(None)
    reported = [_identifier(failure) for failure in failures]
    known = [number for number in reported if number is not None and number in sequence_numbers]
    return Reported(min(known, key=int)) if len(known) == len(reported) else Failed(None)


def _identifier(failure: object) -> str | None:
    identifier = failure.get("itemIdentifier") if isinstance(failure, dict) else None
    return identifier if isinstance(identifier, str) and identifier else None
