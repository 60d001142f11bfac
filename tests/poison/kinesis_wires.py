"""Kinesis records that carry no change, or a damaged one: what stands around the data, the data, and what is in it."""

import gzip
from collections.abc import Callable
from typing import Any

from builders import change_record, order
from kinesis_builders import envelope, kinesis_payload, kinesis_record

from poison.kinds import Kind, Letter, rewritten
from poison.values import nested

Damage = Callable[[dict[str, Any]], Any]
UNDECODABLE, NOT_BASE64, NOT_JSON, NOT_A_CHANGE, UNKNOWN_FORMAT, AGGREGATED, ILLEGAL_ITEM, ILLEGAL_VERSION = map(
    Letter,
    ("undecodable", "not_base64", "not_json", "not_a_change", "unknown_format", "kpl_aggregated", "illegal_item",
     "illegal_version"),
)  # fmt: skip
ABSENT = object()

AROUND: dict[str, tuple[Letter, str, object]] = {
    "no sequence number": (UNDECODABLE, "sequenceNumber", ABSENT),
    "a sequence number that is null": (UNDECODABLE, "sequenceNumber", None),
    "a sequence number that is a word": (UNDECODABLE, "sequenceNumber", "first"),
    "a sequence number that is a JSON number": (UNDECODABLE, "sequenceNumber", 49_671_269),
    "a sequence number of 130 digits": (UNDECODABLE, "sequenceNumber", "1" * 130),
    "a sequence number in arabic digits": (UNDECODABLE, "sequenceNumber", "\u0661\u0662\u0663"),
    "no data": (UNDECODABLE, "data", ABSENT),
    "data that is null": (UNDECODABLE, "data", None),
    "data that is a number": (UNDECODABLE, "data", 7),
    "data that is an object": (UNDECODABLE, "data", {"tableName": "streamed"}),
    "data that is not base64": (NOT_BASE64, "data", "{}"),
    "data without its padding": (NOT_BASE64, "data", "e30"),
    "data with line ends": (NOT_BASE64, "data", "e3\n0="),
    "data in the alphabet for URLs": (NOT_BASE64, "data", "-_-_"),
    "data beyond ASCII": (NOT_BASE64, "data", "\u00e9\u00e9\u00e9\u00e9"),
}

DATA: dict[str, tuple[Letter, bytes]] = {
    "empty": (NOT_JSON, b""),
    "text": (NOT_JSON, b"hello"),
    "cut off": (NOT_JSON, b'{"eventSource": "aws:dynamodb", "dyn'),
    "gzip": (NOT_JSON, gzip.compress(b"{}", mtime=0)),
    "no UTF-8": (NOT_JSON, b'{"tableName": "\xff\xfe"}'),
    "two objects in one": (NOT_JSON, b"{}{}"),
    "JSON with a comment": (NOT_JSON, b"{} // a comment"),
    "JSON with NaN": (NOT_JSON, b'{"dynamodb": NaN}'),
    "JSON with single quotes": (NOT_JSON, b"{'eventSource': 'aws:dynamodb'}"),
    "JSON nested 5,000 levels": (NOT_JSON, b"[" * 5_000 + b"]" * 5_000),
    "XML": (NOT_JSON, b"<change table='streamed'/>"),
    "null": (NOT_A_CHANGE, b"null"),
    "a number": (NOT_A_CHANGE, b"7"),
    "an array": (NOT_A_CHANGE, b"[]"),
    "an empty object": (NOT_A_CHANGE, b"{}"),
    "somebody else's object": (NOT_A_CHANGE, b'{"user": 7, "clicked": "buy"}'),
    "a change of another service": (NOT_A_CHANGE, b'{"eventSource": "aws:s3", "tableName": "streamed"}'),
    "an aggregate of the Producer Library": (AGGREGATED, b"\xf3\x89\x9a\xc2" + b"\x0a\x01\x00" * 9),
    "an envelope of a later version": (UNKNOWN_FORMAT, b'{"format": "tailrace-change-99", "record": {}}'),
    "an envelope of an unknown format": (UNKNOWN_FORMAT, b'{"format": 1, "record": {}}'),
    "an envelope whose format is null": (UNKNOWN_FORMAT, b'{"format": null}'),
    "an envelope without its record": (UNDECODABLE, b'{"format": "tailrace-change-1"}'),
    "an envelope whose record is null": (UNDECODABLE, b'{"format": "tailrace-change-1", "record": null}'),
    "an envelope whose record is text": (UNDECODABLE, b'{"format": "tailrace-change-1", "record": "{}"}'),
    "an envelope whose record is empty": (UNDECODABLE, b'{"format": "tailrace-change-1", "record": {}}'),
}

PAYLOADS: dict[str, tuple[Letter, dict[str, object]]] = {
    "no change": (UNDECODABLE, {"dynamodb": ABSENT}),
    "a change that is null": (UNDECODABLE, {"dynamodb": None}),
    "a change that is text": (UNDECODABLE, {"dynamodb": "{}"}),
    "no table": (UNDECODABLE, {"tableName": ABSENT}),
    "a table that is null": (UNDECODABLE, {"tableName": None}),
    "a table that is no name": (UNDECODABLE, {"tableName": "../streamed"}),
    "a table that is not declared": (Letter("unknown_table"), {"tableName": "never.declared"}),
    "no operation": (UNDECODABLE, {"eventName": ABSENT}),
    "an unknown operation": (UNDECODABLE, {"eventName": "TRUNCATE"}),
    "an identity that is text": (UNDECODABLE, {"userIdentity": "dynamodb"}),
}

