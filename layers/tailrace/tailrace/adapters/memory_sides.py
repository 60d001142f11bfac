"""In-memory twins of the two sides of a verification.

Invariant: twin and real adapter pass the same contract suite (tests/contracts/test_sides.py).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson

from tailrace.adapters.memory import MemoryEngine
from tailrace.documents import RESERVED_FIELD, split_document
from tailrace.generations import generation_name
from tailrace.records import Image
from tailrace.sides import Address, Place, Standing, TableShape, is_alias_of
from tailrace.tables import TableSpec


@dataclass(slots=True)
class MemoryTable:
    """A table as a list of items, read in pages of `page_size`."""

    name: str = "orders"
    key_types: dict[str, str] = field(default_factory=lambda: {"id": "S"})
    items: list[Image] = field(default_factory=list)
    page_size: int = 100
    reads: int = 0

    def shape(self) -> TableShape:
        """See `sides.TableSide.shape`."""
        return TableShape(self.name, self.key_types, len(self.items))

    def pages(self) -> Iterator[Sequence[Image]]:
        """See `sides.TableSide.pages`."""
        for start in range(0, len(self.items), self.page_size):
            yield self.items[start : start + self.page_size]

    def read(self, keys: Sequence[Image]) -> Sequence[Image | None]:
        """See `sides.TableSide.read`."""
        self.reads += len(keys)
        found = {self._key_of(item): item for item in self.items}
        return [found.get(self._key_of(key)) for key in keys]

    def _key_of(self, image: Image) -> bytes:
        return orjson.dumps({name: image[name] for name in self.key_types}, option=orjson.OPT_SORT_KEYS)


@dataclass(slots=True)
class MemoryIndex:
    """The indices of a `MemoryEngine`: one generation behind each alias, searches as fresh as gets."""

    engine: MemoryEngine

    def places(self, spec: TableSpec) -> Sequence[Place]:
        """See `sides.IndexSide.places`."""
        aliases = sorted(alias for alias in self.engine.aliases if is_alias_of(spec, alias))
        return [Place(alias, generation_name(alias, 1), True) for alias in aliases]

    def read(self, addresses: Sequence[Address], *, is_exact: bool) -> Sequence[Standing | None]:
        """See `sides.IndexSide.read`."""
        return [self._stand(address, is_exact) for address in addresses]

    @contextmanager
    def open_snapshot(self, generations: Sequence[str], table: str | None) -> Iterator["MemorySnapshot"]:
        """See `sides.IndexSide.open_snapshot`."""
        standings = {
            Address(index, id_): _parse(source)
            for index in generations
            for (alias, id_), source in self.engine.documents.items()
            if generation_name(alias, 1) == index
        }
        wanted = {a: d for a, d in standings.items() if table is None or d.get("ddb", {}).get("table") == table}
        yield MemorySnapshot(wanted)

    def _stand(self, address: Address, is_exact: bool) -> Standing | None:
        for alias in self.engine.aliases:
            source = self.engine.documents.get((alias, address.id))
            if source is not None and generation_name(alias, 1) == address.generation:
                return Standing(self.engine.versions[alias, address.id], _parse(source, is_exact))
        return None


@dataclass(frozen=True, slots=True)
class MemorySnapshot:
    """Documents by address."""

    documents: dict[Address, dict[str, Any]]
    page_size: int = 100

    def count_tombstones(self) -> int:
        """See `sides.Snapshot.count_tombstones`."""
        return len(self.documents) - len(self._live())

    def pages(self) -> Iterator[Sequence[Address]]:
        """See `sides.Snapshot.pages`."""
        live = self._live()
        for start in range(0, len(live), self.page_size):
            yield live[start : start + self.page_size]

    def _live(self) -> list[Address]:
        return [address for address, found in self.documents.items() if not found.get("ddb", {}).get("deleted")]


def _parse(source: bytes, is_exact: bool = False) -> dict[str, Any]:
    if is_exact:
        fields, bookkeeping = split_document(source)
        return fields | ({RESERVED_FIELD: bookkeeping} if bookkeeping else {})
    parsed: dict[str, Any] = orjson.loads(source)
    return parsed
