"""The in-memory twin of `sweeping.TombstoneStore`, on the documents of a `MemoryEngine`.

Invariant: twin and real adapter pass the same contract suite (tests/contracts/test_tombstones.py).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from tailrace.adapters.memory import MemoryEngine
from tailrace.failures import EngineError
from tailrace.generations import generation_name
from tailrace.index_names import fold_index_name
from tailrace.ports import ItemResult
from tailrace.sweeping import Generation, Tombstone


@dataclass(slots=True)
class MemoryTombstones:
    """Each alias of the engine is one index, its first generation; an alias with an `@` is the index of that name."""

    engine: MemoryEngine

    def list_generations(self, prefix: str) -> Sequence[Generation]:
        """See `sweeping.TombstoneStore.list_generations`."""
        self._fail_in_outage()
        start = fold_index_name(prefix) if prefix else ""
        aliases = (alias for alias in sorted(self.engine.aliases) if not alias.endswith("@next"))
        found = [Generation(_index_of(alias), self.engine.tables.get(alias)) for alias in aliases]
        return [generation for generation in found if generation.name.startswith(start)]

    def find_tombstones(self, index: str, table: str, before: str, count: int) -> Sequence[Tombstone]:
        """See `sweeping.TombstoneStore.find_tombstones`."""
        self._fail_in_outage()
        found = sorted((_instant(kept["changed_at"]), document) for document, kept in self._tombstones(index, table))
        old = [document for changed_at, document in found if changed_at < _instant(before)]
        return [Tombstone(document[1], self.engine.seq_nos[document], 1) for document in old[:count]]

    def remove_tombstones(self, index: str, tombstones: Sequence[Tombstone]) -> Sequence[ItemResult]:
        """See `sweeping.TombstoneStore.remove_tombstones`."""
        self._fail_in_outage()
        return [self._remove((self._alias_of(index), tombstone.id), tombstone.seq_no) for tombstone in tombstones]

    def _tombstones(self, index: str, table: str) -> Iterator[tuple[tuple[str, str], dict[str, Any]]]:
        alias = self._alias_of(index)
        for document, source in self.engine.documents.items():
            kept = orjson.loads(source)["ddb"]
            if document[0] == alias and kept["table"] == table and kept.get("deleted"):
                yield document, kept

    def _remove(self, document: tuple[str, str], seq_no: int) -> ItemResult:
        if self.engine.seq_nos.get(document) != seq_no:
            return ItemResult(409, "version_conflict_engine_exception")
        self.engine.versions[document] += 1
        del self.engine.documents[document], self.engine.seq_nos[document]
        return ItemResult(200)

    def _alias_of(self, index: str) -> str:
        return next((alias for alias in self.engine.aliases if _index_of(alias) == index), index)

    def _fail_in_outage(self) -> None:
        if self.engine.outage is not None:
            raise EngineError(self.engine.outage, f"the engine answered {self.engine.outage}")


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _index_of(alias: str) -> str:
    return alias if "@" in alias else generation_name(alias, 1)
