"""The running parts of a laptop cloud that move records: event source mappings, and tables' Kinesis destinations.

Invariant: what is built here reads the emulator alone, and starts nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any

from tailrace_local.aws_json import KINESIS, JsonApi, Place
from tailrace_local.disturbances import DestinationPolicy
from tailrace_local.dynamodb_streams import DynamoDBStream
from tailrace_local.event_source_properties import EventSourceMapping
from tailrace_local.event_sources import MappingSpec, StreamMapping
from tailrace_local.filters import compile_filters
from tailrace_local.functions import LambdaFunction
from tailrace_local.kinesis_destination import KinesisDestination
from tailrace_local.kinesis_streams import POLL_SECONDS, KinesisStream
from tailrace_local.on_failure import OnFailureDestination, Origin
from tailrace_local.shard_mapping import MappingPolicy
from tailrace_local.shard_workers import IDLE_POLL_SECONDS
from tailrace_local.stream_sources import StreamSource

BATCH_INFO = {"DynamoDB": "DDBStreamBatchInfo", "Kinesis": "KinesisBatchInfo"}
POLLS = {"DynamoDB": IDLE_POLL_SECONDS, "Kinesis": POLL_SECONDS}
DESTINATION_BATCH = MappingPolicy(batch_size=1000)


def destination_name(table: str) -> str:
    """What a table's Kinesis destination is called in reports."""
    return f"{table} to Kinesis"


@dataclass(frozen=True, slots=True)
class MappingBuilder:
    """Builds mappings at a place, towards these functions; `s3` takes what they give up."""

    place: Place
    s3: Any
    functions: Mapping[str, LambdaFunction]

    def event_source(self, mapping: EventSourceMapping) -> StreamMapping:
        """A declared event source."""
        spec = MappingSpec(
            name=mapping.name,
            function=self.functions[mapping.function],
            policy=mapping.policy,
            starting_position=mapping.starting_position,
            on_failure=None if mapping.on_failure_bucket is None else partial(self._on_failure, mapping),
            idle_poll_seconds=POLLS[mapping.kind],
        )
        return StreamMapping(spec, self._source(mapping))

    def destination(
        self, table: str, table_stream: str, data_stream: str, policy: DestinationPolicy
    ) -> tuple[KinesisDestination, StreamMapping]:
        """A table's Kinesis destination, and what has it read the table's stream; both streams by ARN."""
        random = Random(f"{policy.seed} {table}")  # noqa: S311  # a choice that repeats, not a secret
        destination = KinesisDestination(data_stream, JsonApi(self.place, KINESIS), policy, random)
        spec = MappingSpec(destination_name(table), destination, DESTINATION_BATCH, "TRIM_HORIZON")
        return destination, StreamMapping(spec, DynamoDBStream(self.place, table_stream, compile_filters(())))

    def _source(self, mapping: EventSourceMapping) -> StreamSource:
        matches = compile_filters(mapping.filters)
        if mapping.kind == "DynamoDB":
            return DynamoDBStream(self.place, mapping.stream_arn, matches)
        return KinesisStream(self.place, mapping.stream_arn, matches if mapping.filters else None)

    def _on_failure(self, mapping: EventSourceMapping, shard_id: str) -> OnFailureDestination:
        function = self.functions[mapping.function].spec.arn
        origin = Origin(mapping.id, function, mapping.stream_arn, shard_id, BATCH_INFO[mapping.kind])
        return OnFailureDestination(self.s3, str(mapping.on_failure_bucket), origin)
