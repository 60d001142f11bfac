"""Documents per second on the real engine: Tailrace's pipeline as a share of the raw `_bulk` ceiling of the same run.

The ceiling sends the very bodies that the pipeline would send, rendered beforehand, by the plainest client there is.
Both use the same number of connections, one process each, and take turns on fresh indices.
"""

import http.client
import multiprocessing
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any
from urllib.parse import urlsplit

from benchmarks.decoding import tailrace_body
from benchmarks.samples import BATCH, TABLES, event
from tailrace.adapters.clock import SystemClock
from tailrace.adapters.memory import MemoryDeadLetters, MemoryItems
from tailrace.adapters.opensearch import OpenSearchEngine
from tailrace.decoding import decode_event
from tailrace.generations import build_index_request
from tailrace.pipeline import Pipeline
from tailrace.tables import load_tables

BATCHES = 20
ROUNDS = 3
SPECS = load_tables(TABLES)


@dataclass(frozen=True, slots=True)
class Throughput:
    """Documents per second of wall time, and the client's CPU milliseconds per 1,000 documents."""

    documents_per_second: float
    cpu_ms_per_1000: float


def _send_raw(url: str, first: int, gate: Any) -> float:
    bodies = [tailrace_body(event(first + n * BATCH)) for n in range(BATCHES)]
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port)
    path = "/_bulk?require_alias=true&filter_path=errors"
    gate.wait()
    started = time.process_time()
    for body in bodies:
        connection.request("POST", path, body, {"Content-Type": "application/x-ndjson"})
        answer = connection.getresponse().read()
        if b'"errors":false' not in answer:
            raise RuntimeError("the ceiling's bodies were refused")
    return time.process_time() - started


def _send_by_pipeline(url: str, first: int, gate: Any) -> float:
    events = [event(first + n * BATCH) for n in range(BATCHES)]
    engine, clock = OpenSearchEngine(url), SystemClock()
    pipeline = Pipeline(SPECS, engine, MemoryDeadLetters(), MemoryItems(), clock)
    gate.wait()
    started = time.process_time()
    for batch in events:
        report = pipeline.process(decode_event(batch), clock.now() + 60)
        if report.account.as_dict()["indexed"] != BATCH:
            raise RuntimeError("the pipeline did not index every record")
    return time.process_time() - started


def _worker(send: Callable[..., float], url: str, first: int, gate: Any, results: Any) -> None:
    results.put(send(url, first, gate))


def run_once(send: Callable[..., float], url: str, connections: int) -> Throughput:
    """One measurement on a fresh index with `connections` processes."""
    engine = OpenSearchEngine(url)
    engine.ensure_index("orders", build_index_request(SPECS.spec("orders"), "orders"))
    context = multiprocessing.get_context("spawn")
    gate, results = context.Barrier(connections + 1), context.Queue()
    workers = [
        context.Process(target=_worker, args=(send, url, n * BATCHES * BATCH, gate, results))
        for n in range(connections)
    ]
    for worker in workers:
        worker.start()
    gate.wait()
    started = time.perf_counter()
    cpu = sum(results.get(timeout=300) for _ in workers)
    wall = time.perf_counter() - started
    for worker in workers:
        worker.join()
    engine.request("DELETE", "/orders@000001")
    documents = connections * BATCHES * BATCH
    return Throughput(documents / wall, cpu * 1_000_000 / documents)


def measure(url: str, connections: int, rounds: int = ROUNDS) -> dict[str, Throughput | float]:
    """`raw`, `tailrace` (medians) and `share`, the median of the ratios pair by pair. One uncounted round warms up."""
    run_once(_send_raw, url, connections)
    pairs = [
        (run_once(_send_raw, url, connections), run_once(_send_by_pipeline, url, connections)) for _ in range(rounds)
    ]
    share = median(ours.documents_per_second / raw.documents_per_second for raw, ours in pairs)
    return {"raw": _middle([raw for raw, _ in pairs]), "tailrace": _middle([ours for _, ours in pairs]), "share": share}


def _middle(results: list[Throughput]) -> Throughput:
    return Throughput(median(r.documents_per_second for r in results), median(r.cpu_ms_per_1000 for r in results))
