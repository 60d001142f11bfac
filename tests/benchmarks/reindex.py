"""How fast a reindex loads an export, beside the raw `_bulk` of the same documents into the same kind of index.

The load is the real one, from gzipped lines to checkpoints, on an export that is made on the fly; only its job lies in
memory. Invariant: ours and the ceiling take turns on fresh generations, with as many connections each, and whichever
lost a document ends the run.
"""

import multiprocessing
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from statistics import median
from threading import Lock
from typing import Any

import requests

from benchmarks.ceilings import PATIENCE_SECONDS, send_bodies
from benchmarks.samples import BATCH, TABLES, item
from benchmarks.speeds import Speed, middle, speed_of
from benchmarks.synthetic_exports import INSTANT, KEY_NAMES, SyntheticExport
from tailrace.actions import Planner
from tailrace.adapters.clock import SystemClock
from tailrace.adapters.collector import slow_down_collector
from tailrace.adapters.memory import MemoryItems
from tailrace.adapters.memory_letters import MemoryLetterBox
from tailrace.adapters.opensearch import OpenSearchEngine
from tailrace.adapters.throttles import RateThrottle
from tailrace.bulk import pack
from tailrace.delivery import DeliveryPolicy
from tailrace.expectations import scan_record
from tailrace.jobs import Checkpoint, Job, JobStore
from tailrace.loading import Loader
from tailrace.pipeline import Pipeline
from tailrace.swapping import build_next_request
from tailrace.tables import load_tables

NAME = "orders"
GENERATION, SHADOW = f"{NAME}@000002", f"{NAME}@next"
PAGES, WARM_UP, ROUNDS = 40, 4, 7
MAX_BODY = 10 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class LoadSpeed:
    """Medians over the rounds; `share` is of the ceiling's documents/s, the median of the ratios of a round."""

    connections: int
    ours: Speed
    ceiling: Speed
    share: float


@dataclass(slots=True)
class Stopwatch:
    """From the page with which the warm-up of all slices is over, to the last."""

    warm: int
    pages: int = 0
    began: tuple[float, float] = (0.0, 0.0)
    ended: tuple[float, float] = (0.0, 0.0)
    _lock: Lock = field(default_factory=Lock)

    def on_page(self, _name: str, _checkpoint: Checkpoint) -> None:
        """See `loading.Watch`."""
        with self._lock:
            self.pages += 1
            self.ended = (time.monotonic(), time.process_time())
            if self.pages == self.warm:
                self.began = self.ended

    def speed(self) -> Speed:
        """Of the pages that count."""
        documents = (self.pages - self.warm) * BATCH
        return speed_of(documents, self.ended[0] - self.began[0], self.ended[1] - self.began[1])


def measure(
    url: str, rounds: int = ROUNDS, connections: tuple[int, ...] = (1, 2), pages: int = PAGES
) -> list[LoadSpeed]:
    """The speeds with so many connections: as many slices side by side, `pages` of 1,000 items each."""
    return [_compare(url, number, rounds, pages) for number in connections]


def _compare(url: str, connections: int, rounds: int, pages: int) -> LoadSpeed:
    raw = partial(send_bodies, bodies_of_load, pages, WARM_UP, url, connections)
    ours = partial(_run_load, url, connections, pages)
    _turn(url, raw, connections * pages)  # the engine's own warm-up
    pairs = [(_turn(url, ours, connections * pages), _turn(url, raw, connections * pages)) for _ in range(rounds)]
    share = median(mine.documents_per_second / ceiling.documents_per_second for mine, ceiling in pairs)
    return LoadSpeed(connections, middle([mine for mine, _ in pairs]), middle([raw for _, raw in pairs]), share)


def bodies_of_load(first: int) -> bytes:
    """The bulk body that the load of these items sends."""
    planner, actions = Planner(load_tables(TABLES)), []
    for number in range(first, first + BATCH):
        image = item(number)
        record = scan_record(NAME, {name: image[name] for name in KEY_NAMES}, image, INSTANT)
        actions += [action._replace(alias=SHADOW) for action in planner.plan(record, 0)]
    [body] = pack(actions, MAX_BODY)
    return body.content


def _turn(url: str, run: Callable[[], Speed], pages: int) -> Speed:
    with fresh_generation(url, pages * BATCH):
        return run()


@contextmanager
def fresh_generation(url: str, documents: int) -> Iterator[None]:
    """A generation under construction, for one turn. Raises RuntimeError where it lacks documents at the end."""
    engine = OpenSearchEngine(url)
    engine.request("PUT", f"/{GENERATION}", build_next_request(load_tables(TABLES).spec(NAME), NAME, "job"))
    try:
        yield
        engine.request("POST", f"/{GENERATION}/_refresh")
        if (found := engine.request("GET", f"/{GENERATION}/_count")["count"]) != documents:
            raise RuntimeError(f"the generation holds {found} documents instead of {documents}")
    finally:
        engine.request("DELETE", f"/{GENERATION}")


def _run_load(url: str, connections: int, pages: int) -> Speed:
    """In a process of its own, as the command is."""
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    process = context.Process(target=_load, args=(url, connections, pages, results))
    process.start()
    speed: Speed = results.get(timeout=PATIENCE_SECONDS)
    process.join()
    return speed


def _load(url: str, connections: int, pages: int, results: Any) -> None:
    slow_down_collector()
    watch = Stopwatch(connections * WARM_UP)
    load_export(SyntheticExport(files=connections, items_per_file=pages * BATCH), url, connections, watch.on_page)
    results.put(watch.speed())


def load_export(export: SyntheticExport, url: str, workers: int, on_page: Callable[[str, Checkpoint], None]) -> None:
    """Every file of the export into `orders@next`, some side by side, each with a connection of its own."""
    job = Job("job", NAME, "export", "", 0.0, exports=(export.uri,))
    slices = export.slices(job)
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(partial(_load_slice, job, url, on_page), slices))


def _load_slice(job: Job, url: str, on_page: Callable[[str, Checkpoint], None], part: Any) -> None:
    clock, box = SystemClock(), MemoryLetterBox()
    with requests.Session() as session:
        engine = OpenSearchEngine(url, session=session)
        policy = DeliveryPolicy(is_backfill=True)
        pipeline = Pipeline(
            load_tables(TABLES), engine, box, MemoryItems(), clock, policy, {NAME: SHADOW}, part.backdated_ns
        )
        loader = Loader(job, JobStore(box), pipeline, clock, RateThrottle(0.0, clock), on_page)
        end = loader.load(part, Checkpoint())
    if not end.is_done or end.written + end.stale != end.read:
        raise RuntimeError(f"the load came to {end}")
