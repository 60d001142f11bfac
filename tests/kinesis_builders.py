"""Builders of Kinesis records: what DynamoDB's Kinesis destination writes, what the replicator writes, and garbage."""

import base64
import json
import uuid
from typing import Any

from builders import change_record

STREAM = "arn:aws:kinesis:us-east-1:000000000000:stream/changes"
MICROSECOND = 1_763_726_400_123_456
POSITION = 49_671_269_271_331_512_763_891_427_236_470_283_163_434_184_237_394_001_000


def kinesis_change(
    op: str = "INSERT",
    new: dict[str, Any] | None = None,
    old: dict[str, Any] | None = None,
    at: int = MICROSECOND,
    position: int = 1,
    table: str = "orders",
    event: int | None = None,
    **overrides: Any,
) -> dict[str, Any]:
    """A change by Kinesis Data Streams for DynamoDB, as Lambda delivers it. `at` in µs; `event` numbers the change."""
    record = change_record(op, new, old, table=table, sequence=event or position)
    return kinesis_record(kinesis_payload(record, at, **overrides), position)


def kinesis_payload(
    stream_record: dict[str, Any], at: int = MICROSECOND, precision: str | None = "MICROSECOND", **overrides: Any
) -> dict[str, Any]:
    """What DynamoDB's Kinesis destination writes for the change of a stream record.

    Both images, no sequence number, no view type, binaries base64 twice; `at` is in the unit of `precision`, and None
    leaves the flag out, as a destination without a set precision does (then `at` is in ms).
    """
    change = stream_record["dynamodb"]
    images = {name: twice_encoded(change[name]) for name in ("Keys", "NewImage", "OldImage") if name in change}
    unit = {} if precision is None else {"ApproximateCreationDateTimePrecision": precision}
    return {
        "awsRegion": stream_record["awsRegion"],
        "eventID": str(uuid.uuid5(uuid.NAMESPACE_OID, stream_record["eventID"])),
        "eventName": stream_record["eventName"],
        "userIdentity": stream_record.get("userIdentity"),
        "recordFormat": "application/json",
        "tableName": stream_record["eventSourceARN"].split("/")[1],
        "dynamodb": {"ApproximateCreationDateTime": at, **unit, **images, "SizeBytes": change.get("SizeBytes", 1)},
        "eventSource": "aws:dynamodb",
    } | overrides


def twice_encoded(image: Any) -> Any:
    """An image of a stream record with one more layer of base64 on its binaries."""
    if isinstance(image, list):
        return [twice_encoded(element) for element in image]
    if not isinstance(image, dict):
        return image
    if list(image) == ["B"] and isinstance(image["B"], str):
        return {"B": _encode(image["B"])}
    if list(image) == ["BS"] and isinstance(image["BS"], list):
        return {"BS": [_encode(text) for text in image["BS"]]}
    return {name: twice_encoded(inner) for name, inner in image.items()}


def envelope(stream_record: dict[str, Any]) -> dict[str, Any]:
    """What the replicator writes for a stream record."""
    return {"format": "tailrace-change-1", "record": stream_record}


def kinesis_record(payload: Any, position: int = 1, **overrides: Any) -> dict[str, Any]:
    """A Kinesis record as Lambda delivers it. `payload` is what it carries: bytes as they are, or what JSON takes."""
    data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return {
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            "partitionKey": "0CC5F2A9F2A9F2A9F2A9F2A9F2A9F2A9",
            "sequenceNumber": kinesis_position(position),
            "data": base64.b64encode(data).decode(),
            "approximateArrivalTimestamp": 1_763_726_400.456,
        },
        "eventSource": "aws:kinesis",
        "eventVersion": "1.0",
        "eventID": f"shardId-000000000000:{kinesis_position(position)}",
        "eventName": "aws:kinesis:record",
        "invokeIdentityArn": "arn:aws:iam::000000000000:role/indexer",
        "awsRegion": "us-east-1",
        "eventSourceARN": STREAM,
    } | overrides


def kinesis_position(position: int) -> str:
    """The Kinesis sequence number of a record: 56 digits."""
    return str(POSITION + position)


def _encode(text: str) -> str:
    return base64.b64encode(text.encode("ascii")).decode()
