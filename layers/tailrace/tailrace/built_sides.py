"""The indices of a table as they will be after a swap, so that they can be verified before it.

Invariant: only which generation stands behind an alias differs; every read goes to the same engine.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from tailrace.sides import Address, IndexSide, Place, Snapshot, Standing
from tailrace.tables import TableSpec


@dataclass(frozen=True, slots=True)
class BuiltIndex:
    """See `sides.IndexSide`. `built` names the generation that is to stand behind each alias."""

    index: IndexSide
    built: Mapping[str, str]

    def places(self, spec: TableSpec) -> Sequence[Place]:
        """See `sides.IndexSide.places`. An alias that the reindex does not move keeps its places."""
        others = [place for place in self.index.places(spec) if place.alias not in self.built]
        return sorted([*others, *(Place(alias, generation, True) for alias, generation in self.built.items())])

    def read(self, addresses: Sequence[Address], *, is_exact: bool) -> Sequence[Standing | None]:
        """See `sides.IndexSide.read`."""
        return self.index.read(addresses, is_exact=is_exact)

    def open_snapshot(self, generations: Sequence[str], table: str | None) -> AbstractContextManager[Snapshot]:
        """See `sides.IndexSide.open_snapshot`."""
        return self.index.open_snapshot(generations, table)
