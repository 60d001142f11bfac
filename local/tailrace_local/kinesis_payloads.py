"""What DynamoDB writes into a data stream for a change, made from the table's own stream record.

Invariant: of two changes of one item the later one has the later instant, and a change that is written again is written
with the same instant and the same `eventID`.
"""

from __future__ import annotations

import binascii
import hashlib
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import orjson

from tailrace_local.arns import table_of_stream

MICROSECONDS = 1_000_000
IMAGES = ("Keys", "NewImage", "OldImage")
Precision = Literal["MICROSECOND", "MILLISECOND"]

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Entry:
    """One record on its way into a data stream: its partition key (32 hexadecimal digits) and its data."""

    partition_key: str
    data: bytes

    @property
    def size(self) -> int:
        """Bytes, as Kinesis counts them."""
        return len(self.data) + len(self.partition_key)


@dataclass(slots=True)
class Instants:
    """Microseconds for changes of one table of which only the whole second is known.

    The emulated stream rounds down to the second, as DynamoDB Streams does; DynamoDB's Kinesis destination knows more.
    So the changes of a table are numbered within their second: an instant is second x 10^6 + number.
    """

    _last: int = -1
    _given: dict[str, int] = field(default_factory=dict)

    def assign(self, changes: Iterable[tuple[str, float]]) -> list[int]:
        """An instant (epoch µs) for each change, told as sequence number and second, in the stream's order.

        Those of the call before keep theirs: a batch may come again, whole or in part.
        """
        self._given = {number: self._instant(number, second) for number, second in changes}
        return list(self._given.values())

    def _instant(self, number: str, second: float) -> int:
        if number in self._given:
            return self._given[number]
        # A clock that goes back must not turn the order of an item around.
        self._last = max(self._last + 1, int(second) * MICROSECONDS)
        return self._last


def build_payload(record: Mapping[str, Any], instant: int, precision: Precision | None) -> Json:
    """The payload for a record of DynamoDB Streams as Lambda has it; `instant` in epoch µs.

    Without a precision the instant is in milliseconds and nothing says so, as with a destination that was never told.
    """
    change = record["dynamodb"]
    is_fine = precision == "MICROSECOND"
    when: Json = {"ApproximateCreationDateTime": instant if is_fine else instant // 1000}
    if precision is not None:
        when["ApproximateCreationDateTimePrecision"] = precision
    images = {name: encode_binaries_again(change[name]) for name in IMAGES if name in change}
    return {
        "awsRegion": record["awsRegion"],
        "eventID": str(uuid.uuid5(uuid.NAMESPACE_OID, record["eventID"])),
        "eventName": record["eventName"],
        "userIdentity": record.get("userIdentity"),
        "recordFormat": "application/json",
        "tableName": table_of_stream(record["eventSourceARN"]),
        "dynamodb": {**when, **images, "SizeBytes": change.get("SizeBytes", 1)},
        "eventSource": "aws:dynamodb",
    }


def build_entry(record: Mapping[str, Any], instant: int, precision: Precision | None) -> Entry:
    """The record that DynamoDB would put for a stream record; see `build_payload`."""
    payload = build_payload(record, instant, precision)
    return Entry(partition_key(payload["tableName"], payload["dynamodb"]["Keys"]), orjson.dumps(payload))


def partition_key(table: str, keys: Mapping[str, Any]) -> str:
    """A hash of the item's key: published is that it is one, not of what."""
    text = orjson.dumps([table, keys], option=orjson.OPT_SORT_KEYS)
    return hashlib.blake2b(text, digest_size=16).hexdigest().upper()


def encode_binaries_again(value: Any) -> Any:
    """The same with one more layer of base64 on every binary: recorded of three tables, and published nowhere."""
    if isinstance(value, list):
        return [encode_binaries_again(each) for each in value]
    if not isinstance(value, dict):
        return value
    # Where a text stands under B it is a binary: an attribute of that name holds an object.
    return {
        name: _encode(name, inner) if isinstance(inner, str | list) else encode_binaries_again(inner)
        for name, inner in value.items()
    }


def _encode(name: str, inner: Any) -> Any:
    if name == "B" and isinstance(inner, str):
        return _base64(inner)
    if name == "BS" and isinstance(inner, list):
        return [_base64(each) for each in inner]
    return encode_binaries_again(inner)


def _base64(text: str) -> str:
    return binascii.b2a_base64(text.encode(), newline=False).decode()
