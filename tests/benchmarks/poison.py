"""What poison costs the others: records per second of the pipeline with 1 % poison, as a share of what it does without.

Both runs take turns on fresh indices and are sent the same good records; with poison, every hundredth record is one of
another kind (`tests/poison`), so that all its kinds come by. Dead letters are stored in memory: what S3 costs is left
out on both sides. Invariant: every record has the end that its kind demands, else there is no figure.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from statistics import median

import requests
from builders import event
from poison.judging import expected_account
from poison.kinds import Kind, poison_tables
from poison.mixing import TEACHERS, Entry, entry_of, good_entry, poison_kinds

from tailrace.adapters.clock import SystemClock
from tailrace.adapters.memory import MemoryDeadLetters, MemoryItems
from tailrace.adapters.opensearch import OpenSearchEngine
from tailrace.decoding import decode_event
from tailrace.pipeline import Pipeline
from tailrace.raw_events import RawEvent

BATCH, BATCHES, ROUNDS = 1_000, 20, 5
EVERY = 100
PREFIX = "bench-poison-"
SPECS = poison_tables(PREFIX)


@dataclass(frozen=True, slots=True)
class PoisonCost:
    """Records per second without and with 1 % poison (medians), and `share`, the median of the ratios pair by pair."""

    without: float
    with_poison: float
    share: float


def measure(url: str, rounds: int = ROUNDS, batches: int = BATCHES) -> PoisonCost:
    """Alternating pairs on the engine at `url`; one uncounted pair warms up."""
    kinds = poison_kinds()
    Random(1).shuffle(kinds)
    _run(url, batches, kinds)
    pairs = [(_run(url, batches, ()), _run(url, batches, _turned(kinds, n * batches * 10))) for n in range(rounds)]
    share = median(poisoned / clean for clean, poisoned in pairs)
    return PoisonCost(median(clean for clean, _ in pairs), median(poisoned for _, poisoned in pairs), share)


def _turned(kinds: Sequence[Kind], by: int) -> list[Kind]:
    """Each round goes on with the kinds where the last one ended."""
    start = by % len(kinds)
    return [*kinds[start:], *kinds[:start]]


def _run(url: str, batches: int, kinds: Sequence[Kind]) -> float:
    """Records per second of one pipeline on fresh indices; the first batch, which creates them, is not counted."""
    entries = _entries((batches + 1) * BATCH, kinds)
    with requests.Session() as session:
        engine = OpenSearchEngine(url, session=session)
        try:
            _send(engine, entries[:BATCH])
            return (
                batches
                * BATCH
                / sum(_send(engine, entries[start : start + BATCH]) for start in range(BATCH, len(entries), BATCH))
            )
        finally:
            for alias in {f"{PREFIX}{table}" for table in TEACHERS}:
                _delete(session, url, alias)


def _entries(count: int, kinds: Sequence[Kind]) -> list[Entry]:
    return [
        entry_of(kinds[place // EVERY % len(kinds)], place)
        if kinds and place >= BATCH and place % EVERY == 0
        else good_entry(place, place)
        for place in range(count)
    ]


def _send(engine: OpenSearchEngine, entries: Sequence[Entry]) -> float:
    """One invocation; its seconds, from the event's text to the report."""
    text, clock = json.dumps(event(*(entry.record for entry in entries))).encode(), SystemClock()
    pipeline = Pipeline(SPECS, engine, MemoryDeadLetters(), MemoryItems(), clock)
    started = time.perf_counter()
    report = pipeline.process(decode_event(RawEvent(text)), clock.now() + 60)
    seconds = time.perf_counter() - started
    found = {name: n for name, n in report.account.as_dict().items() if n and name != "records_in"}
    if found != expected_account(entries):
        raise RuntimeError(f"a record has not the end that it must come to: {found}")
    return seconds


def _delete(session: requests.Session, url: str, alias: str) -> None:
    for name in session.get(f"{url}/_alias/{alias}*", timeout=30).json():
        session.delete(f"{url}/{name}", timeout=30).raise_for_status()
