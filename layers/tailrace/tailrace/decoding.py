"""Events as Lambda delivers them to change records.

Invariant: one result per wire record, in order; a record that cannot be read becomes `Undecodable`, never an exception,
so that it hurts only itself (law 5). Only an event without records is an error of the whole invocation.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from tailrace.errors import TailraceError
from tailrace.records import ChangeRecord, Undecodable
from tailrace.versions import version_of_seconds

MAX_SEQUENCE_NUMBER_DIGITS = 40  # API reference: 21 to 40 digits
_OPERATIONS = {"INSERT": "insert", "MODIFY": "modify", "REMOVE": "remove"}
_TTL_PRINCIPAL = "dynamodb.amazonaws.com"  # semantics 1.1: userIdentity of a TTL delete, in the origin Region alone


class UnknownEventError(TailraceError):
    """The event has no `Records`: it is no stream event, and the whole invocation fails."""


def decode_event(event: Mapping[str, Any]) -> list[ChangeRecord | Undecodable]:
    """The change records of a stream event, one per wire record. Raises UnknownEventError for any other event."""
    try:
        wires = event["Records"]
    except (KeyError, TypeError) as error:
        raise UnknownEventError("the event has no list `Records`: is it a stream event?") from error
    if not isinstance(wires, list):
        raise UnknownEventError("the event's `Records` is not a list: is it a stream event?")
    return list(_decode_records(wires))


def _decode_records(wires: list[Any]) -> Iterator[ChangeRecord | Undecodable]:
    arn = table = ""
    for wire in wires:
        try:
            if wire["eventSource"] != "aws:dynamodb":
                yield _refuse(wire, "unknown_source", "the record does not come from a DynamoDB stream")
                continue
            if wire["eventSourceARN"] != arn:
                arn = wire["eventSourceARN"]
                table = table_of_stream(arn)
            yield _decode_streams_record(wire, table, arn)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            yield _refuse(wire, "undecodable", f"the record lacks or misspells {_describe(error)}")


def _decode_streams_record(wire: Mapping[str, Any], table: str, arn: str) -> ChangeRecord:
    change = wire["dynamodb"]
    sequence_number = change["SequenceNumber"]
    if not (sequence_number.isdecimal() and len(sequence_number) <= MAX_SEQUENCE_NUMBER_DIGITS):
        raise ValueError("SequenceNumber")
    return ChangeRecord(
        table,
        _OPERATIONS[wire["eventName"]],
        change["Keys"],
        change.get("NewImage"),
        change.get("OldImage"),
        sequence_number,
        wire.get("eventID"),
        version_of_seconds(change["ApproximateCreationDateTime"]),
        "streams",
        arn,
        "userIdentity" in wire and _is_ttl_delete(wire["userIdentity"]),
        change.get("StreamViewType"),
        sequence_number,
        wire,
    )


def _is_ttl_delete(identity: Mapping[str, Any] | None) -> bool:
    if identity is None:  # semantics 2.1: the key may be there with null
        return False
    return (identity.get("principalId") or identity.get("PrincipalId")) == _TTL_PRINCIPAL


def table_of_stream(arn: str) -> str:
    """The table of a stream ARN. The label holds colons, so the ARN is split on `/` (semantics 1.1)."""
    parts = arn.split("/")
    if len(parts) != 4 or not parts[0].endswith(":table") or parts[2] != "stream":
        raise ValueError("eventSourceARN")
    return parts[1]


def _refuse(wire: Any, reason: str, detail: str) -> Undecodable:
    fields = wire if isinstance(wire, Mapping) else {}
    return Undecodable(reason, detail, _position(fields), _source(fields), fields.get("eventSourceARN"), wire)


def _position(wire: Mapping[str, Any]) -> str | None:
    for part, name in (("dynamodb", "SequenceNumber"), ("kinesis", "sequenceNumber")):
        number = wire[part].get(name) if isinstance(wire.get(part), Mapping) else None
        if isinstance(number, str) and number.isdecimal():
            return number
    return None


def _source(wire: Mapping[str, Any]) -> str:
    return {"aws:dynamodb": "streams", "aws:kinesis": "kinesis"}.get(str(wire.get("eventSource")), "unknown")


def _describe(error: Exception) -> str:
    """The field at fault. A KeyError names the missing field or an unknown operation; other texts may hold values."""
    if isinstance(error, ValueError) and error.args and error.args[0] in {"SequenceNumber", "eventSourceARN"}:
        return f"`{error.args[0]}`"
    if isinstance(error, KeyError) and error.args and error.args[0] in _WIRE_FIELDS:
        return f"`{error.args[0]}`"
    return "a field of the stream record"


_WIRE_FIELDS = frozenset(
    {"eventSource", "eventSourceARN", "dynamodb", "SequenceNumber", "Keys", "eventName", "ApproximateCreationDateTime"}
)
