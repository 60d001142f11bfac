"""What versions and tombstones cost the engine: the same changes with them, and as anyone would send them without.

Invariant: both sides send the same number of writes for the same items, rendered beforehand, over one connection.
"""

from functools import partial
from statistics import median
from typing import Any

import orjson

from benchmarks.ceilings import send_bodies
from benchmarks.decoding import tailrace_body
from benchmarks.indices import fresh_index
from benchmarks.samples import BATCH, event, removal
from benchmarks.speeds import Speed

BATCHES = 20
ROUNDS = 3


def measure(url: str, rounds: int = ROUNDS, batches: int = BATCHES) -> float:
    """Writes per second with versions and tombstones as a share of plain unversioned writes of the same changes."""
    plain, ordered = (partial(send_bodies, render, batches, 0) for render in (unordered_changes, ordered_changes))
    _turn(plain, url)
    pairs = [(_turn(plain, url), _turn(ordered, url)) for _ in range(rounds)]
    return median(versioned.documents_per_second / bare.documents_per_second for bare, versioned in pairs)


def _turn(send: partial[Speed], url: str) -> Speed:
    with fresh_index(url):
        return send(url, 1)


def ordered_changes(first: int) -> bytes:
    """Insertions, and the removal of every tenth item of the batch before: documents and tombstones."""
    return tailrace_body(with_removals(event(first), first - BATCH))


def unordered_changes(first: int) -> bytes:
    """The same writes as anyone would send them: no versions, and a plain delete for each tombstone."""
    lines = ordered_changes(first).splitlines()
    plain = []
    for line, source in zip(lines[::2], lines[1::2], strict=True):
        meta = orjson.loads(line)["index"]
        target = {"_index": "orders", "_id": meta["_id"]}
        is_tombstone = source.startswith(b'{"ddb":')
        plain += [orjson.dumps({"delete": target})] if is_tombstone else [orjson.dumps({"index": target}), source]
    return b"\n".join(plain) + b"\n"


def with_removals(batch: dict[str, Any], first: int) -> dict[str, Any]:
    """The batch, and after it the removal of every tenth item of the batch that began at `first` (none before 0)."""
    removals = [removal(number) for number in range(max(first, 0), max(first + BATCH, 0), 10)]
    return {"Records": [*batch["Records"], *removals]}
