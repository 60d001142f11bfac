"""What a demo came to, for people and for machines, and whether that is good.

Invariant: a result is good only if every index equals its table, the account balances, and no write went missing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from tailrace.certificates import Certificate
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
    """The conservation account: totals over all batches and by table, beside the changes that were made.

    Nothing by table where a batch may hold several tables.
    """

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
class Disturbance:
    """What the tables' Kinesis destinations put: changes, copies besides, displaced ones, and what was too large."""

    changes: int
    duplicated: int
    displaced: int
    too_large: int


@dataclass(frozen=True, slots=True)
class Disagreement:
    """An item that has no document, or one that differs in `fields`, as the second opinion sees it."""

    kind: Literal["missing", "different"]
    table: str
    alias: str
    id: str
    fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CrossCheck:
    """The second opinion: how many items it looked at, and on which it disagrees."""

    items: int
    differences: tuple[Disagreement, ...]


@dataclass(frozen=True, slots=True)
class DemoResult:
    """Everything that the demo found. Times in seconds; rates per second."""

    writes: int
    writing_seconds: float
    settling_seconds: float
    comparing_seconds: float
    account: AccountSummary
    freshness: Freshness
    certificates: tuple[Certificate, ...]
    expected_items: Mapping[str, int]
    cross_check: CrossCheck
    searches: tuple[SearchResult, ...]
    disturbance: Disturbance | None = None  # of Kinesis Data Streams for DynamoDB; None with the tables' own streams

    @property
    def source(self) -> str:
        """Which way the changes took: `streams` or `kinesis`."""
        return "streams" if self.disturbance is None else "kinesis"

    @property
    def documents_per_second(self) -> float:
        """Changes settled per second, from the first write until the last was settled, writing included."""
        return self.account.changes / (self.writing_seconds + self.settling_seconds)

    @property
    def differences(self) -> int:
        """How many there are, the second opinion's included."""
        found = sum(one.differences.counts.total() for one in self.certificates)
        return found + len(self.cross_check.differences)

    @property
    def is_good(self) -> bool:
        """Whether there is nothing to complain of."""
        return not any(self.complaints())

    def complaints(self) -> Iterator[str]:
        """What is wrong, one sentence each."""
        if self.differences:
            yield f"{self.differences} differences between tables and indices"
        if not self.account.is_balanced:
            yield "the conservation account does not balance"
        if self.account.redelivered < 0:
            yield f"{-self.account.redelivered} changes never reached the indexer's account"
        if self.disturbance is not None and self.disturbance.changes != self.account.changes:
            yield f"{self.account.changes} changes were made, and {self.disturbance.changes} went into Kinesis"
        if self.freshness.found < self.freshness.probes:
            yield f"{self.freshness.probes - self.freshness.found} probes were never found by a search"
        for one in self.certificates:
            yield from _complaints_of(one, self.expected_items[one.table])

    def as_dict(self) -> dict[str, Any]:
        """The result as JSON can hold it."""
        derived = {
            "is_good": self.is_good,
            "source": self.source,
            "complaints": list(self.complaints()),
            "documents_per_second": round(self.documents_per_second, 1),
        }
        certificates = [one.as_dict() for one in self.certificates]
        return derived | asdict(replace(self, certificates=())) | {"certificates": certificates}


def _complaints_of(certificate: Certificate, expected_items: int) -> Iterator[str]:
    if certificate.is_clean and certificate.table_digest != certificate.index_digest:
        yield f"the digests of table {certificate.table} and of its index differ"
    if certificate.items != expected_items:
        yield f"table {certificate.table} holds {certificate.items} items, and {expected_items} were written"
