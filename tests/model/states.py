"""A table of the model: what it says, what its sources have yet to tell, and what its documents must be.

Invariant: what is expected is worked out from the items alone, by code that the product does not share.
"""

import base64
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from model.tables import ModelTable, alias_of
from model.wires import Change, Item
from tailrace.records import ChangeRecord


@dataclass(slots=True)
class Shard:
    """A stream's shard: every change of its items in order, and how far the function has got."""

    log: list[Change] = field(default_factory=list)
    checkpoint: int = 0
    replayable_from: int = 0


@dataclass(slots=True)
class Pool:
    """A Kinesis stream: changes in any order, any number of times."""

    log: list[Change] = field(default_factory=list)
    waiting: list[int] = field(default_factory=list)
    replayable_from: int = 0


@dataclass(slots=True)
class TableState:
    """One table: its items by document id, and what its sources have yet to tell."""

    table: ModelTable
    items: dict[str, Item] = field(default_factory=dict)
    shards: tuple[Shard, Shard] = field(default_factory=lambda: (Shard(), Shard()))
    pool: Pool = field(default_factory=Pool)
    scan_began_us: int | None = None
    scanned: list[ChangeRecord] = field(default_factory=list)

    def expected(self) -> dict[tuple[str, str], Any]:
        """What the read aliases must show: by alias without its prefix and document id, the document without `ddb`."""
        return {
            (alias, id_): {name: _plain(typed) for name, typed in item.items()}
            for id_, item in self.items.items()
            if (alias := alias_of(self.table, item)) is not None
        }

    def forget_history(self) -> None:
        """The horizon has passed: no record from before comes again."""
        self.scan_began_us = None
        self.pool.replayable_from = len(self.pool.log)
        for shard in self.shards:
            shard.replayable_from = len(shard.log)


def _plain(typed: Item) -> Any:
    """An attribute value as the document must hold it."""
    [(kind, value)] = typed.items()
    if kind == "N":
        return Decimal(value)
    if kind == "B":
        return base64.b64encode(value).decode()
    return sorted(value) if kind == "SS" else value
