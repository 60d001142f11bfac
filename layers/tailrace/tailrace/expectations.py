"""What the index should hold for an item, by the planner that writes it: comparing never has rules of its own.

Invariant: alias, id and digest of an expectation are those of the document that any write path would make (law 3).
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import orjson

from tailrace.actions import Action, Planner
from tailrace.attributes import IllegalAttributeError
from tailrace.errors import UserError
from tailrace.identity import document_id
from tailrace.records import ChangeRecord, Image
from tailrace.sides import Address, Place, TableShape
from tailrace.table_rules import Refusal, TableRules
from tailrace.tables import Tables, TableSpec

PLANNER_ITEMS = 10_000  # a planner remembers field names; a fresh one now and then keeps memory flat


class Expectation(NamedTuple):
    """The document that an item calls for. `address` is None while its alias has no index."""

    alias: str
    id: str
    digest: str
    source: bytes
    address: Address | None


def scan_record(table: str, keys: Image, item: Image | None, instant_ns: int = 0) -> ChangeRecord:
    """An item as its table holds it now: a change record without a change; a removal where there is no item.

    The old image is the new one, since what the item was before is not known and need not be left behind.
    """
    operation = "remove" if item is None else "backfill"
    return ChangeRecord(table, operation, keys, item, item, None, None, instant_ns, "scan", None, False, None, None, {})


class Expectations:
    """Makes expectations for one table. Raises UserError when the spec's key is not the table's."""

    def __init__(self, tables: Tables, shape: TableShape) -> None:
        self.table = shape.name
        self.spec: TableSpec = tables.spec(shape.name)
        self._tables = tables
        self._types = shape.key_types
        self._key_names = self.spec.key or tuple(sorted(shape.key_types))
        if set(self._key_names) != set(shape.key_types):
            names = ", ".join(shape.key_types)
            raise UserError(f"tables.{shape.name}.key: the table's key is [{names}]; correct the tables file")
        self._prefix = TableRules.of(self.spec).id_prefix
        self._written: dict[str, str] = {}
        self._planner = Planner(tables)
        self._planned = 0

    def set_places(self, places: Sequence[Place]) -> None:
        """Which index each alias writes to."""
        self._written = {place.alias: place.generation for place in places if place.is_written}

    def of(self, item: Image) -> Expectation | Refusal | None:
        """The document that an item calls for; None when the spec's `where` keeps it out."""
        if self._planned >= PLANNER_ITEMS:
            self._planner, self._planned = Planner(self._tables), 0
        self._planned += 1
        plan = self._planner.plan(scan_record(self.table, self.keys_of(item), item), 0)
        if isinstance(plan, Refusal):
            return plan
        return self._expect(plan[0]) if isinstance(plan, list) else None

    def keys_of(self, item: Image) -> Image:
        """The key attributes of an item."""
        return {name: item[name] for name in self._key_names}

    def id_of_item(self, keys: Image) -> str:
        """The id that an item's key leads to; empty where there is none."""
        try:
            return document_id(keys, self._key_names, self._prefix)
        except IllegalAttributeError:
            return ""

    def id_of(self, key: Any) -> str | None:
        """The id that a document's own `ddb.key` leads to; None when it is no key of this table."""
        if not isinstance(key, dict) or key.keys() != self._types.keys():
            return None
        if not all(isinstance(typed, dict) and [*typed] == [self._types[name]] for name, typed in key.items()):
            return None
        return self.id_of_item(key) or None

    def _expect(self, action: Action) -> Expectation:
        assert action.source is not None
        index = self._written.get(action.alias)
        address = Address(index, action.id) if index is not None else None
        digest = orjson.loads(action.source)["ddb"]["digest"]
        return Expectation(action.alias, action.id, digest, action.source, address)
