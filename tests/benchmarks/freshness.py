"""From a write's return to the first search that finds it, at a steady rate, on the laptop cloud.

The whole way is measured: table, stream, event source mapping with the template's batch size and window, the indexer's
process, the engine with its default refresh. Probes are writes among the others, looked for by searches.

Invariant: the rate is kept by the clock (a late write does not delay the next), and the rate that came of it is told.
"""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from threading import Event

from benchmarks.readings import cpu_seconds
from benchmarks.samples import item
from tailrace.adapters.tables_file import read_tables
from tailrace_local.cloud import LaptopCloud
from tailrace_local.demo.data import Item
from tailrace_local.demo.documents import Documents
from tailrace_local.demo.freshness import PROBE_SECONDS, Freshness, FreshnessProbe
from tailrace_local.demo.table_client import TableClient
from tailrace_local.demo.workload import BATCH_WRITES, PROBE_TABLE, Batch
from tailrace_local.engine import SearchEngine
from tailrace_local.laptop_tables import table_requests

INDEX = f"{PROBE_TABLE}@000001"
ROOT = Path(__file__).resolve().parents[2]
RATE = 1_000
SECONDS = 60
WRITERS = 4
LEAD_SECONDS = 5  # before the first probe: the index is created, the function is warm
DRAIN_SECONDS = 120


@dataclass(frozen=True, slots=True)
class FreshnessAtRate:
    """What was asked and what came of it: changes a second, and seconds from write to searchable.

    `emulator_cores` is the CPU of the emulator, which has one thread: at 1 it can take no more.
    """

    asked_per_second: int
    written_per_second: float
    emulator_cores: float
    freshness: Freshness


def measure(engine: SearchEngine, rate: int = RATE, seconds: int = SECONDS) -> FreshnessAtRate:
    """Write for so many seconds into the sample's table `flights` on a started engine, which must not hold it yet.

    Raises RuntimeError where a change is missing in the index at the end.
    """
    requests = table_requests(read_tables(ROOT / "tables.yaml"))
    with LaptopCloud(ROOT / "template.yaml", requests, engine=engine) as cloud, ExitStack() as connections:
        writers = [connections.enter_context(closing(TableClient(cloud.emulator.url))) for _ in range(WRITERS)]
        prober = connections.enter_context(closing(TableClient(cloud.emulator.url)))
        documents = connections.enter_context(closing(Documents(engine.url)))
        connections.callback(documents.request, "DELETE", f"/{INDEX}")
        probes = [flight(f"probe-{n}", n) for n in range(int(seconds / PROBE_SECONDS))]
        probe = FreshnessProbe(probes, partial(prober.put, PROBE_TABLE), documents, PROBE_TABLE)
        before = cpu_seconds(cloud.emulator.pid)
        written, elapsed = _load_and_probe(writers, probe, rate)
        cores = (cpu_seconds(cloud.emulator.pid) - before) / elapsed
        cloud.drain(DRAIN_SECONDS)
        _refuse_missing(documents, written + probe.written)
    return FreshnessAtRate(rate, written / elapsed, cores, probe.log.summary())


def flight(name: str, number: int) -> Item:
    """An item of the typical size under the key of the table."""
    return {"id": {"S": name}, **item(number)}


def _load_and_probe(writers: list[TableClient], probe: FreshnessProbe, rate: int) -> tuple[int, float]:
    """Load until every probe was found; how many items that were, in how many seconds."""
    over = Event()
    with ThreadPoolExecutor(len(writers)) as threads:
        started = time.monotonic()
        pace = rate / len(writers)
        loads = [threads.submit(_write, writer, lane, pace, over) for lane, writer in enumerate(writers)]
        try:
            over.wait(LEAD_SECONDS)
            probe.run(hurry=Event(), stop=over)
        finally:
            elapsed = time.monotonic() - started
            over.set()
    return sum(load.result() for load in loads), elapsed


def _refuse_missing(documents: Documents, expected: int) -> None:
    documents.refresh([PROBE_TABLE])
    found = json.loads(documents.request("GET", f"/{PROBE_TABLE}/_count"))["count"]
    if found != expected:
        raise RuntimeError(f"the index holds {found} documents instead of {expected}")


def _write(client: TableClient, lane: int, rate: float, over: Event) -> int:
    """Write at a pace until it is over; the answer is how many items. A late batch does not delay the next."""
    started, written = time.monotonic(), 0
    for batch in _batches(lane):
        if over.wait(max(0.0, started + written / rate - time.monotonic())):
            return written
        client.send(batch)
        written += batch.writes
    return written


def _batches(lane: int) -> Iterator[Batch]:
    for first in count(0, BATCH_WRITES):
        yield Batch(PROBE_TABLE, tuple(flight(f"{lane}-{n}", n) for n in range(first, first + BATCH_WRITES)))
