"""Kinesis Data Streams as a source of an event source mapping.

Invariant: a record reaches a function with its data as the stream has it, in the shape that Lambda publishes; records
of one partition key stay in their shard's order, whatever the parallelization.
"""

from __future__ import annotations

import binascii
from collections.abc import Iterator
from typing import Any

import orjson

from tailrace_local.arns import ACCOUNT_ID, STACK
from tailrace_local.aws_json import KINESIS, Api, ApiError, Json, JsonApi, Place
from tailrace_local.deliveries import StreamRecord
from tailrace_local.filters import Predicate
from tailrace_local.shard_iterators import ShardIteratorReader, as_gone
from tailrace_local.stream_sources import Shard

POLL_SECONDS = 1.0  # published: Lambda polls a shard of Kinesis once a second, one of DynamoDB Streams four times
ROLE = f"arn:aws:iam::{ACCOUNT_ID}:role/{STACK}"


class KinesisStream:
    """One data stream. Without a predicate every record is wanted, and no data is decoded here."""

    def __init__(self, place: Place, arn: str, matches: Predicate | None = None, api: Api | None = None) -> None:
        self.arn = arn
        self._matches = matches
        self._place = place
        self._api = JsonApi(place, KINESIS) if api is None else api

    def shards(self) -> list[Shard]:
        """Every shard that still holds records. Raises `SourceError`, `StreamGoneError`."""
        try:
            return list(self._list())
        except ApiError as error:
            raise as_gone(error) from error

    def reader(self, shard_id: str, position: str) -> ShardIteratorReader:
        """A reader of its own connection that starts at `TRIM_HORIZON` or `LATEST`."""
        return ShardIteratorReader(self, JsonApi(self._place, KINESIS), shard_id, position)

    def iterator_request(self, shard_id: str, kind: str, sequence_number: str | None) -> Json:
        """See `IteratorDialect`."""
        request = {"StreamARN": self.arn, "ShardId": shard_id, "ShardIteratorType": kind}
        return request if sequence_number is None else {**request, "StartingSequenceNumber": sequence_number}

    def to_record(self, raw: Json, shard_id: str, now: float) -> StreamRecord:
        """See `IteratorDialect`."""
        at = float(raw.get("ApproximateArrivalTimestamp", now))
        wire = build_wire_record(raw, at, self.arn, shard_id)
        return StreamRecord(
            sequence_number=raw["SequenceNumber"],
            item=raw["PartitionKey"].encode(),
            at=at,
            body=orjson.dumps(wire),
            is_wanted=self._matches is None or self._matches(build_filter_subject(wire)),
        )

    def _list(self) -> Iterator[Shard]:
        request: Json = {"StreamARN": self.arn}
        while True:
            answer = self._api.call("ListShards", request)
            for shard in answer["Shards"]:
                is_closed = "EndingSequenceNumber" in shard.get("SequenceNumberRange", {})
                parents = shard.get("ParentShardId"), shard.get("AdjacentParentShardId")
                yield Shard(shard["ShardId"], parents[0], is_closed, adjacent_parent=parents[1])
            if not answer.get("NextToken"):
                return
            request = {"NextToken": answer["NextToken"]}


def build_wire_record(raw: Json, at: float, stream_arn: str, shard_id: str) -> Json:
    """A record of GetRecords as Lambda sends it."""
    return {
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            "partitionKey": raw["PartitionKey"],
            "sequenceNumber": raw["SequenceNumber"],
            "data": raw["Data"],
            "approximateArrivalTimestamp": at,
        },
        "eventSource": "aws:kinesis",
        "eventVersion": "1.0",
        "eventID": f"{shard_id}:{raw['SequenceNumber']}",
        "eventName": "aws:kinesis:record",
        "invokeIdentityArn": ROLE,
        "awsRegion": stream_arn.split(":")[3],
        "eventSourceARN": stream_arn,
    }


def build_filter_subject(wire: Json) -> Json:
    """What filter patterns see: the record's metadata, and `data` decoded; no `data` where it is not JSON."""
    inner: dict[str, Any] = {**wire, **wire["kinesis"]}
    try:
        inner["data"] = orjson.loads(binascii.a2b_base64(wire["kinesis"]["data"]))
    except ValueError:
        del inner["data"]
    return inner
