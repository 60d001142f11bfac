"""The process that is the cloud of an exercise: the table, its writer, its stream, the indexer.

It is told what to do by `Control.*` operations of the table's own endpoint. Invariant: it ends when its standard input
does, hence also when whoever started it was killed.
"""

import argparse
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import Event, Thread
from typing import Any

from reindexing.clients import connect
from reindexing.live_table import LiveTable
from reindexing.shards import Shards
from reindexing.table_server import TableServer, serving
from reindexing.writing import Writer
from tailrace.adapters.tables_file import read_tables

PAST_SECONDS = 1_000.0  # an older export is as old: DynamoDB's shortest window and something over
CHANGES_SINCE = 2_000
TICK_SECONDS = 0.02


@dataclass(slots=True)
class TableItems:
    """See `ports.ItemReader`."""

    table: LiveTable

    def read(self, _table: str, keys: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """See `ports.ItemReader.read`."""
        return self.table.image(keys["id"]["S"])


@dataclass(slots=True)
class Cloud:
    """What the control operations do."""

    table: LiveTable
    writer: Writer
    shards: Shards
    bucket: str
    server: TableServer | None = None
    _stopping: Event = field(default_factory=Event)
    _thread: Thread | None = None

    def control(self, operation: str, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """One operation."""
        told: Mapping[str, Any] = getattr(self, operation)(**request)
        return told

    def fill(self, items: int, is_past: bool = False) -> Mapping[str, Any]:
        """Fill the table and its index; with `is_past` as of long ago, with a full export and changes since."""
        now = time.time()
        self.writer.fill(items, now - 2 * PAST_SECONDS)
        if not is_past:
            return {}
        assert self.server is not None
        exported_at = now - PAST_SECONDS
        uri = self.server.write_full(self.bucket, "daily", exported_at)
        for number in range(CHANGES_SINCE):
            self.writer.change(exported_at + 1 + number * (PAST_SECONDS - 60) / CHANGES_SINCE)
        return {"export": uri}

    def write(self, rate: int) -> Mapping[str, Any]:
        """Write at a rate from now on; 0 stops."""
        if self._thread is not None:
            self._stopping.set()
            self._thread.join()
            self._stopping.clear()
            self._thread = None
        self.shards.has_lag = rate > 0
        if rate:
            self._thread = Thread(target=self._write, args=(rate,), daemon=True)
            self._thread.start()
        return {}

    def delete_table(self) -> Mapping[str, Any]:
        """The table is gone from now on."""
        assert self.server is not None
        self.server.is_deleted = True
        return {}

    def status(self, deleted_after: int = 0, moves_since: float = 0.0) -> Mapping[str, Any]:
        """Counts, and the deletions delivered from number `deleted_after` on."""
        return {
            "items": len(self.table),
            "waiting": sum(map(len, self.shards.records)),
            "is_drained": self.shards.is_drained(),
            "changes": dict(self.writer.counts),
            "moves": self.writer.recent_moves(moves_since),
            "outcomes": dict(self.shards.counts),
            "letters": len(self.shards.letters.letters),
            "problem": self.shards.problem,
            "longest": self.shards.longest,
            "deleted": self.shards.deleted[deleted_after:],
        }

    def history(self, id_: str) -> Mapping[str, Any]:
        """What the stream told of an item: change, sequence number, type; and when its deletion was delivered."""
        told = [
            (record["eventName"], record["dynamodb"]["SequenceNumber"], _type_of(record))
            for record in list(self.table.log)
            if record["dynamodb"]["Keys"]["id"]["S"] == id_
        ]
        delivered = [("DELIVERED", str(instant), "") for known, instant in list(self.shards.deleted) if known == id_]
        return {"changes": told + delivered}

    def _write(self, rate: int) -> None:
        began_at, written = time.monotonic(), 0
        while not self._stopping.wait(TICK_SECONDS):
            due = int((time.monotonic() - began_at) * rate) - written
            for _ in range(due):
                self.writer.change(time.time())
            written += due


def _type_of(record: Mapping[str, Any]) -> str:
    kind: str = (record["dynamodb"].get("NewImage") or record["dynamodb"]["OldImage"])["kind"]["S"]
    return kind


def main(arguments: list[str]) -> int:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser(prog="python -m reindexing.living")
    parser.add_argument("engine")
    parser.add_argument("s3")
    parser.add_argument("bucket")
    parser.add_argument("tables", type=Path)
    parser.add_argument("--page-bytes", type=int, default=LiveTable().page_bytes)
    given = parser.parse_args(arguments)
    s3 = connect("s3", given.s3)
    table = LiveTable(given.page_bytes)
    shards = Shards(read_tables(given.tables), given.engine, TableItems(table))
    cloud = Cloud(table, Writer(table, shards.put), shards, given.bucket)
    cloud.server = TableServer(table, partial(_put, s3), cloud.control)
    with shards.running(), serving(cloud.server) as url:
        print(url, flush=True)
        sys.stdin.read()
    return 0


def _put(s3: Any, bucket: str, key: str, body: bytes) -> None:
    s3.put_object(Bucket=bucket, Key=key, Body=body)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
