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

import orjson

from benchmarks.decoding import tailrace_body
from benchmarks.samples import BATCH, TABLES, event, removal
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
    return _post(url, [tailrace_body(event(first + n * BATCH)) for n in range(BATCHES)], gate)


def _post(url: str, bodies: list[bytes], gate: Any) -> float:
    """Send bodies that are rendered already over one kept-alive connection; CPU seconds of doing so."""
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


def _changes(first: int) -> list[bytes]:
    """Bodies of insertions of which every tenth item is removed again in a later batch: documents and tombstones."""
    return [tailrace_body(with_removals(event(first + n * BATCH), first + (n - 1) * BATCH)) for n in range(BATCHES)]


def with_removals(batch: dict[str, Any], first: int) -> dict[str, Any]:
    """The batch, and after it the removal of every tenth item of the batch that began at `first` (none before 0)."""
    removals = [removal(number) for number in range(max(first, 0), max(first + BATCH, 0), 10)]
    return {"Records": [*batch["Records"], *removals]}


def _without_order(body: bytes) -> bytes:
    """The same writes as anyone would send them: no versions, and a plain delete for each tombstone."""
    lines = body.splitlines()
    plain = []
    for line, source in zip(lines[::2], lines[1::2], strict=True):
        meta = orjson.loads(line)["index"]
        target = {"_index": "orders", "_id": meta["_id"]}
        is_tombstone = source.startswith(b'{"ddb":')
        plain += [orjson.dumps({"delete": target})] if is_tombstone else [orjson.dumps({"index": target}), source]
    return b"\n".join(plain) + b"\n"


def _send_ordered(url: str, first: int, gate: Any) -> float:
    return _post(url, _changes(first), gate)


def _send_unordered(url: str, first: int, gate: Any) -> float:
    return _post(url, [_without_order(body) for body in _changes(first)], gate)


def measure_order_cost(url: str, rounds: int = ROUNDS) -> float:
    """Writes per second with versions and tombstones as a share of plain unversioned writes of the same changes."""
    run_once(_send_unordered, url, 1)
    pairs = [(run_once(_send_unordered, url, 1), run_once(_send_ordered, url, 1)) for _ in range(rounds)]
    return median(ordered.documents_per_second / plain.documents_per_second for plain, ordered in pairs)


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
