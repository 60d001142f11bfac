"""The main job: write everything, wait until all of it is settled, then verify every table against its indices.

The pipeline runs beside it all the time; this side only writes to tables, reads tables, searches, and reads the log.

Invariant: whatever ends the job (an error, Ctrl-C), its threads have ended when `run` is left.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from random import Random
from threading import Event

from tailrace.errors import TailraceError, UserError
from tailrace.sides import is_alias_of
from tailrace.tables import Tables
from tailrace_local.demo.accounts import Ledger, LogFollower
from tailrace_local.demo.data import KEYS
from tailrace_local.demo.documents import Documents
from tailrace_local.demo.freshness import FreshnessProbe
from tailrace_local.demo.judgement import Judgement
from tailrace_local.demo.results import AccountSummary, DemoResult, Progress, TableProgress
from tailrace_local.demo.searches import run_searches
from tailrace_local.demo.stages import Route, Stage
from tailrace_local.demo.table_client import TableClient
from tailrace_local.demo.workload import PROBE_TABLE, Workload
from tailrace_local.demo.writing import LaneWriter, Tally, sum_tallies
from tailrace_local.event_sources import UndeliveredError

LOOK_SECONDS = 0.2
DRAIN_SECONDS = 0.5  # long enough for a busy machine to answer an empty GetRecords
STALL_SECONDS = 180.0
"""Longer than an invocation waits for an engine that is down (the function's timeout), and a retry after it."""

PROBE_GRACE_SECONDS = 10.0
"""Several refresh intervals: a probe that is settled and not found by then will not be found any more."""


class StalledError(TailraceError):
    """Nothing was indexed for `STALL_SECONDS`."""


class DemoJob:
    """One run, once, over one workload. `observe` hears a `Progress` about five times a second."""

    def __init__(self, stage: Stage, tables: Tables, workload: Workload, observe: Callable[[Progress], None]) -> None:
        self._stage = stage
        self._tables = tables
        self._workload = workload
        self._observe = observe
        self._connections = ExitStack()
        self._documents = self._open_documents()
        self._writers_done, self._stop = Event(), Event()
        self._writers = [LaneWriter(lane, self._connect) for lane in workload.lanes]
        self._probing = FreshnessProbe(
            workload.probes, partial(self._connect().put, PROBE_TABLE), self._open_documents(), PROBE_TABLE
        )
        self._ledger, self._log = Ledger(), LogFollower(stage.logs.folder, stage.logs.pattern)
        self._writes = workload.writes_by_table()
        self._started = 0.0

    def run(self, seed: int) -> DemoResult:
        """Write, settle, compare. Raises TailraceError for what stops the job; a difference is part of the result."""
        with self._connections:
            self._refuse_old_indices()
            return self._run(Random(seed))  # noqa: S311  # a sample that repeats, not a secret

    def _run(self, random: Random) -> DemoResult:
        self._started = time.monotonic()
        with self._threads() as (writers, probing):
            self._watch([*writers, probing], "loading and changing the tables", lambda: all(map(Future.done, writers)))
            self._writers_done.set()
            written = time.monotonic()
            self._watch([probing], "waiting until everything is settled", self._is_settled)
            settled = time.monotonic()
            last = settled + PROBE_GRACE_SECONDS
            self._watch([probing], "waiting for the last searches", lambda: probing.done() or time.monotonic() > last)
        self._tell("verifying every table against its indices")
        comparing = time.monotonic()
        judgement = Judgement(self._documents, self._stage.engine_url, self._stage.clients, self._tables, random)
        certificates, cross_check = judgement.verify_all(), judgement.cross_check()
        return DemoResult(
            writes=self._workload.writes,
            writing_seconds=written - self._started,
            settling_seconds=settled - written,
            comparing_seconds=time.monotonic() - comparing,
            account=self._account(),
            freshness=self._probing.log.summary(),
            certificates=certificates,
            expected_items=self._workload.items_after(),
            cross_check=cross_check,
            searches=run_searches(self._documents),
            disturbance=self._stage.disturbance(),
        )

    def _connect(self) -> TableClient:
        client = TableClient(self._stage.tables_url, sleep=self._stop.wait)
        return self._connections.enter_context(closing(client))

    def _open_documents(self) -> Documents:
        return self._connections.enter_context(closing(Documents(self._stage.engine_url)))

    def _refuse_old_indices(self) -> None:
        aliases, specs = self._documents.read_aliases(), [self._tables.spec(table) for table in KEYS]
        old = [alias for spec in specs for alias in aliases if is_alias_of(spec, alias)]
        if old:
            raise UserError(
                f"OpenSearch at {self._stage.engine_url} already holds {old[0]}, so nothing could be proved of it: "
                "delete the demo's indices there, or unset TAILRACE_OPENSEARCH_URL"
            )

    @contextmanager
    def _threads(self) -> Iterator[tuple[list[Future[None]], Future[None]]]:
        with ThreadPoolExecutor(len(self._writers) + 1, thread_name_prefix="demo") as pool:
            try:
                writers = [pool.submit(writer.run, self._stop) for writer in self._writers]
                yield writers, pool.submit(self._probing.run, self._writers_done, self._stop)
            finally:
                self._stop.set()

    def _watch(self, running: Sequence[Future[None]], phase: str, is_over: Callable[[], bool]) -> None:
        indexed, since = -1, time.monotonic()
        while not is_over():
            progress = self._tell(phase)
            if progress.indexed != indexed:
                indexed, since = progress.indexed, time.monotonic()
            elif time.monotonic() - since > STALL_SECONDS:
                raise StalledError(
                    f"nothing was indexed for {STALL_SECONDS:.0f} s: see the log in {self._stage.logs.folder}"
                )
            self._stop.wait(LOOK_SECONDS)
            _raise_failure(running)
        _raise_failure(running)

    def _is_settled(self) -> bool:
        if self._probing.written < len(self._workload.probes):
            return False
        try:
            for mapping in self._stage.running:
                mapping.drain(DRAIN_SECONDS)
        except UndeliveredError:
            return False
        return True

    def _tell(self, phase: str) -> Progress:
        written = sum_tallies(tally.writes for tally in self._tallies())
        changed = sum_tallies(tally.changes for tally in self._tallies())
        routes = tuple(self._progress(route, written, changed) for route in self._stage.routes)
        progress = Progress(phase, time.monotonic() - self._started, routes)
        self._observe(progress)
        return progress

    def _tallies(self) -> list[Tally]:
        probed = Tally()
        probed.add(PROBE_TABLE, self._probing.written, self._probing.written)
        return [probed, *(writer.tally for writer in self._writers)]

    def _progress(self, route: Route, written: Mapping[str, int], changed: Mapping[str, int]) -> TableProgress:
        writes, done, made = (
            sum(counts[table] for table in route.tables) for counts in (self._writes, written, changed)
        )
        # Some records come twice by Kinesis.
        settled = min(made, route.mapping.status().counters.delivered)
        return TableProgress(route.name, writes, done, made - settled, settled)

    def _account(self) -> AccountSummary:
        for line in self._log.read_new():
            self._ledger.take(line)
        alone = [route for route in self._stage.routes if len(route.tables) == 1]
        return AccountSummary(
            batches=self._ledger.batches,
            breaches=self._ledger.breaches,
            changes=self._workload.changes,
            total=self._ledger.total(),
            by_table={route.tables[0]: self._ledger.total(route.tables[0]) for route in alone},
            is_balanced=self._ledger.is_balanced,
        )


def _raise_failure(running: Sequence[Future[None]]) -> None:
    for future in running:
        if future.done():
            future.result()
