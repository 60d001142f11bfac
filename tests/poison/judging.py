"""What must be true after poison: the account of each batch, the dead letters, and every document, field by field."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote

from poison.kinds import Indexed, Letter
from poison.mixing import Entry
from tailrace.adapters.index_pages import OpenSearchIndex
from tailrace.adapters.memory import ManualClock
from tailrace.adapters.memory_sides import MemoryTable
from tailrace.adapters.opensearch import OpenSearchEngine
from tailrace.tables import Tables
from tailrace.verifying import VerifyOptions, verify_table

KEY_TYPES: Mapping[str, dict[str, str]] = {"sums": {"id": "N"}, "blobs": {"id": "B"}, "pairs": {"id": "S", "line": "N"}}


def expected_account(entries: Sequence[Entry]) -> dict[str, int]:
    """The outcomes that are not zero."""
    ends = Counter("dead_lettered" if isinstance(entry.end, Letter) else "indexed" for entry in entries)
    return dict(ends)


def told(letters: Iterable[bytes]) -> Counter[tuple[str, str]]:
    """Each dead letter's record and reason."""
    parsed = map(json.loads, letters)
    return Counter((_canonical(letter["record"]), letter["reason"]) for letter in parsed)


def expected_letters(entries: Iterable[Entry]) -> Counter[tuple[str, str]]:
    """One dead letter for each entry that must have one, with the right reason."""
    return Counter((_canonical(e.record), e.end.reason) for e in entries if isinstance(e.end, Letter))


def _canonical(record: Any) -> str:
    return json.dumps(record, sort_keys=True)


class Verdict(NamedTuple):
    """Of one table: whether table and indices are equal both ways, and how many items and documents there are."""

    is_clean: bool
    items: int
    documents: int


def verify(specs: Tables, engine: OpenSearchEngine, entries: Iterable[Entry]) -> dict[str, Verdict]:
    """A deep verification of each table that the entries fill."""
    verdicts, index = {}, OpenSearchIndex(engine)
    for name, items in tables_of(entries).items():
        table = MemoryTable(name, KEY_TYPES.get(name, {"id": "S"}), items, page_size=500)
        found = verify_table(specs, table, index, ManualClock(), VerifyOptions(is_deep=True))
        verdicts[name] = Verdict(found.is_clean, found.items, found.documents)
    return verdicts


def verified(entries: Iterable[Entry]) -> dict[str, Verdict]:
    """What `verify` must find: every item that no dead letter stands for, and nothing else."""
    return {name: Verdict(True, len(items), len(items)) for name, items in tables_of(entries).items()}


def tables_of(entries: Iterable[Entry]) -> dict[str, list[Any]]:
    """What each table holds, as far as an index must hold it too."""
    items: dict[str, list[Any]] = {}
    for entry in entries:
        if entry.indexed_item is not None:
            items.setdefault(entry.table, []).append(entry.indexed_item)
    return items


def rejected_fields(engine: OpenSearchEngine, prefix: str) -> dict[str, list[str]]:
    """The fields that are set apart, by document id."""
    engine.request("POST", f"/{quote(prefix)}*/_refresh")
    query = {"size": 5000, "query": {"exists": {"field": "ddb.rejected_fields"}}, "_source": ["ddb.rejected_fields"]}
    hits = engine.request("POST", f"/{quote(prefix)}*/_search", query)["hits"]["hits"]
    return {hit["_id"]: hit["_source"]["ddb"]["rejected_fields"] for hit in hits}


def expected_rejected(entries: Iterable[Entry]) -> dict[str, list[str]]:
    """As `rejected_fields`."""
    rejected = ((e.item, e.end.rejected) for e in entries if e.item is not None and isinstance(e.end, Indexed))
    return {item["id"]["S"]: list(names) for item, names in rejected if names}
