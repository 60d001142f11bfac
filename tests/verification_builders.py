"""Builders for what verification tests are about: a table and its index that are equal, and ways to damage one."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import orjson
from builders import change_record, event, order, tables

from tailrace.adapters.memory import ManualClock, MemoryDeadLetters, MemoryEngine, MemoryItems
from tailrace.adapters.memory_sides import MemoryIndex, MemoryTable
from tailrace.certificates import Certificate
from tailrace.decoding import decode_event
from tailrace.pipeline import Pipeline
from tailrace.tables import Tables
from tailrace.verifying import VerifyOptions, ignore_progress, verify_table


@dataclass
class LivelyClock(ManualClock):
    """A clock on which things happen while somebody waits: `meanwhile` is called at each sleep, with its number."""

    meanwhile: Callable[[int], None] = lambda _number: None

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        self.meanwhile(len(self.slept))


@dataclass
class Sides:
    """A table `orders` and its engine, on twins."""

    tables: Tables = field(default_factory=tables)
    engine: MemoryEngine = field(default_factory=MemoryEngine)
    table: MemoryTable = field(default_factory=MemoryTable)
    clock: LivelyClock = field(default_factory=LivelyClock)
    sequence: int = 0

    def put(self, *items: dict[str, Any]) -> None:
        """Items that are in the table and indexed."""
        for item in items:
            old = self._take(item)
            self.table.items.append(item)
            self.index("MODIFY" if old else "INSERT", item, old)

    def remove(self, item: dict[str, Any]) -> None:
        """An item that leaves the table, and the index hears of it."""
        self._take(item)
        self.index("REMOVE", None, item)

    def index(self, op: str, new: dict[str, Any] | None, old: dict[str, Any] | None = None) -> None:
        """A change that the index hears of."""
        self.sequence += 1
        record = change_record(op, new=new, old=old, sequence=self.sequence, second=1_763_726_400 + 10 * self.sequence)
        items = MemoryItems({"orders": self.table.items})
        pipeline = Pipeline(self.tables, self.engine, MemoryDeadLetters(), items, self.clock)
        pipeline.process(decode_event(event(record)), self.clock.now() + 30)

    def alter(self, id_: str, alias: str = "orders", **fields: Any) -> None:
        """Change fields of a document behind Tailrace's back; `ddb` is merged."""
        document = orjson.loads(self.engine.documents[alias, id_])
        bookkeeping = document["ddb"] | fields.pop("ddb", {})
        self.write(alias, id_, document | fields | {"ddb": bookkeeping})

    def write(self, alias: str, id_: str, document: dict[str, Any]) -> None:
        """Put a document into the index behind Tailrace's back, one version above what is there."""
        self.engine.aliases.add(alias)
        self.engine.versions[alias, id_] = self.engine.versions.get((alias, id_), 0) + 1
        self.engine.documents[alias, id_] = orjson.dumps(document)

    def verify(
        self, *, repair: bool = False, deep: bool = False, progress: Any = ignore_progress, **options: Any
    ) -> Certificate:
        """One verification."""
        chosen = VerifyOptions(is_deep=deep, repair_with=self.engine if repair else None, **options)
        return verify_table(self.tables, self.table, MemoryIndex(self.engine), self.clock, chosen, progress)

    def _take(self, item: dict[str, Any]) -> dict[str, Any] | None:
        old = next((one for one in self.table.items if one["id"] == item["id"]), None)
        if old is not None:
            self.table.items.remove(old)
        return old


def found(certificate: Certificate) -> dict[str, int]:
    """The kinds of difference that are there."""
    return {kind: count for kind, count in certificate.differences.by_kind().items() if count}


def typed(id_: str, type_: str, **attributes: Any) -> dict[str, Any]:
    """An order whose `status` is its type."""
    return order(id_, status={"S": type_}, **attributes)
