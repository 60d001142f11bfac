"""The two sides of a verification: the table and its indices, as far as comparing them needs them.

Invariant: reads by key and by address are as new as can be had (consistent reads, realtime gets), so that a difference
seen twice with a pause between is no change in flight. Each protocol has a real adapter and an in-memory twin.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from tailrace.generations import alias_name
from tailrace.index_names import claim, fold_index_name
from tailrace.records import Image
from tailrace.tables import TableSpec


@dataclass(frozen=True, slots=True)
class TableShape:
    """What a table says of itself: its key attributes with their types, partition key first.

    `item_count` is DynamoDB's own count, up to six hours old: good for a progress bar alone.
    """

    name: str
    key_types: Mapping[str, str]
    item_count: int = 0


class Place(NamedTuple):
    """A generation (a concrete index) behind one of the table's aliases, and whether the alias writes to it."""

    alias: str
    generation: str
    is_written: bool


class Address(NamedTuple):
    """Where a document stands: a generation (a concrete index) and an `_id`."""

    generation: str
    id: str


class Standing(NamedTuple):
    """What stands at an address. `document` has numbers as their own digits where exactness was asked for."""

    version: int
    document: Mapping[str, Any]

    @property
    def bookkeeping(self) -> Mapping[str, Any]:
        """The reserved object `ddb`; empty where there is none."""
        found = self.document.get("ddb")
        return found if isinstance(found, Mapping) else {}

    @property
    def is_deleted(self) -> bool:
        """Whether it is a tombstone."""
        return self.bookkeeping.get("deleted") is True

    @property
    def digest(self) -> str | None:
        """The digest that its writer kept."""
        found = self.bookkeeping.get("digest")
        return found if isinstance(found, str) else None


class TableSide(Protocol):
    """One table."""

    def shape(self) -> TableShape:
        """The table's key and rough size. Raises UserError when there is no such table."""

    def pages(self) -> Iterator[Sequence[Image]]:
        """Every item once, by consistent scan, in no order. Raises ItemReadError."""

    def read(self, keys: Sequence[Image]) -> Sequence[Image | None]:
        """The items of keys by consistent read, in order; None where there is none. Raises ItemReadError."""


class Snapshot(Protocol):
    """Some indices as they were at one moment, for as long as it is open."""

    def count_tombstones(self) -> int:
        """How many tombstones there are. Raises EngineError."""

    def pages(self) -> Iterator[Sequence[Address]]:
        """Every document that is no tombstone, once. Another call walks the same documents. Raises EngineError."""


class IndexSide(Protocol):
    """The indices of one table."""

    def places(self, spec: TableSpec) -> Sequence[Place]:
        """The indices behind the table's aliases, all types. Raises EngineError."""

    def read(self, addresses: Sequence[Address], *, is_exact: bool) -> Sequence[Standing | None]:
        """What stands there now, tombstones too, in order; None where nothing does. Raises EngineError."""

    def open_snapshot(self, generations: Sequence[str], table: str | None) -> AbstractContextManager[Snapshot]:
        """Freeze generations; with `table` only that table's documents of shared indices. Raises EngineError."""


def is_alias_of(spec: TableSpec, alias: str) -> bool:
    """Whether an alias is one that the table's documents are written to, of whatever type."""
    claimed = claim(spec.index, spec.index_prefix, spec.name)
    if not claimed.is_open:
        return alias == alias_name(spec, "")
    is_long_enough = len(alias) > len(claimed.head) + len(claimed.tail)
    return is_long_enough and "@" not in alias and alias.startswith(claimed.head) and alias.endswith(claimed.tail)


def alias_pattern(spec: TableSpec) -> str:
    """A pattern that finds every alias of the table, and maybe others: see `is_alias_of`."""
    claimed = claim(spec.index, spec.index_prefix, spec.name)
    if not claimed.is_open:
        return alias_name(spec, "")
    return fold_index_name(claimed.head) + "*" if claimed.head else "*"
