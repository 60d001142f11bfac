"""A table's reindex from its parts: the one place that chooses its adapters, for the command and the functions.

Invariant: each worker of a load has connections of its own, closed when its slice is done.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, NoReturn

from tailrace.adapters.clock import SystemClock
from tailrace.adapters.export_slices import ExportRequests, ExportSource, S3ExportStore
from tailrace.adapters.generations import OpenSearchGenerations
from tailrace.adapters.index_pages import OpenSearchIndex
from tailrace.adapters.opensearch import OpenSearchEngine
from tailrace.adapters.scan_slices import ScanSource
from tailrace.adapters.table_descriptions import describe_table
from tailrace.adapters.table_scan import DynamoDBTable
from tailrace.adapters.throttles import RateThrottle
from tailrace.built_sides import BuiltIndex
from tailrace.certificates import Certificate
from tailrace.delivery import DEFAULT_MAX_BULK_BYTES, DeliveryPolicy
from tailrace.errors import TailraceError
from tailrace.generations import next_alias
from tailrace.jobs import Job, JobStore
from tailrace.letterboxes import LetterBox
from tailrace.loading import Loader, Slice, Throttle, Watch
from tailrace.pipeline import Pipeline
from tailrace.ports import Clock, ItemReader
from tailrace.reindexing import Reindexer
from tailrace.sides import TableSide
from tailrace.sources import Source
from tailrace.tables import Tables, TableSpec
from tailrace.verifying import Progress, verify_table

EXPORT_PREFIX = "exports"
OnPhase = Callable[[Job], None]


@dataclass(frozen=True, slots=True)
class ReindexParts:
    """What a reindex of `table` is made of. `open_engine` opens connections of their own for each worker; `box` holds
    the job and takes the dead letters; `throttle` is shared by all workers.
    """

    specs: Tables
    table: TableSide
    items: ItemReader
    source: Source
    engine: OpenSearchEngine
    open_engine: Callable[[], AbstractContextManager[OpenSearchEngine]]
    box: LetterBox
    clock: Clock
    fence_seconds: float
    throttle: Throttle | None = None
    workers: int = 4
    max_bulk_bytes: int = DEFAULT_MAX_BULK_BYTES


def build_reindexer(
    parts: ReindexParts,
    on_phase: OnPhase,
    on_page: Watch,
    on_verify: Callable[[Progress], None],
) -> Reindexer:
    """The reindexer of a table; the callbacks hear of each phase, of each checkpoint, and of the verification."""
    throttle = parts.throttle or RateThrottle(0.0, parts.clock)
    index = OpenSearchIndex(parts.engine)
    return Reindexer(
        spec=parts.specs.spec(parts.table.shape().name),
        index=index,
        generations=OpenSearchGenerations(parts.engine),
        jobs=JobStore(parts.box),
        source=parts.source,
        clock=parts.clock,
        fence_seconds=parts.fence_seconds,
        open_loader=partial(_open_loader, parts, throttle, on_page),
        verify=partial(_verify, parts, index, on_verify),
        watch=on_phase,
        workers=parts.workers,
    )


def build_source(kind: str, table: DynamoDBTable, dynamodb: Any, s3: Any, bucket: str) -> Source:
    """The source of a kind; both clients are boto3's, and exports that are asked for are written to `bucket`.

    Raises UserError where there is no such table.
    """
    if kind == "scan":
        return ScanSource(table.calls, table.shape())
    clock, arn = SystemClock(), (describe_table(dynamodb, table.shape().name) or {}).get("TableArn", "")
    requests = ExportRequests(dynamodb, arn, bucket, EXPORT_PREFIX, clock)
    return ExportSource(S3ExportStore(s3), requests, table.shape(), clock, is_chained=kind == "incremental")


@dataclass(frozen=True, slots=True)
class NoSource:
    """See `sources.Source`: of a job that only moves aliases, or drops generations."""

    kind: str = "none"

    def slices(self, _job: Job) -> Sequence[Slice]:
        """See `sources.Source.slices`."""
        return ()

    def begin(self, job: Job) -> Job:
        """See `sources.Source.begin`."""
        return job


def build_switch(spec: TableSpec, engine: OpenSearchEngine, box: LetterBox, on_phase: OnPhase) -> Reindexer:
    """A reindexer that only rolls back, gives up and ends: it needs no table, which may be gone by then."""
    return Reindexer(
        spec=spec,
        index=OpenSearchIndex(engine),
        generations=OpenSearchGenerations(engine),
        jobs=JobStore(box),
        source=NoSource(),
        clock=SystemClock(),
        fence_seconds=0.0,
        open_loader=_refuse,
        verify=_refuse,
        watch=on_phase,
    )


def _refuse(*_: object) -> NoReturn:
    raise TailraceError("there is nothing to load or to verify with")


@contextmanager
def _open_loader(parts: ReindexParts, throttle: Throttle, on_page: Watch, job: Job, part: Slice) -> Iterator[Loader]:
    redirects = {move.alias: next_alias(move.alias) for move in job.moves}
    policy = DeliveryPolicy(max_bulk_bytes=parts.max_bulk_bytes, is_backfill=True)
    with parts.open_engine() as engine:
        pipeline = Pipeline(
            parts.specs, engine, parts.box, parts.items, parts.clock, policy, redirects, part.backdated_ns
        )
        yield Loader(job, JobStore(parts.box), pipeline, parts.clock, throttle, on_page)


def _verify(
    parts: ReindexParts, index: OpenSearchIndex, on_verify: Callable[[Progress], None], built: Mapping[str, str]
) -> Certificate:
    sides = BuiltIndex(index, built)
    return verify_table(parts.specs, parts.table, sides, parts.clock, progress=on_verify)
