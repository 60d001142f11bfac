"""The on-failure destination of an event source mapping: what was given up, kept whole in S3.

Invariant: the object holds the original event as an escaped JSON string, so that whoever replays it has the very
records that were discarded.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol
from uuid import uuid4

import orjson

from tailrace_local.deliveries import Discard, build_event

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where discarded records came from; `batch_info` is the name of the block that says so for this kind of stream."""

    mapping_id: str
    function_arn: str
    stream_arn: str
    shard_id: str
    batch_info: str = "DDBStreamBatchInfo"


class ObjectStore(Protocol):
    """The one operation of a boto3 S3 client that is needed here."""

    def put_object(self, *, Bucket: str, Key: str, Body: bytes, ContentType: str) -> object:  # noqa: N803
        """Store one object."""


@dataclass(frozen=True, slots=True)
class OnFailureDestination:
    """The bucket that takes what one shard's mapping discards."""

    store: ObjectStore
    bucket: str
    origin: Origin

    def send(self, discard: Discard, now: float) -> None:
        """Keep the discarded records as one object. Raises what the store raises."""
        at, unique = datetime.fromtimestamp(now, UTC), str(uuid4())
        body = build_body(self.origin, discard, at, unique)
        key = build_key(self.origin, at, unique)
        self.store.put_object(Bucket=self.bucket, Key=key, Body=body, ContentType="application/json")


def build_key(origin: Origin, at: datetime, unique: str) -> str:
    """The published key: `aws/lambda/<mapping>/<shard>/YYYY/MM/DD/YYYY-MM-DDTHH.MM.SS-<unique>`."""
    return f"aws/lambda/{origin.mapping_id}/{origin.shard_id}/{at:%Y/%m/%d}/{at:%Y-%m-%dT%H.%M.%S}-{unique}"


def build_body(origin: Origin, discard: Discard, at: datetime, request_id: str) -> bytes:
    """The published record as JSON; its `payload` is the event that the function was, or would have been, invoked with.

    A record that grew too old carries no `responseContext`; an answer without a function error carries it as null.
    """
    body: Json = {
        "requestContext": {
            "requestId": request_id,
            "functionArn": origin.function_arn,
            "condition": discard.condition,
            "approximateInvokeCount": discard.invocations,
        },
        "version": "1.0",
        "timestamp": at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z",
        origin.batch_info: _batch_info(origin, discard),
        "payload": build_event(discard.records).decode(),
    }
    if discard.answer is not None:
        response = {"statusCode": 200, "executedVersion": "$LATEST", "functionError": discard.answer.function_error}
        body["responseContext"] = response
    return orjson.dumps(body)


def _batch_info(origin: Origin, discard: Discard) -> Json:
    first, last = discard.records[0], discard.records[-1]
    return {
        "shardId": origin.shard_id,
        "startSequenceNumber": first.sequence_number,
        "endSequenceNumber": last.sequence_number,
        "approximateArrivalOfFirstRecord": _instant(first.at),
        "approximateArrivalOfLastRecord": _instant(last.at),
        "batchSize": len(discard.records),
        "streamArn": origin.stream_arn,
    }


def _instant(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
