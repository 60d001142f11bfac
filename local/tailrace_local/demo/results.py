"""What a demo came to, for people and for machines, and whether that is good.

Invariant: a result is good only if every item equals its document, the account balances, and no write went missing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from tailrace_local.demo.comparison import Difference, TableComparison
from tailrace_local.demo.freshness import Freshness
from tailrace_local.demo.searches import SearchResult


@dataclass(frozen=True, slots=True)
class TableProgress:
    """One table on its way. `in_stream` are changes written and not settled yet, `indexed` those settled."""

    table: str
    writes: int
    written: int
    in_stream: int
    indexed: int


@dataclass(frozen=True, slots=True)
class Progress:
    """The whole on its way: what is being done, since how many seconds, and every table."""

    phase: str
    seconds: float
    tables: tuple[TableProgress, ...]

    @property
    def writes(self) -> int:
        """Writes that there are to do."""
        return sum(table.writes for table in self.tables)

    @property
    def written(self) -> int:
        """Writes that the tables have taken."""
        return sum(table.written for table in self.tables)

    @property
    def in_stream(self) -> int:
        """Changes written and not settled yet."""
        return sum(table.in_stream for table in self.tables)

    @property
    def indexed(self) -> int:
        """Changes that are settled."""
        return sum(table.indexed for table in self.tables)


@dataclass(frozen=True, slots=True)
class AccountSummary:
    """The conservation account: totals over all batches and by table, beside the changes that were made."""

    batches: int
    breaches: int
    changes: int
    total: Mapping[str, int]
    by_table: Mapping[str, Mapping[str, int]]
    is_balanced: bool

    @property
    def redelivered(self) -> int:
        """Records delivered more than once: delivery is at least once."""
        return self.total["records_in"] - self.changes


@dataclass(frozen=True, slots=True)
class CrossCheck:
    """The second opinion: how many items it looked at, and on which it disagrees."""

    items: int
    differences: tuple[Difference, ...]


@dataclass(frozen=True, slots=True)
class DemoResult:
    """Everything that the demo found. Times in seconds; rates per second."""

    writes: int
    writing_seconds: float
    settling_seconds: float
    comparing_seconds: float
    account: AccountSummary
    freshness: Freshness
    comparisons: tuple[TableComparison, ...]
    expected_items: Mapping[str, int]
    cross_check: CrossCheck
    searches: tuple[SearchResult, ...]

    @property
    def documents_per_second(self) -> float:
        """Changes settled per second, from the first write until the last was settled, writing included."""
        return self.account.changes / (self.writing_seconds + self.settling_seconds)

    @property
    def differences(self) -> tuple[Difference, ...]:
        """All of them, the second opinion's included."""
        found = [difference for one in self.comparisons for difference in one.differences]
        return (*found, *self.cross_check.differences)

    @property
    def is_good(self) -> bool:
        """Whether there is nothing to complain of."""
        return not any(self.complaints())

    def complaints(self) -> Iterator[str]:
        """What is wrong, one sentence each."""
        if self.differences:
            yield f"{len(self.differences)} differences between tables and indices"
        if not self.account.is_balanced:
            yield "the conservation account does not balance"
        if self.account.redelivered < 0:
            yield f"{-self.account.redelivered} changes never reached the indexer's account"
        if self.freshness.found < self.freshness.probes:
            yield f"{self.freshness.probes - self.freshness.found} probes were never found by a search"
        for one in self.comparisons:
            if one.items != self.expected_items[one.table]:
                yield f"table {one.table} holds {one.items} items, and {self.expected_items[one.table]} were written"

    def as_dict(self) -> dict[str, Any]:
        """The result as JSON can hold it."""
        derived = {
            "is_good": self.is_good,
            "complaints": list(self.complaints()),
            "documents_per_second": round(self.documents_per_second, 1),
        }
        return derived | asdict(self)
