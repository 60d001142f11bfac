"""What the engine takes from the plainest client there is: bodies rendered beforehand, over a bare connection each.

Invariant: every connection is a process of its own, warmed up like the functions, and stops at the first refusal.
"""

import http.client
import multiprocessing
import time
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

import orjson

from benchmarks.decoding import contestants, tailrace_body
from benchmarks.samples import BATCH, event
from benchmarks.speeds import Speed, speed_of

PATH = "/_bulk?filter_path=errors"
HEADERS = {"Content-Type": "application/x-ndjson"}
PATIENCE_SECONDS = 300

Render = Callable[[int], bytes]
"""From the number of a batch's first record to its bulk body."""


def tailrace_documents(first: int) -> bytes:
    """The body that Tailrace sends: item, digest, bookkeeping, version."""
    return tailrace_body(event(first))


def bare_documents(first: int) -> bytes:
    """The items alone, as most functions send them."""
    return contestants()["boto3 TypeDeserializer, bare"](event(first))


def send_bodies(render: Render, batches: int, warm_up: int, url: str, connections: int) -> Speed:
    """Each connection sends `batches`; the first `warm_up` of them are not counted."""
    context = multiprocessing.get_context("spawn")
    gate, results = context.Barrier(connections), context.Queue()
    arguments = [
        (url, render, range(n * batches, (n + 1) * batches), warm_up, gate, results) for n in range(connections)
    ]
    workers = [context.Process(target=_work, args=each, daemon=True) for each in arguments]
    for worker in workers:
        worker.start()
    spans = [results.get(timeout=PATIENCE_SECONDS) for _ in workers]
    for worker in workers:
        worker.join()
    wall = max(ended for _, ended, _ in spans) - min(started for started, _, _ in spans)
    return speed_of(connections * (batches - warm_up) * BATCH, wall, sum(cpu for _, _, cpu in spans))


def _work(url: str, render: Render, numbers: range, warm_up: int, gate: Any, results: Any) -> None:
    bodies = [render(number * BATCH) for number in numbers]
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port)
    _post(connection, bodies[:warm_up])
    gate.wait()
    started, cpu = time.monotonic(), time.process_time()  # monotonic: one clock for all processes of a machine
    _post(connection, bodies[warm_up:])
    results.put((started, time.monotonic(), time.process_time() - cpu))


def _post(connection: http.client.HTTPConnection, bodies: Sequence[bytes]) -> None:
    for body in bodies:
        connection.request("POST", PATH, body, HEADERS)
        if orjson.loads(connection.getresponse().read()) != {"errors": False}:
            raise RuntimeError("the ceiling's bodies were refused")
