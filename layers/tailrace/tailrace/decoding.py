"""Events as Lambda delivers them to change records, whichever stream they come from.

Invariant: one result per wire record, in order; a record that cannot be read becomes `Undecodable`, never an exception,
so that it hurts only itself (law 5). Only an event without records is an error of the whole invocation.
"""

import json
from collections.abc import Mapping
from typing import Any

from tailrace import acceleration
from tailrace.errors import TailraceError
from tailrace.kinesis import KINESIS_SOURCE, decode_kinesis_record, is_position, peek_table
from tailrace.raw_events import RawEvent, RawMap
from tailrace.records import ChangeRecord, Undecodable
from tailrace.stream_records import DYNAMODB_SOURCE, MisspelledRecordError, decode_stream_record, table_of_stream

_SOURCES = {DYNAMODB_SOURCE: "streams", KINESIS_SOURCE: "kinesis"}


class UnknownEventError(TailraceError):
    """The event has no `Records`: it is no stream event, and the whole invocation fails."""


def decode_event(event: Mapping[str, Any] | RawEvent) -> list[ChangeRecord | Undecodable]:
    """The change records of a stream event, one per wire record. Raises UnknownEventError for any other event."""
    if not isinstance(event, RawEvent):
        return _decode_read(event)
    records = _decode_raw(event)
    return _decode_read(event.read()) if records is None else records


def _decode_read(event: Mapping[str, Any]) -> list[ChangeRecord | Undecodable]:
    try:
        wires = event["Records"]
    except (KeyError, TypeError) as error:
        raise UnknownEventError("the event has no list `Records`: is it a stream event?") from error
    if not isinstance(wires, list):
        raise UnknownEventError("the event's `Records` is not a list: is it a stream event?")
    decoder = _Decoder()
    return [decoder.decode(wire) for wire in wires]


def _decode_raw(event: RawEvent) -> list[ChangeRecord | Undecodable] | None:
    """The records of an event's text: the accelerator's, and between them those that are not its own."""
    native, position = acceleration.NATIVE, event.start
    records: list[ChangeRecord | Undecodable] = []
    decoder = _Decoder()
    while native is not None and position is not None:
        ended = native.decode_run(event.text, position, decoder.arn, decoder.table, ChangeRecord, RawMap, records)
        if ended is None:
            break
        other, position = ended
        if other is None:
            return records
        records.append(decoder.decode(json.loads(other)))
    return None


class _Decoder:
    """Wire records to change records, one after the other: most of them are of the stream that the last one was of."""

    def __init__(self) -> None:
        self.arn: str | None = None
        self.table: str | None = None
        self._native = acceleration.NATIVE

    def decode(self, wire: Any) -> ChangeRecord | Undecodable:
        """The change record; nothing raises."""
        if self._native is not None:
            record = self._native.decode(wire, self.arn, self.table, ChangeRecord)
            if record is not None:
                return record
        try:
            source = wire["eventSource"]
            if source == DYNAMODB_SOURCE:
                if wire["eventSourceARN"] != self.arn:
                    self.table = table_of_stream(wire["eventSourceARN"])
                    self.arn = wire["eventSourceARN"]
                return decode_stream_record(wire, self.table)
            if source == KINESIS_SOURCE:
                return decode_kinesis_record(wire)
            return _refuse(wire, "unknown_source", "the record comes neither from DynamoDB Streams nor from Kinesis")
        except MisspelledRecordError as error:
            return _refuse(wire, error.reason, str(error))
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            return _refuse(wire, "undecodable", f"the record lacks or misspells {_describe(error)}")


def _refuse(wire: Any, reason: str, detail: str) -> Undecodable:
    fields = wire if isinstance(wire, Mapping) else {}
    source = _SOURCES.get(str(fields.get("eventSource")), "unknown")
    arn = fields.get("eventSourceARN")
    return Undecodable(reason, detail, _position(fields), source, arn, wire, _table(fields, source, arn))


def _table(fields: Mapping[str, Any], source: str, arn: Any) -> str | None:
    if source == "kinesis":
        return peek_table(fields)
    try:
        return table_of_stream(arn)
    except (MisspelledRecordError, AttributeError):
        return None


def _position(wire: Mapping[str, Any]) -> str | None:
    for part, name in (("dynamodb", "SequenceNumber"), ("kinesis", "sequenceNumber")):
        number = wire[part].get(name) if isinstance(wire.get(part), Mapping) else None
        if isinstance(number, str) and is_position(number):
            return number
    return None


def _describe(error: Exception) -> str:
    """The field at fault. A KeyError names the missing field or an unknown operation; other texts may hold values."""
    if isinstance(error, KeyError) and error.args and error.args[0] in _WIRE_FIELDS:
        return f"`{error.args[0]}`"
    return "a field of the stream record"


_WIRE_FIELDS = frozenset(
    {
        "ApproximateCreationDateTime",
        "Keys",
        "SequenceNumber",
        "data",
        "dynamodb",
        "eventName",
        "eventSource",
        "eventSourceARN",
        "kinesis",
        "record",
        "sequenceNumber",
        "tableName",
    }
)
