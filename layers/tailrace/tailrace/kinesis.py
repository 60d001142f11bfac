"""Kinesis records to change records: what DynamoDB puts into a data stream, and what the replicator puts there.

Invariant: an item that comes by Kinesis gets the very keys and images that it has on DynamoDB Streams: binaries are
base64 twice here (trap 11) and once there, times are ms or µs here (trap 10) and whole seconds there.
"""

import binascii
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from tailrace.records import ChangeRecord
from tailrace.stream_records import (
    DYNAMODB_SOURCE,
    OPERATIONS,
    MisspelledRecordError,
    checked_table,
    decode_stream_record,
    is_ttl_delete,
    misspelled,
    table_of_stream,
)
from tailrace.versions import version_of_instant

KINESIS_SOURCE = "aws:kinesis"
ENVELOPE_FORMAT = "tailrace-change-1"
MAX_POSITION_DIGITS = 129
_AGGREGATE_MAGIC = b"\xf3\x89\x9a\xc2"  # of the Kinesis Producer Library: several records in one


def decode_kinesis_record(wire: Mapping[str, Any]) -> ChangeRecord:
    """The change that a Kinesis record carries; its position is the Kinesis sequence number.

    Raises MisspelledRecordError, KeyError, TypeError, ValueError, OverflowError or AttributeError for what carries
    none.
    """
    position = wire["kinesis"]["sequenceNumber"]
    if not is_position(position):
        raise misspelled("sequenceNumber")
    data = _read_data(wire)
    payload = _read_payload(data)
    if "format" in payload:
        return _open_envelope(payload, wire, position)
    if payload.get("eventSource") != DYNAMODB_SOURCE:
        raise MisspelledRecordError("not_a_change", "the record's data is JSON, but no change of a DynamoDB table")
    if b'"B"' in data or b'"BS"' in data:
        _decode_binaries_once(payload["dynamodb"])
    return _decode_payload(payload, wire, position)


def is_position(number: str) -> bool:
    """Whether a text is a sequence number of Kinesis (API reference: at most 129 digits), and so names a record."""
    return number.isascii() and number.isdecimal() and len(number) <= MAX_POSITION_DIGITS


def peek_table(wire: Mapping[str, Any]) -> str | None:
    """The table of a record that cannot be decoded, if that much can be read. Nothing is raised."""
    try:
        payload = _read_payload(_read_data(wire))
        if "format" in payload:
            return table_of_stream(payload["record"]["eventSourceARN"])
        return checked_table(payload["tableName"], "tableName")
    except (MisspelledRecordError, KeyError, TypeError, AttributeError):
        return None


def _read_data(wire: Mapping[str, Any]) -> bytes:
    text = wire["kinesis"]["data"]
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except ValueError as error:
        raise MisspelledRecordError("not_base64", "the record's `data` is not base64") from error


def _read_payload(data: bytes) -> dict[str, Any]:
    if data.startswith(_AGGREGATE_MAGIC):
        text = "the record aggregates several of the Kinesis Producer Library: DynamoDB does not write such records"
        raise MisspelledRecordError("kpl_aggregated", text)
    try:
        payload = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise MisspelledRecordError("not_json", "the record's data is not JSON") from error
    if not isinstance(payload, dict):
        raise MisspelledRecordError("not_a_change", "the record's data is JSON, but no object")
    return payload


def _open_envelope(payload: Mapping[str, Any], wire: Mapping[str, Any], position: str) -> ChangeRecord:
    """The replicator's envelope holds a stream record complete: the version and the sequence number are its own."""
    if payload["format"] != ENVELOPE_FORMAT:
        raise MisspelledRecordError("unknown_format", "the record's `format` is not one that this version reads")
    record = decode_stream_record(payload["record"])
    return record._replace(source="replicator", position=position, wire=wire)


def _decode_payload(payload: Mapping[str, Any], wire: Mapping[str, Any], position: str) -> ChangeRecord:
    change = payload["dynamodb"]
    return ChangeRecord(
        checked_table(payload["tableName"], "tableName"),
        OPERATIONS[payload["eventName"]],
        change["Keys"],
        change.get("NewImage"),
        change.get("OldImage"),
        None,  # trap 9: no DynamoDB sequence number; the shard's own says nothing about the table's order
        payload.get("eventID"),
        version_of_instant(change["ApproximateCreationDateTime"], change.get("ApproximateCreationDateTimePrecision")),
        "kinesis",
        wire.get("eventSourceARN"),
        is_ttl_delete(payload.get("userIdentity")),
        None,  # trap 9: no view type; both images are there whenever they exist
        position,
        wire,
    )


def _decode_binaries_once(change: Mapping[str, Any]) -> None:
    """Take one layer of base64 off every binary, in place, if every one of them has two.

    Three independent tables of 2022-2024 carried binaries encoded twice; one value that is not shows that this record
    does not. A record never mixes both.
    """
    places = list(_binaries(change))
    once = [_decoded_if_twice(container[name]) for container, name in places]
    if None not in once:
        for (container, name), text in zip(places, once, strict=True):
            container[name] = text


def _decoded_if_twice(text: str) -> str | None:
    try:
        inner = binascii.a2b_base64(text, strict_mode=True)
        binascii.a2b_base64(inner, strict_mode=True)
    except ValueError:
        return None
    return inner.decode("ascii")


def _binaries(change: Mapping[str, Any]) -> Iterator[tuple[Any, Any]]:
    """Where the texts of B and BS stand, at any depth: their container and the name or index in it.

    No recursion: hand-made JSON may be nested deeper than Python's stack.
    """
    waiting: list[Any] = [change]
    while waiting:
        container = waiting.pop()
        for name, inner in container.items() if isinstance(container, dict) else enumerate(container):
            if name == "B" and isinstance(inner, str):
                yield container, name
            elif name == "BS" and isinstance(inner, list):
                yield from ((inner, index) for index in range(len(inner)))
            elif isinstance(inner, dict | list):
                waiting.append(inner)
