"""Exports in a dict, written as DynamoDB writes them."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from builders import order

from tailrace.exports import ExportError
from tailrace_local.export_writing import ExportTarget, write_full_export, write_incremental_export

TABLE_ARN = "arn:aws:dynamodb:us-east-1:000000000000:table/orders"
TIME = 1_763_726_400.0
FULL = "01763726400000-0000aaaa"
LATER = "01763730000000-0000bbbb"


@dataclass
class MemoryExports:
    """See `exports.ExportStore`: a bucket called `exports`; objects come in pieces of `piece` bytes."""

    objects: dict[str, bytes] = field(default_factory=dict)
    piece: int = 1_000

    def read(self, bucket: str, key: str) -> bytes:
        return b"".join(self.stream(bucket, key))

    def stream(self, bucket: str, key: str) -> Iterator[bytes]:
        if bucket != "exports" or key not in self.objects:
            raise ExportError(f"s3://{bucket}/{key} is missing")
        body = self.objects[key]
        return (body[start : start + self.piece] for start in range(0, len(body), self.piece))

    def put(self, key: str, body: bytes) -> None:
        self.objects[key] = body

    def target(self, export_id: str = FULL, **changes: Any) -> ExportTarget:
        return ExportTarget(self.put, "exports", "daily", TABLE_ARN, export_id, **changes)

    def full(self, count: int = 10, **changes: Any) -> str:
        """A full export of `count` orders; the key of its summary."""
        items = [order(f"o-{number:03d}") for number in range(count)]
        return write_full_export(self.target(**changes), items, TIME)

    def incremental(self, *changes: Any, begins_at: float = TIME, ends_at: float = TIME + 3_600, **target: Any) -> str:
        """An incremental export of changes; the key of its summary."""
        return write_incremental_export(self.target(LATER, **target), changes, begins_at, ends_at)

    def data_files(self) -> list[str]:
        """The keys of all data files."""
        return sorted(key for key in self.objects if "/data/" in key)
