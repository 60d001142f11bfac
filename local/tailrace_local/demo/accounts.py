"""The conservation account of a whole run: the sum of the accounts that the indexer printed, one per batch.

Invariant (law 1): records in = indexed + deleted + superseded + stale + duplicate + filtered + dead-lettered + failed.
Delivery is at least once: a batch that is delivered again is counted again, on both sides.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from tailrace.outcomes import Outcome

OUTCOMES: tuple[str, ...] = tuple(outcome.name.lower() for outcome in Outcome)


class LogFollower:
    """Every complete line of every log file that matches, once, in the order of each file."""

    def __init__(self, folder: Path, pattern: str) -> None:
        self._folder = folder
        self._pattern = pattern
        self._offsets: dict[Path, int] = {}

    def read_new(self) -> Iterator[bytes]:
        """The lines that were completed since the last call."""
        for path in sorted(self._folder.glob(self._pattern)):
            with path.open("rb") as log:
                log.seek(self._offsets.get(path, 0))
                whole, newline, _ = log.read().rpartition(b"\n")
            self._offsets[path] = self._offsets.get(path, 0) + len(whole) + len(newline)
            yield from whole.splitlines()


@dataclass(slots=True)
class Ledger:
    """What the batches so far sum to, per table and over all."""

    batches: int = 0
    breaches: int = 0
    by_table: dict[str, Counter[str]] = field(default_factory=dict)

    def take(self, line: bytes) -> None:
        """Take in one line of a function's log; lines of other kinds are passed over."""
        entry = _read_entry(line)
        if entry.get("message") == "conservation breach":
            self.breaches += 1
        elif entry.get("message") == "batch":
            self.batches += 1
            table = ",".join(entry["tables"])
            self.by_table.setdefault(table, Counter()).update({name: entry[name] for name in ("records_in", *OUTCOMES)})

    def total(self, table: str | None = None) -> dict[str, int]:
        """`records_in` and every outcome, of one table or of all."""
        chosen = self.by_table.values() if table is None else [self.by_table.get(table, Counter())]
        return {name: sum(counts[name] for counts in chosen) for name in ("records_in", *OUTCOMES)}

    @property
    def is_balanced(self) -> bool:
        """Whether records in equal the sum of all outcomes, and no batch broke the law."""
        return not self.breaches and _is_balanced(self.total())


def _is_balanced(total: Mapping[str, int]) -> bool:
    return total["records_in"] == sum(total[name] for name in OUTCOMES)


def _read_entry(line: bytes) -> Mapping[str, Any]:
    if not line.startswith(b"{"):
        return {}
    try:
        entry = orjson.loads(line)
    except orjson.JSONDecodeError:
        return {}
    return entry if isinstance(entry, dict) else {}
