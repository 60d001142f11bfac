"""Freshness: from a write's return to the first search through the alias that finds its document.

Probes are real flights, written one at a time while everything else is being written too; all those not found yet are
asked for together, by their ids.

Invariant: a probe counts only once it was found by a search, and one that is never found is reported, not forgotten.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from threading import Event

from tailrace.identity import document_id
from tailrace_local.demo.data import KEYS, Item, key_of
from tailrace_local.demo.documents import Documents, ReadError
from tailrace_local.demo.workload import PROBE_TABLE

PROBE_SECONDS = 0.12
SEARCH_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Freshness:
    """Seconds from write to searchable, by percentile of the probes found; None where none was."""

    probes: int
    found: int
    p50_seconds: float | None
    p99_seconds: float | None
    worst_seconds: float | None


@dataclass(slots=True)
class ProbeLog:
    """When each probe was written and found, in monotonic seconds."""

    written_at: dict[str, float] = field(default_factory=dict)
    found_at: dict[str, float] = field(default_factory=dict)

    def pending(self) -> list[str]:
        """The ids written and not found yet, oldest first."""
        return [id_ for id_ in self.written_at if id_ not in self.found_at]

    def found(self, ids: Iterable[str], now: float) -> None:
        """These were found by a search that has just returned; only the first time counts."""
        for id_ in ids:
            self.found_at.setdefault(id_, now)

    def summary(self) -> Freshness:
        """The percentiles (nearest rank)."""
        waits = sorted(self.found_at[id_] - self.written_at[id_] for id_ in self.found_at)
        return Freshness(
            probes=len(self.written_at),
            found=len(waits),
            p50_seconds=percentile(waits, 50),
            p99_seconds=percentile(waits, 99),
            worst_seconds=waits[-1] if waits else None,
        )


def percentile(ordered: Sequence[float], percent: int) -> float | None:
    """The smallest value that at least `percent` in a hundred do not exceed; None of nothing."""
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)] if ordered else None


@dataclass(slots=True)
class FreshnessProbe:
    """Writes probes and looks for them. `run()` in a thread of its own.

    `put` writes one item to the probes' table; `clock` is monotonic seconds.
    """

    items: Sequence[Item]
    put: Callable[[Item], None]
    documents: Documents
    alias: str
    clock: Callable[[], float] = time.monotonic
    log: ProbeLog = field(default_factory=ProbeLog)
    written: int = 0

    def run(self, hurry: Event, stop: Event) -> None:
        """Write all probes, at a pace until `hurry` is set; look for them until all are found or `stop` is set."""
        next_put = self.clock()
        while not stop.is_set() and (self.written < len(self.items) or self.log.pending()):
            if self.written < len(self.items) and (hurry.is_set() or self.clock() >= next_put):
                self._write(self.items[self.written], is_probe=not hurry.is_set())
                next_put = self.clock() + PROBE_SECONDS
            if not hurry.is_set() or self.written == len(self.items):
                self._look()
                stop.wait(SEARCH_SECONDS)

    def _write(self, item: Item, *, is_probe: bool) -> None:
        self.put(item)
        if is_probe:
            self.log.written_at[document_id(key_of(PROBE_TABLE, item), KEYS[PROBE_TABLE])] = self.clock()
        self.written += 1

    def _look(self) -> None:
        pending = self.log.pending()
        if not pending:
            return
        try:
            found = self.documents.find_ids(self.alias, pending)
        except ReadError:
            return  # no alias yet, or the engine is down: the next look tells
        self.log.found(found, self.clock())
