"""What the real service may do to records on their way into a data stream: write some twice, and some out of order.

Invariant: nothing is lost: each entry comes out in the call that it went in with; only copies may come out later.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from random import Random

from tailrace_local.kinesis_payloads import Entry, Precision


@dataclass(frozen=True, slots=True)
class DestinationPolicy:
    """How a table's changes go into a data stream: the unit of instants, and how unruly the way is.

    `duplicated` and `displaced` are shares from 0 to 1; a displaced entry falls back by up to `farthest` places.
    """

    precision: Precision | None = "MICROSECOND"
    duplicated: float = 0.0
    displaced: float = 0.0
    farthest: int = 200
    seed: int = 0


class Disturbances:
    """Disturbs entries as its policy says. Half of the copies come within the same call, half with the next one."""

    def __init__(self, policy: DestinationPolicy, random: Random) -> None:
        self._policy = policy
        self._random = random
        self._late: list[Entry] = []
        self.duplicated = 0
        self.displaced = 0

    def disturb(self, entries: Sequence[Entry]) -> list[Entry]:
        """The entries in the order in which they arrive, some more than once."""
        late, self._late = self._late, []
        placed = [*self._place(entries), *((self._random.uniform(0, len(entries)), entry) for entry in late)]
        self.duplicated += len(late)
        for index, entry in enumerate(entries):
            if self._random.random() < self._policy.duplicated:
                placed += self._copy(index, entry)
        placed.sort(key=lambda pair: pair[0])
        return [entry for _, entry in placed]

    def _place(self, entries: Iterable[Entry]) -> Iterable[tuple[float, Entry]]:
        for index, entry in enumerate(entries):
            is_displaced = self._random.random() < self._policy.displaced
            self.displaced += is_displaced
            yield index + self._random.uniform(1, self._policy.farthest) * is_displaced, entry

    def _copy(self, index: int, entry: Entry) -> list[tuple[float, Entry]]:
        if self._random.random() < 0.5:
            self._late.append(entry)
            return []
        self.duplicated += 1
        return [(index + self._random.uniform(0, self._policy.farthest), entry)]
