"""DynamoDB Streams as a source of an event source mapping.

The JSON of GetRecords is already almost the record that Lambda sends, so it is kept as JSON.

Invariant: a record reaches a function as the stream has it, with Lambda's two changes and no other: `eventSourceARN`
is added and `userIdentity` is written in lower camel case.
"""

from __future__ import annotations

from collections.abc import Iterator

import orjson

from tailrace_local.aws_json import DYNAMODB_STREAMS, Api, ApiError, Json, JsonApi, Place
from tailrace_local.deliveries import StreamRecord
from tailrace_local.filters import Predicate
from tailrace_local.shard_iterators import ShardIteratorReader, as_gone
from tailrace_local.stream_sources import Shard


class DynamoDBStream:
    """The stream of one table. Readers may be used from other threads, each from one."""

    def __init__(self, place: Place, arn: str, matches: Predicate, api: Api | None = None) -> None:
        self.arn = arn
        self._matches = matches
        self._place = place
        self._api = JsonApi(place, DYNAMODB_STREAMS) if api is None else api

    def shards(self) -> list[Shard]:
        """Every shard that still holds records. Raises `SourceError`, `StreamGoneError`."""
        try:
            return list(self._describe())
        except ApiError as error:
            raise as_gone(error) from error

    def reader(self, shard_id: str, position: str) -> ShardIteratorReader:
        """A reader of its own connection that starts at `TRIM_HORIZON` or `LATEST`."""
        return ShardIteratorReader(self, JsonApi(self._place, DYNAMODB_STREAMS), shard_id, position)

    def iterator_request(self, shard_id: str, kind: str, sequence_number: str | None) -> Json:
        """See `IteratorDialect`."""
        request = {"StreamArn": self.arn, "ShardId": shard_id, "ShardIteratorType": kind}
        return request if sequence_number is None else {**request, "SequenceNumber": sequence_number}

    def to_record(self, raw: Json, shard_id: str, now: float) -> StreamRecord:
        """See `IteratorDialect`."""
        return to_record(raw, self.arn, self._matches, now)

    def _describe(self) -> Iterator[Shard]:
        request: Json = {"StreamArn": self.arn}
        while True:
            description = self._api.call("DescribeStream", request)["StreamDescription"]
            for shard in description["Shards"]:
                is_closed = "EndingSequenceNumber" in shard.get("SequenceNumberRange", {})
                yield Shard(shard["ShardId"], shard.get("ParentShardId"), is_closed)
            if "LastEvaluatedShardId" not in description:
                return
            request["ExclusiveStartShardId"] = description["LastEvaluatedShardId"]


def to_record(raw: Json, stream_arn: str, matches: Predicate, now: float) -> StreamRecord:
    """A record of GetRecords (its JSON) as a function receives it."""
    change = raw["dynamodb"]
    identity = raw.get("userIdentity")
    if identity is not None:
        raw["userIdentity"] = {name[0].lower() + name[1:]: value for name, value in identity.items()}
    raw["eventSourceARN"] = stream_arn
    return StreamRecord(
        sequence_number=change["SequenceNumber"],
        item=orjson.dumps(change["Keys"], option=orjson.OPT_SORT_KEYS),
        at=float(change.get("ApproximateCreationDateTime", now)),
        body=orjson.dumps(raw),
        is_wanted=matches(raw),
    )
