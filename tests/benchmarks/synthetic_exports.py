"""Exports of any size that are made while they are read: nothing of them lies in memory or on a disk.

A file is the same gzip member again and again, or members with keys of their own. Invariant: manifests, checksums and
item counts are those of the bytes that are streamed, and no page holds a key twice.
"""

import gzip
import hashlib
from base64 import b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache

import orjson

from benchmarks.samples import BATCH, SECOND, item
from tailrace.adapters.clock import SystemClock
from tailrace.adapters.export_slices import PIECE_BYTES, ExportRequests, ExportSource
from tailrace.exports import FULL_MARGIN_SECONDS
from tailrace.jobs import Job
from tailrace.loading import Slice
from tailrace.records import NANOSECONDS
from tailrace.sides import TableShape

ARN = "arn:aws:dynamodb:us-east-1:000000000000:table/orders"
KEY_NAMES = ("customer_id", "order_id")
INSTANT = int((SECOND - FULL_MARGIN_SECONDS) * NANOSECONDS)
FOLDER = "AWSDynamoDB/01763726400000-0000aaaa"
BUCKET = "exports"


@dataclass(frozen=True, slots=True)
class SyntheticExport:
    """See `exports.ExportStore`. Items are in members of 1,000; with `members` the same few come again and again.

    Each item has `padding` bytes more than the sample.
    """

    files: int
    items_per_file: int
    members: int = 0
    padding: int = 0

    @property
    def uri(self) -> str:
        """Where it is."""
        return f"s3://{BUCKET}/{FOLDER}"

    def slices(self, job: Job) -> Sequence[Slice]:
        """The slices of its load."""
        shape, clock = TableShape("orders", dict.fromkeys(KEY_NAMES, "S")), SystemClock()
        requests = ExportRequests(None, ARN, "none", "none", clock)
        return ExportSource(self, requests, shape, clock, is_chained=False).slices(job)

    def read(self, bucket: str, key: str) -> bytes:
        """See `exports.ExportStore.read`."""
        return self._summary() if key.endswith("summary.json") else self._manifest()

    def stream(self, bucket: str, key: str) -> Iterator[bytes]:
        """See `exports.ExportStore.stream`."""
        number = int(key.rpartition("/")[2].partition(".")[0])
        for body in self._bodies(number):
            for start in range(0, len(body), PIECE_BYTES):
                yield body[start : start + PIECE_BYTES]

    def _bodies(self, number: int) -> Iterator[bytes]:
        first, count = number * self.items_per_file // BATCH, self.items_per_file // BATCH
        numbers = (n % self.members if self.members else n for n in range(first, first + count))
        return (gzip_member(number, self.padding) for number in numbers)

    def _manifest(self) -> bytes:
        lines = [
            {"itemCount": self.items_per_file, "md5Checksum": self._checksum(n), "dataFileS3Key": _key_of(n)}
            for n in range(self.files)
        ]
        return b"\n".join(map(orjson.dumps, lines))

    def _checksum(self, number: int) -> str:
        digest = hashlib.md5(usedforsecurity=False)
        for body in self._bodies(number):
            digest.update(body)
        return b64encode(digest.digest()).decode()

    def _summary(self) -> bytes:
        told = {
            "exportArn": f"{ARN}/export/{FOLDER.rpartition('/')[2]}",
            "tableArn": ARN,
            "exportTime": datetime.fromtimestamp(SECOND, UTC).isoformat(),
            "s3Bucket": BUCKET,
            "manifestFilesS3Key": f"{FOLDER}/manifest-files.json",
            "outputFormat": "DYNAMODB_JSON",
            "itemCount": self.files * self.items_per_file,
        }
        return orjson.dumps(told)


def _key_of(number: int) -> str:
    return f"{FOLDER}/data/{number}.json.gz"


@cache
def gzip_member(number: int, padding: int = 0) -> bytes:
    """A thousand items; kept, so that making them is no part of what is measured."""
    return gzip.compress(lines_of(number, padding), compresslevel=1, mtime=0)


def lines_of(number: int, padding: int = 0) -> bytes:
    """The lines of a member."""
    more = {"padding": {"S": "x" * padding}} if padding else {}
    numbers = range(number * BATCH, (number + 1) * BATCH)
    return b"".join(orjson.dumps({"Item": item(n) | more}) + b"\n" for n in numbers)
