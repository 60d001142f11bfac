"""A table's scan segments as the slices of a load.

Invariant: a page is read anew from its own LastEvaluatedKey, so that a killed load goes on where its checkpoint is; a
segment's key is good for the same number of segments alone, which is therefore the job's (semantics 6.2).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tailrace.adapters.dynamodb_calls import DynamoDBCalls, DynamoDBError
from tailrace.expectations import scan_record
from tailrace.failures import ItemReadError
from tailrace.jobs import Job
from tailrace.loading import Page, Slice
from tailrace.records import NANOSECONDS
from tailrace.reindexing import MARGIN_SECONDS
from tailrace.sides import TableShape


@dataclass(frozen=True, slots=True)
class ScanSource:
    """See `sources.Source`: consistent parallel scans of one table."""

    calls: DynamoDBCalls
    shape: TableShape
    kind: str = "scan"

    def slices(self, job: Job) -> Sequence[Slice]:
        """See `sources.Source.slices`."""
        instant = int(job.read_from * NANOSECONDS)
        return [ScanSlice(self.calls, self.shape, number, job.segments, instant) for number in range(job.segments)]

    def begin(self, job: Job) -> Job:
        """See `sources.Source.begin`."""
        return job


@dataclass(frozen=True, slots=True)
class ScanSlice:
    """One segment of `total`. `instant_ns` is the time before reading began."""

    calls: DynamoDBCalls
    shape: TableShape
    number: int
    total: int
    instant_ns: int

    @property
    def backdated_ns(self) -> int:
        """See `loading.Slice.backdated_ns`."""
        return int(MARGIN_SECONDS * NANOSECONDS)

    @property
    def name(self) -> str:
        """See `loading.Slice.name`."""
        return f"segment-{self.number}-of-{self.total}"

    def pages(self, position: Any) -> Iterator[Page]:
        """See `loading.Slice.pages`. Raises ItemReadError when DynamoDB does not answer, or there is no table."""
        while True:
            answer = self._scan(position)
            position = answer.get("LastEvaluatedKey")
            records = [
                scan_record(self.shape.name, {name: item[name] for name in self.shape.key_types}, item, self.instant_ns)
                for item in answer["Items"]
            ]
            capacity = answer.get("ConsumedCapacity", {}).get("CapacityUnits", 0.0)
            yield Page(records, position, position is None, capacity)
            if position is None:
                return

    def _scan(self, position: Any) -> dict[str, Any]:
        request: dict[str, Any] = {"TableName": self.shape.name, "ConsistentRead": True}
        request |= {"Segment": self.number, "TotalSegments": self.total, "ReturnConsumedCapacity": "TOTAL"}
        request |= {"ExclusiveStartKey": position} if position else {}
        try:
            return self.calls.call("Scan", request)
        except DynamoDBError as error:
            raise ItemReadError(f"table {self.shape.name}: {error}") from error
