"""Writers: the lanes of a workload, each in a thread of its own, with a count that others may read meanwhile.

Invariant: a lane's steps are written in order, each wholly before the next, and no count is ahead of its table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from threading import Event
from typing import Protocol

from tailrace_local.demo.data import KEYS
from tailrace_local.demo.workload import Step


class StepSink(Protocol):
    """Where a lane writes to; see `TableClient`."""

    def send(self, step: Step) -> None:
        """Return when the table has taken every write of the step. Raises `TableError`."""


def _zeros() -> dict[str, int]:
    return dict.fromkeys(KEYS, 0)


@dataclass(slots=True)
class Tally:
    """Writes and changes made so far by one thread, by table."""

    writes: dict[str, int] = field(default_factory=_zeros)
    changes: dict[str, int] = field(default_factory=_zeros)

    def add(self, table: str, writes: int, changes: int) -> None:
        """Count what a table has taken."""
        self.writes[table] += writes
        self.changes[table] += changes


@dataclass(frozen=True, slots=True)
class LaneWriter:
    """One lane's steps on their way to the tables."""

    steps: Iterable[Step]
    connect: Callable[[], StepSink]
    tally: Tally = field(default_factory=Tally)

    def run(self, stop: Event) -> None:
        """Write every step, or all until `stop` is set. Raises TableError."""
        tables = self.connect()
        for step in self.steps:
            if stop.is_set():
                return
            tables.send(step)
            self.tally.add(step.table, step.writes, step.changes)


def sum_tallies(tallies: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """The sum, by table."""
    total = _zeros()
    for tally in tallies:
        for table, count in tally.items():
            total[table] += count
    return total
