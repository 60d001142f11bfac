"""The sweeper's store as one history may touch it: its own tombstones of one table, and something in between.

Invariant: a sweep of one world leaves all others alone, whose clocks tell another time.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from model.tables import ModelTable
from tailrace.adapters.memory_tombstones import MemoryTombstones
from tailrace.adapters.opensearch import OpenSearchEngine
from tailrace.adapters.tombstones import OpenSearchTombstones
from tailrace.ports import ItemResult
from tailrace.sweeping import Generation, Tombstone, TombstoneStore

MAX_HITS = 10_000  # OpenSearch: index.max_result_window


@dataclass(slots=True)
class OwnTombstones:
    """`below`, narrowed; `meanwhile` happens after tombstones were found and before they are removed."""

    below: TombstoneStore
    table: ModelTable
    tag: str
    meanwhile: Callable[[], None]

    def list_generations(self, prefix: str) -> Sequence[Generation]:
        """See `sweeping.TombstoneStore.list_generations`."""
        start = prefix + (self.table.index or self.table.name)
        return [found for found in self.below.list_generations(prefix) if found.name.startswith(start)]

    def find_tombstones(self, index: str, table: str, before: str, count: int) -> Sequence[Tombstone]:
        """See `sweeping.TombstoneStore.find_tombstones`."""
        found = [each for each in self.below.find_tombstones(index, table, before, MAX_HITS) if self.tag in each.id]
        return found[:count]

    def remove_tombstones(self, index: str, tombstones: Sequence[Tombstone]) -> Sequence[ItemResult]:
        """See `sweeping.TombstoneStore.remove_tombstones`."""
        self.meanwhile()
        return self.below.remove_tombstones(index, tombstones)


class ForgettingTombstones(MemoryTombstones):
    """The twin as the engine is a minute later: index.gc_deletes keeps the version of a delete for 60 seconds."""

    def remove_tombstones(self, index: str, tombstones: Sequence[Tombstone]) -> Sequence[ItemResult]:
        """See `sweeping.TombstoneStore.remove_tombstones`."""
        results = super().remove_tombstones(index, tombstones)
        for tombstone, result in zip(tombstones, results, strict=True):
            if result.status == 200:
                del self.engine.versions[self._alias_of(index), tombstone.id]
        return results


class RefreshedTombstones(OpenSearchTombstones):
    """The real store without the second that a refresh may take, since in the model that second is long over."""

    def __init__(self, engine: OpenSearchEngine) -> None:
        super().__init__(engine)
        self._engine = engine

    def find_tombstones(self, index: str, table: str, before: str, count: int) -> Sequence[Tombstone]:
        """See `sweeping.TombstoneStore.find_tombstones`."""
        self._engine.request("POST", f"/{index}/_refresh")
        return super().find_tombstones(index, table, before, count)