CHANGES: dict[str, tuple[Letter, dict[str, object]]] = {
    "no keys": (UNDECODABLE, {"Keys": ABSENT}),
    "keys that are null": (ILLEGAL_ITEM, {"Keys": None}),
    "no time": (UNDECODABLE, {"ApproximateCreationDateTime": ABSENT}),
    "a time that is text": (UNDECODABLE, {"ApproximateCreationDateTime": "1763726400123456"}),
    "a time that is null": (UNDECODABLE, {"ApproximateCreationDateTime": None}),
    "a negative time": (
        ILLEGAL_VERSION, {"ApproximateCreationDateTime": -1, "ApproximateCreationDateTimePrecision": ABSENT}
    ),
    "a time beyond 2^63-1": (ILLEGAL_VERSION, {"ApproximateCreationDateTime": 10**17}),
    "a time in another unit than said": (UNDECODABLE, {"ApproximateCreationDateTimePrecision": "MILLISECOND"}),
    "an unknown unit of time": (UNDECODABLE, {"ApproximateCreationDateTimePrecision": "NANOSECOND"}),
    "an image that is text": (ILLEGAL_ITEM, {"NewImage": "{}"}),
    "an image that is an empty array": (ILLEGAL_ITEM, {"NewImage": []}),
    "a binary that is not base64": (ILLEGAL_ITEM, {"NewImage": {"id": {"S": "o-1"}, "blob": {"B": "?"}}}),
    "a binary that is null": (ILLEGAL_ITEM, {"NewImage": {"id": {"S": "o-1"}, "blob": {"B": None}}}),
    "an image nested 400 levels": (ILLEGAL_ITEM, {"NewImage": {"id": {"S": "o-1"}, "deep": nested(400, "M")}}),
}  # fmt: skip


def kinesis_kinds() -> list[Kind]:
    """Every damage to a Kinesis record with a change of the table `streamed`, or with the replicator's envelope."""
    kinds = [Kind(f"Kinesis: {n}", end, _around(field, v), "streamed") for n, (end, field, v) in AROUND.items()]
    kinds += [Kind(f"Kinesis: data: {n}", end, _carrying(data), "streamed") for n, (end, data) in DATA.items()]
    kinds += [Kind(f"Kinesis: {n}", end, _payload(v), "streamed") for n, (end, v) in PAYLOADS.items()]
    kinds += [
        Kind(f"Kinesis: change: {n}", end, _change(v), "streamed")
        if end == UNDECODABLE or "Keys" in v
        else rewritten(f"Kinesis: change: {n}", end, _change(v), "streamed")
        for n, (end, v) in CHANGES.items()
    ]
    absent = [Kind(f"Kinesis: {name}", UNDECODABLE, _bare(v), "streamed") for name, v in
              (("nothing", ABSENT), ("null", None), ("text", "data"), ("empty", {}))]  # fmt: skip
    return [*kinds, *absent, rewritten("Kinesis: an envelope with a bad number", ILLEGAL_ITEM, _enveloped, "streamed")]


def _without_absent(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not ABSENT}


def _streamed(id_: str, sequence: int) -> dict[str, Any]:
    return change_record(new=order(id_), sequence=sequence, table="streamed")


def _bare(value: object) -> Callable[[str, int], Any]:
    def make(id_: str, sequence: int) -> Any:
        record = kinesis_record(kinesis_payload(_streamed(id_, sequence)), sequence)
        return _without_absent(record | {"kinesis": value})

    return make


def _around(field: str, value: object) -> Callable[[str, int], Any]:
    def make(id_: str, sequence: int) -> Any:
        record = kinesis_record(kinesis_payload(_streamed(id_, sequence)), sequence)
        return record | {"kinesis": _without_absent(record["kinesis"] | {field: value})}

    return make


def _carrying(data: bytes) -> Callable[[str, int], Any]:
    return lambda _, sequence: kinesis_record(data, sequence)


def _payload(changed: dict[str, object]) -> Callable[[str, int], Any]:
    def make(id_: str, sequence: int) -> Any:
        return kinesis_record(_without_absent(kinesis_payload(_streamed(id_, sequence)) | changed), sequence)

    return make


def _change(changed: dict[str, object]) -> Callable[[str, int], Any]:
    def make(id_: str, sequence: int) -> Any:
        payload = kinesis_payload(_streamed(id_, sequence))
        return kinesis_record(payload | {"dynamodb": _without_absent(payload["dynamodb"] | changed)}, sequence)

    return make


def _enveloped(id_: str, sequence: int) -> Any:
    record = change_record(new=order(id_, extra={"N": "x"}), sequence=sequence, table="streamed")
    return kinesis_record(envelope(record), sequence)
