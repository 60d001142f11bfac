"""Changes of the model as each source tells them: what Lambda delivers, and what a backfill reads."""

import base64
import json
from typing import Any, NamedTuple

from tailrace.records import ChangeRecord

Item = dict[str, Any]
TTL_IDENTITY = {"type": "Service", "principalId": "dynamodb.amazonaws.com"}
MARGIN_US = 2_000_000  # over one second: Streams rounds its times down to whole seconds


class Change(NamedTuple):
    """One change of one item, as the table itself knows it. Images hold binaries as bytes."""

    table: str
    operation: str
    keys: Item
    new: Item | None
    old: Item | None
    sequence: int
    instant_us: int
    is_ttl: bool
    precision: str | None


def stream_record(change: Change) -> Item:
    """A DynamoDB Streams record: whole seconds, a sequence number, binaries as base64."""
    body = {
        "ApproximateCreationDateTime": change.instant_us // 1_000_000,
        "Keys": change.keys,
        "SequenceNumber": str(change.sequence),
        "SizeBytes": 100,
        "StreamViewType": "NEW_AND_OLD_IMAGES",
        **_images(change, _base64),
    }
    wire = {
        "eventID": f"{change.sequence % 16**32:032x}",
        "eventName": change.operation,
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": "us-east-1",
        "dynamodb": body,
        "eventSourceARN": f"arn:aws:dynamodb:us-east-1:000000000000:table/{change.table}/stream/2026-11-21T12:51:11",
    }
    return wire | ({"userIdentity": TTL_IDENTITY} if change.is_ttl else {})


def kinesis_record(change: Change, position: int) -> Item:
    """A record of the Kinesis destination: ms or µs, no sequence number of the table, binaries as base64 of base64."""
    unit = 1 if change.precision == "MICROSECOND" else 1_000
    body = {
        "ApproximateCreationDateTime": change.instant_us // unit,
        "Keys": change.keys,
        "SizeBytes": 100,
        **_images(change, lambda value: _base64(_base64(value).encode())),
    }
    body |= {"ApproximateCreationDateTimePrecision": change.precision} if change.precision else {}
    payload = {
        "awsRegion": "us-east-1",
        "eventID": f"00000000-0000-0000-0000-{change.sequence % 16**12:012x}",
        "eventName": change.operation,
        "userIdentity": TTL_IDENTITY if change.is_ttl else None,
        "recordFormat": "application/json",
        "tableName": change.table,
        "dynamodb": body,
        "eventSource": "aws:dynamodb",
    }
    return {
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            "partitionKey": "0123456789abcdef0123456789abcdef",
            "sequenceNumber": str(position),
            "data": _base64(json.dumps(payload).encode()),
            "approximateArrivalTimestamp": change.instant_us / 1_000_000,
        },
        "eventSource": "aws:kinesis",
        "eventVersion": "1.0",
        "eventID": f"shardId-000000000000:{position}",
        "eventName": "aws:kinesis:record",
        "awsRegion": "us-east-1",
        "eventSourceARN": "arn:aws:kinesis:us-east-1:000000000000:stream/changes",
    }


def scan_record(table: str, keys: Item, item: Item, began_us: int, position: int) -> ChangeRecord:
    """What a backfill makes of an item it read: a time before the read began, and no sequence number."""
    return ChangeRecord(
        table, "insert", keys, item, None, None, None, (began_us - MARGIN_US) * 1_000,
        "scan", None, False, None, str(position), {"keys": keys},
    )  # fmt: skip


def _images(change: Change, binary: Any) -> Item:
    images = {"NewImage": change.new, "OldImage": change.old}
    return {
        name: {
            attribute: {"B": binary(typed["B"])} if "B" in typed else typed for attribute, typed in image.items()
        }
        for name, image in images.items()
        if image is not None
    }  # fmt: skip


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()
