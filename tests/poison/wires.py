"""Records of DynamoDB Streams of which a part is missing, null, of the wrong type, or misspelt."""

from collections.abc import Callable
from typing import Any

from builders import STREAM_ARN, change_record, order

from poison.kinds import Kind, Letter, Make, rewritten

Damage = Callable[[dict[str, Any]], Any]
UNDECODABLE, ILLEGAL_ITEM, ILLEGAL_VERSION = map(Letter, ("undecodable", "illegal_item", "illegal_version"))
ABSENT = object()


def _set(name: str, value: object) -> Damage:
    """The record with one field changed, or without it."""
    return lambda record: {k: v for k, v in (record | {name: value}).items() if v is not ABSENT}


def _set_change(name: str, value: object) -> Damage:
    """The record with one field of its `dynamodb` changed, or without it."""
    return lambda record: record | {"dynamodb": _set(name, value)(record["dynamodb"])}


WHOLE: dict[str, tuple[Letter, Damage]] = {
    "a record that is null": (UNDECODABLE, lambda _: None),
    "a record that is text": (UNDECODABLE, lambda _: "record"),
    "a record that is a number": (UNDECODABLE, lambda _: 7),
    "a record that is an array": (UNDECODABLE, lambda record: [record]),
    "a record that is empty": (UNDECODABLE, lambda _: {}),
    "a change without its record around it": (UNDECODABLE, lambda record: record["dynamodb"]),
}

SOURCES: dict[str, tuple[Letter, object]] = {
    "absent": (UNDECODABLE, ABSENT),
    "null": (Letter("unknown_source"), None),
    "another service": (Letter("unknown_source"), "aws:s3"),
    "an array": (Letter("unknown_source"), ["aws:dynamodb"]),
    "in capitals": (Letter("unknown_source"), "AWS:DYNAMODB"),
}

ARNS: dict[str, object] = {
    "absent": ABSENT, "null": None, "a number": 7, "an array": [STREAM_ARN], "empty": "", "a word": "orders",
    "of the table": "arn:aws:dynamodb:us-east-1:000000000000:table/orders",
    "of an index": "arn:aws:dynamodb:us-east-1:000000000000:table/orders/index/by-date",
    "of a bucket": "arn:aws:s3:::orders",
    "of a Kinesis stream": "arn:aws:kinesis:us-east-1:000000000000:stream/orders",
    "with an empty table": STREAM_ARN.replace("/orders/", "//"),
    "with a table too short": STREAM_ARN.replace("/orders/", "/or/"),
    "with a table too long": STREAM_ARN.replace("/orders/", f"/{'o' * 256}/"),
    "with a table beyond ASCII": STREAM_ARN.replace("/orders/", "/\u00f6rders/"),
    "with a wildcard for a table": STREAM_ARN.replace("/orders/", "/*/"),
}  # fmt: skip

CHANGES: dict[str, object] = {"absent": ABSENT, "null": None, "text": "{}", "an array": [], "empty": {}, "a number": 1}

OPERATIONS: dict[str, object] = {
    "absent": ABSENT, "null": None, "unknown": "UPSERT", "in small letters": "insert", "empty": "", "a number": 1,
    "an array": ["INSERT"], "of another service": "ObjectCreated:Put", "with a space": "INSERT ",
}  # fmt: skip

SEQUENCE_NUMBERS: dict[str, object] = {
    "absent": ABSENT, "null": None, "a JSON number": 111_000, "empty": "", "a word": "first", "negative": "-1",
    "a fraction": "1.5", "with an exponent": "1e21", "with a space": " 111", "41 digits": "1" * 41, "an array": ["1"],
    "5,000 digits": "1" * 5_000, "arabic digits": "\u0661\u0662\u0663", "fullwidth digits": "\uff11\uff12",
}  # fmt: skip

TIMES: dict[str, tuple[Letter, object]] = {
    "absent": (UNDECODABLE, ABSENT),
    "null": (UNDECODABLE, None),
    "a word": (UNDECODABLE, "soon"),
    "a calendar date": (UNDECODABLE, "2026-11-21T12:00:00Z"),
    "empty": (UNDECODABLE, ""),
    "not a number": (UNDECODABLE, float("nan")),
    "infinite": (UNDECODABLE, float("inf")),
    "an array": (UNDECODABLE, [1_763_726_400]),
    "an object": (UNDECODABLE, {"N": "1763726400"}),
    "negative": (ILLEGAL_VERSION, -1),
    "long ago": (ILLEGAL_VERSION, -62_135_596_800),
    "beyond 2^63-1": (ILLEGAL_VERSION, 9_223_372_037),
    "beyond any calendar": (ILLEGAL_VERSION, 1e300),
    "in milliseconds": (ILLEGAL_VERSION, 1_763_726_400_123),
    "in microseconds": (ILLEGAL_VERSION, 1_763_726_400_123_456),
}

