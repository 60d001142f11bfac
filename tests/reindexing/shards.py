"""The stream of a live table and the indexer behind it: the real pipeline, a thread and connections for each shard.

As Lambda does: the changes of an item stay in order; a batch that did not get through whole is delivered again, and now
and then one that did. Invariant: a shard's next batch begins when the one before is settled.
"""

import random
import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event, Thread
from typing import Any
from zlib import crc32

import requests

from tailrace.adapters.clock import SystemClock
from tailrace.adapters.memory_letters import MemoryLetterBox
from tailrace.adapters.opensearch import OpenSearchEngine
from tailrace.decoding import decode_event
from tailrace.pipeline import Pipeline
from tailrace.ports import ItemReader
from tailrace.tables import Tables

SHARDS = 2
BATCH = 500
BATCH_SECONDS = 10.0
LONGEST_LAG_SECONDS = 1.0
IDLE_SECONDS = 0.02
AGAIN = 0.02


@dataclass(slots=True)
class Shards:
    """`records` waits by shard. `deleted` are the ids of delivered deletions with the time, in order; `longest` is the
    longest invocation in seconds.
    """

    tables: Tables
    engine_url: str
    items: ItemReader
    seed: int = 1
    records: list[deque[dict[str, Any]]] = field(default_factory=lambda: [deque() for _ in range(SHARDS)])
    counts: Counter[str] = field(default_factory=Counter)
    deleted: list[tuple[str, float]] = field(default_factory=list)
    letters: MemoryLetterBox = field(default_factory=MemoryLetterBox)
    longest: float = 0.0
    has_lag: bool = False
    problem: str = ""
    _stopping: Event = field(default_factory=Event)
    _busy: Counter[int] = field(default_factory=Counter)

    def put(self, record: dict[str, Any]) -> None:
        """A change of the table."""
        self.records[crc32(record["dynamodb"]["Keys"]["id"]["S"].encode()) % SHARDS].append(record)

    def is_drained(self) -> bool:
        """Whether everything was delivered."""
        return not any(self.records) and not any(self._busy.values())

    @contextmanager
    def running(self) -> Iterator[None]:
        """The shards are read while the block lasts."""
        threads = [Thread(target=self._read, args=(shard,), daemon=True) for shard in range(SHARDS)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stopping.set()
            for thread in threads:
                thread.join()

    def _read(self, shard: int) -> None:
        chance = random.Random(self.seed * SHARDS + shard)
        with requests.Session() as session:
            engine = OpenSearchEngine(self.engine_url, session=session)
            pipeline = Pipeline(self.tables, engine, self.letters, self.items, SystemClock())
            while not self._stopping.is_set():
                self._stopping.wait(chance.uniform(0, LONGEST_LAG_SECONDS) if self.has_lag else IDLE_SECONDS)
                while self._deliver_next(pipeline, shard, chance) == BATCH:
                    pass

    def _deliver_next(self, pipeline: Pipeline, shard: int, chance: random.Random) -> int:
        waiting = self.records[shard]
        self._busy[shard] = 1
        batch = [waiting.popleft() for _ in range(min(BATCH, len(waiting)))]
        if batch:
            self._deliver(pipeline, batch)
            if chance.random() < AGAIN:
                self._deliver(pipeline, batch)
            now = time.time()
            gone = (each["dynamodb"]["Keys"]["id"]["S"] for each in batch if each["eventName"] == "REMOVE")
            self.deleted.extend((id_, now) for id_ in gone if not id_.startswith("p"))
        self._busy[shard] = 0
        return len(batch)

    def _deliver(self, pipeline: Pipeline, batch: list[dict[str, Any]]) -> None:
        """Until it is through, as an event source mapping does."""
        while not self._stopping.is_set():
            began_at = time.monotonic()
            report = pipeline.process(decode_event({"Records": batch}), time.time() + BATCH_SECONDS)
            self.longest = max(self.longest, time.monotonic() - began_at)
            counts = report.account.as_dict()
            self.counts.update(counts)
            if not counts["failed"]:
                break
            self.problem = ", ".join(sorted({problem.reason for problem in report.problems}))
