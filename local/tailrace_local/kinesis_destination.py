"""The Kinesis destination of a DynamoDB table: what its stream tells goes into a data stream.

The emulator's own puts records of DynamoDB Streams with whole seconds and binaries encoded once, as no real table does.
This one is called by an event source mapping as if it were a function, so that lineage, retries, draining and counters
are those of every other reader of the table's stream.

Invariant: `invoke` returns only when the stream has taken every entry, or too large ones were counted as the service
counts them (`FailedToReplicateRecordCount`).
"""

from __future__ import annotations

import time
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from random import Random
from threading import Lock

import orjson

from tailrace.chunking import chunk
from tailrace_local.aws_json import Api, Json
from tailrace_local.disturbances import DestinationPolicy, Disturbances
from tailrace_local.functions import InvokeResult, ThrottledError
from tailrace_local.kinesis_payloads import Entry, Instants, build_entry
from tailrace_local.shard_mapping import RetryPacing
from tailrace_local.stream_sources import SourceError

MAX_PUT_RECORDS = 500  # Kinesis quota, a PutRecords call
MAX_PUT_BYTES = 5 * 1024 * 1024  # what the emulator takes; the quota was raised to 10 MiB
MAX_RECORD_BYTES = 1024 * 1024  # Kinesis quota unless the stream's MaxRecordSizeInKiB is raised
ATTEMPTS = 8
PACING = RetryPacing(first=0.1, ceiling=2.0)


@dataclass(frozen=True, slots=True)
class DestinationCounters:
    """Records so far: changes put, copies among what was put besides, displaced, too large to be replicated."""

    changes: int = 0
    duplicated: int = 0
    displaced: int = 0
    too_large: int = 0


class KinesisDestination:
    """One table's destination. `api` speaks to Kinesis; `random` decides what the policy leaves to chance."""

    def __init__(
        self,
        stream_arn: str,
        api: Api,
        policy: DestinationPolicy,
        random: Random,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._stream_arn = stream_arn
        self._api = api
        self._policy = policy
        self._disturbances = Disturbances(policy, random)
        self._sleep = sleep
        self._instants = Instants()
        self._changes = self._too_large = 0
        self._one_at_a_time = Lock()

    @property
    def counters(self) -> DestinationCounters:
        """What was done so far."""
        disturbed = self._disturbances
        return DestinationCounters(self._changes, disturbed.duplicated, disturbed.displaced, self._too_large)

    def invoke(self, event: object) -> InvokeResult:
        """Put what an event (JSON bytes) of the table's stream tells. Raises `ThrottledError` when it has to wait."""
        assert isinstance(event, bytes)
        with self._one_at_a_time:
            entries = self._build(orjson.loads(event)["Records"])
            fitting = [entry for entry in entries if entry.size <= MAX_RECORD_BYTES]
            for batch in cut(self._disturbances.disturb(fitting)):
                self._put(batch)
            self._changes += len(fitting)
            self._too_large += len(entries) - len(fitting)
        return InvokeResult(b"null")

    def _build(self, records: Sequence[Json]) -> list[Entry]:
        seconds = (
            (each["dynamodb"]["SequenceNumber"], each["dynamodb"].get("ApproximateCreationDateTime", 0))
            for each in records
        )
        instants = self._instants.assign(seconds)
        return [build_entry(*pair, self._policy.precision) for pair in zip(records, instants, strict=True)]

    def _put(self, entries: Sequence[Entry]) -> None:
        for attempt in range(ATTEMPTS):
            self._sleep(PACING.delay(attempt))
            entries = self._put_once(entries)
            if not entries:
                return
        raise ThrottledError(f"{len(entries)} entries were refused {ATTEMPTS} times")

    def _put_once(self, entries: Sequence[Entry]) -> Sequence[Entry]:
        try:
            answer = self._api.call("PutRecords", build_put_request(self._stream_arn, entries))
        except SourceError:
            return entries
        results = zip(entries, answer["Records"], strict=True)
        return [entry for entry, result in results if result.get("ErrorCode")]


def build_put_request(stream_arn: str, entries: Iterable[Entry]) -> Json:
    """A PutRecords request in JSON."""
    records = [{"Data": b64encode(each.data).decode(), "PartitionKey": each.partition_key} for each in entries]
    return {"StreamARN": stream_arn, "Records": records}


def cut(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    """The entries in order, in batches that one PutRecords call takes."""
    return chunk(((entry, entry.size) for entry in entries), MAX_PUT_BYTES, MAX_PUT_RECORDS)