KEYS: dict[str, tuple[Letter, object]] = {
    "absent": (UNDECODABLE, ABSENT),
    "null": (ILLEGAL_ITEM, None),
    "text": (ILLEGAL_ITEM, "o-1"),
    "an array": (ILLEGAL_ITEM, [{"id": {"S": "o-1"}}]),
    "empty": (ILLEGAL_ITEM, {}),
    "of another attribute": (ILLEGAL_ITEM, {"number": {"S": "o-1"}}),
    "of one attribute too many": (ILLEGAL_ITEM, {"id": {"S": "o-1"}, "line": {"N": "1"}}),
    "a null attribute": (ILLEGAL_ITEM, {"id": None}),
    "a bare attribute": (ILLEGAL_ITEM, {"id": "o-1"}),
    "an attribute of no type": (ILLEGAL_ITEM, {"id": {}}),
    "an attribute of two types": (ILLEGAL_ITEM, {"id": {"S": "o-1", "N": "1"}}),
    "an attribute of an unknown type": (ILLEGAL_ITEM, {"id": {"X": "o-1"}}),
    "a flag": (ILLEGAL_ITEM, {"id": {"BOOL": True}}),
    "a null value": (ILLEGAL_ITEM, {"id": {"NULL": True}}),
    "a map": (ILLEGAL_ITEM, {"id": {"M": {}}}),
    "a list": (ILLEGAL_ITEM, {"id": {"L": []}}),
    "a set": (ILLEGAL_ITEM, {"id": {"SS": ["o-1"]}}),
    "text that is null": (ILLEGAL_ITEM, {"id": {"S": None}}),
    "text that is a number": (ILLEGAL_ITEM, {"id": {"S": 1}}),
    "text that is an array": (ILLEGAL_ITEM, {"id": {"S": ["o", "1"]}}),
    "text with a lone surrogate": (ILLEGAL_ITEM, {"id": {"S": "\ud800"}}),
    "a number that is a word": (ILLEGAL_ITEM, {"id": {"N": "one"}}),
    "a number of 39 digits": (ILLEGAL_ITEM, {"id": {"N": "1" * 39}}),
    "a binary that is not base64": (ILLEGAL_ITEM, {"id": {"B": "?"}}),
    "a binary that is null": (ILLEGAL_ITEM, {"id": {"B": None}}),
}

NEW_IMAGES: dict[str, object] = {
    "text": "{}", "a number": 1, "an array of attributes": [{"id": {"S": "o-1"}}], "an empty array": [],
    "empty text": "", "zero": 0, "false": False, "with bare values": {"id": "o-1", "total": 12.5},
}  # fmt: skip

IDENTITIES: dict[str, object] = {"text": "dynamodb", "a number": 1, "an array": ["Service"], "a flag": True}

EVENT_IDS: dict[str, tuple[Letter, object]] = {
    "with a lone surrogate": (ILLEGAL_ITEM, "\ud800"),
    "an object": (Letter("mapper_parsing_exception"), {"id": 1}),
    "longer than a term": (Letter("illegal_argument_exception"), "e" * 40_000),
}


def wire_kinds() -> list[Kind]:
    """Every damage to a record of the table `orders`, and those that show in other tables alone."""
    kinds = [_kind(name, end, damage) for name, (end, damage) in WHOLE.items()]
    kinds += [_kind(f"eventSource: {name}", end, _set("eventSource", v)) for name, (end, v) in SOURCES.items()]
    kinds += [_kind(f"eventSourceARN: {name}", UNDECODABLE, _set("eventSourceARN", v)) for name, v in ARNS.items()]
    kinds += [_kind(f"dynamodb: {name}", UNDECODABLE, _set("dynamodb", v)) for name, v in CHANGES.items()]
    kinds += [_kind(f"eventName: {name}", UNDECODABLE, _set("eventName", v)) for name, v in OPERATIONS.items()]
    kinds += [_kind(f"userIdentity: {name}", UNDECODABLE, _set("userIdentity", v)) for name, v in IDENTITIES.items()]
    kinds += [
        Kind(f"eventID: {name}", end, _damaged(_set("eventID", v)), mended=None if end == ILLEGAL_ITEM else ())
        for name, (end, v) in EVENT_IDS.items()
    ]
    kinds += [
        _kind(f"SequenceNumber: {name}", UNDECODABLE, _set_change("SequenceNumber", v))
        for name, v in SEQUENCE_NUMBERS.items()
    ]
    kinds += [
        _kind(f"ApproximateCreationDateTime: {name}", end, _set_change("ApproximateCreationDateTime", v))
        for name, (end, v) in TIMES.items()
    ]
    kinds += [_kind(f"Keys: {name}", end, _set_change("Keys", v)) for name, (end, v) in KEYS.items()]
    kinds += [_kind(f"NewImage: {name}", ILLEGAL_ITEM, _set_change("NewImage", v)) for name, v in NEW_IMAGES.items()]
    return kinds


def _kind(name: str, end: Letter, damage: Damage) -> Kind:
    """What the table can tell instead is mended by writing the item again: the key is right, and so is all else."""
    is_told_by_table = name.startswith("NewImage") or end == ILLEGAL_VERSION
    return rewritten(name, end, _damaged(damage)) if is_told_by_table else Kind(name, end, _damaged(damage))


def _damaged(damage: Damage) -> Make:
    return lambda id_, sequence: damage(change_record(new=order(id_), sequence=sequence))
