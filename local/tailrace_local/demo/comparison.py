"""Every item of a table against every document that its read aliases show, by count and by content.

What an item's document should be is Tailrace's own word (its planner, on the image that the table gives now);
`cross_check.py` says it a second time without Tailrace's code.

Invariant: each item and each document is looked at exactly once, and a difference names fields, never values.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from tailrace.actions import Action, Planner
from tailrace.index_names import claim
from tailrace.records import ChangeRecord
from tailrace.tables import TableSpec
from tailrace_local.demo.data import Item
from tailrace_local.demo.documents import Document, parse_exactly

BOOKKEEPING = "ddb"
COMPARED_BOOKKEEPING = ("table", "key", "digest", "rejected", "deleted")
"""Of the reserved object; the rest tells how and when the document came (op, seq, event_id, changed_at, source)."""

Kind = Literal["missing", "different", "orphan"]


@dataclass(frozen=True, slots=True)
class Difference:
    """One item or document that has no equal on the other side; `fields` are the names that differ."""

    kind: Kind
    table: str
    alias: str
    id: str
    fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TableComparison:
    """One table held against its index."""

    table: str
    items: int
    documents: int
    differences: tuple[Difference, ...]


Documents = Iterable[tuple[str, Iterable[tuple[str, Document]]]]
"""Per alias, its documents with their ids."""


def compare_table(
    table: str, items: Iterable[Item], spec: TableSpec, planner: Planner, documents: Documents
) -> TableComparison:
    """Compare one table's items with all documents of its aliases."""
    expected, refused = _expect(table, items, spec, planner)
    item_count, document_count = len(expected) + len(refused), 0
    differences = list(refused)
    for alias, found in documents:
        for id_, document in found:
            document_count += 1
            source = expected.pop((alias, id_), None)
            differences.extend(_differences(table, alias, id_, source, document))
    differences.extend(Difference("missing", table, alias, id_) for alias, id_ in expected)
    return TableComparison(table, item_count, document_count, tuple(differences))


def aliases_of(spec: TableSpec, aliases: Iterable[str]) -> list[str]:
    """Those of the aliases that hold documents of the spec's table."""
    claimed = claim(spec.index, spec.index_prefix, spec.name)
    if not claimed.is_open:
        return [alias for alias in aliases if alias == claimed.head]
    shortest = len(claimed.head) + len(claimed.tail)
    fits = (a for a in aliases if a.startswith(claimed.head) and a.endswith(claimed.tail))
    return [alias for alias in fits if len(alias) > shortest]


Expected = dict[tuple[str, str], bytes]


def _expect(table: str, items: Iterable[Item], spec: TableSpec, planner: Planner) -> tuple[Expected, list[Difference]]:
    expected: Expected = {}
    refused: list[Difference] = []
    for item in items:
        planned = planner.plan(_as_record(table, spec, item), 0)
        if isinstance(planned, list):
            expected.update(((action.alias, action.id), _source(action)) for action in planned)
        else:
            refused.append(Difference("missing", table, "none", "an item that Tailrace would not index"))
    return expected, refused


def _as_record(table: str, spec: TableSpec, item: Item) -> ChangeRecord:
    keys = {name: item[name] for name in spec.key}
    return ChangeRecord(table, "insert", keys, item, None, None, None, 0, "scan", None, False, None, None, {})


def _source(action: Action) -> bytes:
    assert action.source is not None
    return action.source


def _differences(table: str, alias: str, id_: str, source: bytes | None, document: Document) -> Iterator[Difference]:
    if source is None:
        yield Difference("orphan", table, alias, id_)
    elif fields := differing_fields(parse_exactly(source), document):
        yield Difference("different", table, alias, id_, fields)


def differing_fields(expected: Mapping[str, Any], found: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of the fields in which two documents differ; both hold their numbers as literals."""
    ours, theirs = _flatten(expected), _flatten(found)
    if ours == theirs:
        return ()
    names = ours.keys() | theirs.keys()
    return tuple(sorted(name for name in names if ours.get(name, _ABSENT) != theirs.get(name, _ABSENT)))


_ABSENT = ("absent",)


def _flatten(document: Mapping[str, Any]) -> dict[str, Any]:
    fields = dict(document)
    bookkeeping = fields.pop(BOOKKEEPING, {})
    return fields | {f"{BOOKKEEPING}.{name}": bookkeeping[name] for name in COMPARED_BOOKKEEPING if name in bookkeeping}
