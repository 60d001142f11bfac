"""A reindex with a table in memory and the engine that a test gives it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from builders import Indexer, change_record

from tailrace.adapters.clock import SystemClock
from tailrace.adapters.generations import OpenSearchGenerations
from tailrace.adapters.index_pages import OpenSearchIndex
from tailrace.adapters.memory import MemoryDeadLetters, MemoryItems
from tailrace.adapters.memory_letters import MemoryLetterBox
from tailrace.adapters.memory_sides import MemoryTable
from tailrace.adapters.throttles import RateThrottle
from tailrace.built_sides import BuiltIndex
from tailrace.delivery import DeliveryPolicy
from tailrace.expectations import scan_record
from tailrace.generations import next_alias
from tailrace.jobs import Job, JobStore
from tailrace.loading import Loader, Page
from tailrace.pipeline import Pipeline
from tailrace.records import NANOSECONDS
from tailrace.reindexing import MARGIN_SECONDS, Reindexer
from tailrace.verifying import VerifyOptions, verify_table

PAGE = 100


@dataclass(frozen=True)
class ListSlice:
    """Every `total`-th item of a list that is read when it is walked."""

    table: MemoryTable
    number: int
    total: int
    instant_ns: int
    backdated_ns: int = int(MARGIN_SECONDS * NANOSECONDS)

    @property
    def name(self) -> str:
        return f"part-{self.number}"

    def pages(self, position: Any) -> Iterator[Page]:
        items = sorted(self.table.items, key=lambda item: item["id"]["S"])[self.number :: self.total]
        start = position or 0
        while True:
            taken = items[start : start + PAGE]
            start += PAGE
            records = [scan_record(self.table.name, {"id": item["id"]}, item, self.instant_ns) for item in taken]
            yield Page(records, start, start >= len(items))
            if start >= len(items):
                return


@dataclass
class ListSource:
    table: MemoryTable
    kind: str = "scan"

    def slices(self, job: Job) -> Sequence[ListSlice]:
        instant = int(job.read_from * NANOSECONDS)
        return [ListSlice(self.table, number, job.segments, instant) for number in range(job.segments)]

    def begin(self, job: Job) -> Job:
        return job


@dataclass
class SnapshotSource(ListSource):
    """Reads the whole table at once, before the first page is loaded."""

    def begin(self, job: Job) -> Job:
        self.table = replace(self.table, items=list(self.table.items))
        return job


@dataclass
class World:
    """A table, its live writer, and the parts of a reindex."""

    specs: Any
    engine: Any
    index: OpenSearchIndex
    table: MemoryTable = field(default_factory=MemoryTable)
    box: MemoryLetterBox = field(default_factory=MemoryLetterBox)
    letters: MemoryDeadLetters = field(default_factory=MemoryDeadLetters)
    clock: Any = field(default_factory=SystemClock)
    sequence: int = 0

    def write(self, item: dict[str, Any]) -> None:
        """An upsert that reaches table and indexer."""
        old = next((known for known in self.table.items if known["id"] == item["id"]), None)
        self.table.items = [known for known in self.table.items if known is not old] + [item]
        self._index(change_record("MODIFY" if old else "INSERT", new=item, old=old, **self._next()))

    def remove(self, id_: str) -> None:
        [old] = [known for known in self.table.items if known["id"]["S"] == id_]
        self.table.items = [known for known in self.table.items if known is not old]
        self._index(change_record("REMOVE", old=old, **self._next()))

    def reindexer(self, specs: Any = None, **parts: Any) -> Reindexer:
        specs = specs or self.specs
        spec, clock, jobs = specs.spec("orders"), self.clock, JobStore(self.box)

        @contextmanager
        def open_loader(job: Job, part: Any) -> Iterator[Loader]:
            redirects = {move.alias: next_alias(move.alias) for move in job.moves}
            policy = DeliveryPolicy(is_backfill=True)
            pipeline = Pipeline(
                specs, self.engine, self.letters, self._items(), clock, policy, redirects, part.backdated_ns
            )
            yield Loader(job, jobs, pipeline, clock, RateThrottle(0, clock), parts.get("on_page", lambda *_: None), 5)

        def verify(built: Any) -> Any:
            return verify_table(specs, self.table, BuiltIndex(self.index, built), clock, VerifyOptions(lag_seconds=0.2))

        return Reindexer(
            spec=spec,
            index=self.index,
            generations=parts.get("generations") or OpenSearchGenerations(self.engine),
            jobs=jobs,
            source=parts.get("source") or ListSource(self.table),
            clock=clock,
            fence_seconds=0.0,
            open_loader=open_loader,
            verify=verify,
            watch=parts.get("on_phase", lambda _: None),
        )

    def _index(self, record: dict[str, Any]) -> None:
        counts = Indexer(
            tables=self.specs, engine=self.engine, letters=self.letters, items=self._items(), clock=self.clock
        ).counts(record)
        assert set(counts) <= {"indexed", "deleted", "duplicate", "stale"}, counts

    def _items(self) -> MemoryItems:
        return MemoryItems({"orders": self.table.items})

    def _next(self) -> dict[str, Any]:
        self.sequence += 1
        return {"sequence": self.sequence, "second": int(self.clock.now())}
