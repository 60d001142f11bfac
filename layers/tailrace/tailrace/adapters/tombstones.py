"""Tombstones in OpenSearch: the real adapter of `sweeping.TombstoneStore`.

Invariant: concrete indices alone are named, since `require_alias` does not hold for deletes and a versioned delete on a
missing name would create an index (trap 6); a delete names the write that it means by `if_seq_no`.
"""

import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import orjson

from tailrace.adapters.opensearch import OpenSearchEngine
from tailrace.failures import EngineError
from tailrace.index_names import fold_index_name
from tailrace.ports import ItemResult
from tailrace.sweeping import Generation, Tombstone

_NEXT = "_alias/*@next?filter_path=*.aliases"
_META = "_mapping?filter_path=*.mappings._meta.tailrace"
_HITS = "filter_path=timed_out,hits.hits._id,hits.hits._seq_no,hits.hits._primary_term"
_RESULTS = "filter_path=items.*.status,items.*.error.type,items.*.error.reason"
_is_generation = re.compile(r".+@[0-9]{6,}").fullmatch


class OpenSearchTombstones:
    """The tombstones behind one engine."""

    def __init__(self, engine: OpenSearchEngine) -> None:
        self._engine = engine

    def list_generations(self, prefix: str) -> Sequence[Generation]:
        """See `sweeping.TombstoneStore.list_generations`. An index is Tailrace's by its name and its own `_meta`."""
        pattern = (fold_index_name(prefix) if prefix else "") + "*@*"
        answer = self._engine.request("GET", f"/{quote(pattern, safe='*')}/{_META}")
        under_construction = self._list_under_construction(pattern)
        return [
            Generation(index, told["mappings"]["_meta"]["tailrace"].get("table"))
            for index, told in sorted(answer.items())
            if _is_generation(index) and index not in under_construction
        ]

    def _list_under_construction(self, pattern: str) -> frozenset[str]:
        try:
            return frozenset(self._engine.request("GET", f"/{quote(pattern, safe='*')}/{_NEXT}"))
        except EngineError as error:
            if error.status == 404:
                return frozenset()
            raise

    def find_tombstones(self, index: str, table: str, before: str, count: int) -> Sequence[Tombstone]:
        """See `sweeping.TombstoneStore.find_tombstones`."""
        path = f"/{quote(index, safe='')}/_search?allow_partial_search_results=false&{_HITS}"
        answer = self._engine.request("POST", path, _build_query(table, before, count))
        if answer.get("timed_out"):
            raise EngineError(503, f"the search for tombstones in {index} timed out")
        hits = answer.get("hits", {}).get("hits", [])
        if any(hit["_primary_term"] < 1 for hit in hits):  # real ones begin at 1; without them no delete is conditional
            raise EngineError(501, f"the engine tells no sequence numbers of {index}", "no_sequence_numbers")
        return [Tombstone(hit["_id"], hit["_seq_no"], hit["_primary_term"]) for hit in hits]

    def remove_tombstones(self, index: str, tombstones: Sequence[Tombstone]) -> Sequence[ItemResult]:
        """See `sweeping.TombstoneStore.remove_tombstones`.

        A collection refuses `refresh`: there, what was removed is found for some seconds more (trap 26).
        """
        body = b"".join(_render(index, tombstone) for tombstone in tombstones)
        path = f"/_bulk?{_RESULTS}" if self._engine.is_serverless else f"/_bulk?refresh=true&{_RESULTS}"
        return self._engine.send_bulk(path, body, len(tombstones))


def _build_query(table: str, before: str, count: int) -> dict[str, Any]:
    conditions = [
        {"term": {"ddb.deleted": True}},
        {"term": {"ddb.table": table}},
        {"range": {"ddb.changed_at": {"lt": before}}},
    ]
    return {
        "size": count,
        "query": {"bool": {"filter": conditions}},
        "sort": [{"ddb.changed_at": "asc"}],
        "seq_no_primary_term": True,
        "track_total_hits": False,
        "_source": False,
    }


def _render(index: str, tombstone: Tombstone) -> bytes:
    meta = {
        "_index": index,
        "_id": tombstone.id,
        "if_seq_no": tombstone.seq_no,
        "if_primary_term": tombstone.primary_term,
    }
    return orjson.dumps({"delete": meta}) + b"\n"
