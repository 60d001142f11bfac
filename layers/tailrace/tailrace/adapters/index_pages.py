"""The indices of a table in OpenSearch: gets by id, and a walk over a point in time.

The walk sorts by `_seq_no`, a column that every index has: `_shard_doc` is unknown to 2.x, and `_id` would be loaded
into the engine's heap for every document. Sequence numbers of different shards tie, so the ties at the end of a page
are left to the next one. Invariant: each document of the point in time is met once, and memory holds one page.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import orjson

from tailrace.adapters.opensearch import OpenSearchEngine
from tailrace.failures import EngineError
from tailrace.sides import Address, Place, Standing, alias_pattern, is_alias_of
from tailrace.tables import TableSpec

PAGE_SIZE = 10_000  # OpenSearch default: index.max_result_window
GETS_AT_ONCE = 2_000
KEEP_ALIVE = "10m"  # between two pages, a repair and its lag included
_TOMBSTONE = {"term": {"ddb.deleted": True}}
_HITS = "/_search?filter_path=pit_id,timed_out,_shards.failed,hits.hits._index,hits.hits._id,hits.hits.sort"


class OpenSearchIndex:
    """See `sides.IndexSide`. Gets read the answer as it came, so that digits stay."""

    def __init__(self, engine: OpenSearchEngine) -> None:
        self._engine = engine

    def places(self, spec: TableSpec) -> Sequence[Place]:
        """See `sides.IndexSide.places`. An index whose own `_meta` names another table is left out."""
        pattern = quote(alias_pattern(spec), safe="*")
        try:
            answer = self._engine.request("GET", f"/{pattern}/_alias/{pattern}")
        except EngineError as error:
            if error.status == 404:
                return []
            raise
        behind: dict[str, dict[str, bool]] = {}
        for index, told in answer.items():
            for alias, how in told.get("aliases", {}).items():
                if is_alias_of(spec, alias):
                    behind.setdefault(alias, {})[index] = how.get("is_write_index", False)
        foreign = self._indices_of_others(spec, {index for indices in behind.values() for index in indices})
        return [
            Place(alias, index, is_written or len(indices) == 1)
            for alias, indices in sorted(behind.items())
            for index, is_written in sorted(indices.items())
            if index not in foreign
        ]

    def read(self, addresses: Sequence[Address], *, is_exact: bool) -> Sequence[Standing | None]:
        """See `sides.IndexSide.read`. Whole documents: picking fields out of them costs the engine three times more."""
        found: list[Standing | None] = []
        for start in range(0, len(addresses), GETS_AT_ONCE):
            found += self._get(addresses[start : start + GETS_AT_ONCE], is_exact)
        return found

    @contextmanager
    def open_snapshot(self, generations: Sequence[str], table: str | None) -> Iterator["PointInTime"]:
        """See `sides.IndexSide.open_snapshot`."""
        names = ",".join(quote(index, safe="") for index in generations)
        path = f"/{names}/_search/point_in_time?keep_alive={KEEP_ALIVE}"
        snapshot = PointInTime(self._engine, self._engine.request("POST", path)["pit_id"], table)
        try:
            yield snapshot
        finally:
            snapshot.close()

    def _indices_of_others(self, spec: TableSpec, indices: set[str]) -> set[str]:
        if not indices or "{table}" not in spec.index:
            return set()
        pattern = ",".join(quote(index, safe="") for index in sorted(indices))
        answer = self._engine.request("GET", f"/{pattern}/_mapping?filter_path=*.mappings._meta.tailrace.table")
        tables = {
            index: told.get("mappings", {}).get("_meta", {}).get("tailrace", {}) for index, told in answer.items()
        }
        return {index for index, told in tables.items() if told.get("table", spec.name) != spec.name}

    def _get(self, addresses: Sequence[Address], is_exact: bool) -> list[Standing | None]:
        body = {"docs": [{"_index": address.generation, "_id": address.id} for address in addresses]}
        content = self._engine.fetch("POST", "/_mget", orjson.dumps(body))
        docs = orjson.loads(content)["docs"]
        if len(docs) != len(addresses):
            raise EngineError(
                503, f"the engine answered {len(docs)} documents for {len(addresses)} ids", "partial_answer"
            )
        sources = (
            json.loads(content, parse_int=orjson.Fragment, parse_float=orjson.Fragment)["docs"] if is_exact else docs
        )
        return [_standing(doc, source) for doc, source in zip(docs, sources, strict=True)]


class PointInTime:
    """See `sides.Snapshot`. `table` narrows shared indices to one table."""

    def __init__(self, engine: OpenSearchEngine, id_: str, table: str | None) -> None:
        self._engine = engine
        self._id = id_
        self._only = [] if table is None else [{"term": {"ddb.table": table}}]

    def count_tombstones(self) -> int:
        """See `sides.Snapshot.count_tombstones`."""
        query = {"bool": {"filter": [_TOMBSTONE, *self._only]}}
        answer = self._search("/_search", {"size": 0, "track_total_hits": True, "query": query})
        total: int = answer["hits"]["total"]["value"]
        return total

    def pages(self) -> Iterator[Sequence[Address]]:
        """See `sides.Snapshot.pages`."""
        query = {"bool": {"filter": self._only, "must_not": [_TOMBSTONE]}}
        body = {"size": PAGE_SIZE, "sort": ["_seq_no"], "track_total_hits": False, "query": query}
        after: list[Any] | None = None
        while True:
            request = body | ({"search_after": after} if after is not None else {})
            hits = self._search(_HITS, request).get("hits", {}).get("hits", [])
            is_last = len(hits) < PAGE_SIZE
            if not is_last:
                hits = _without_ties(hits)
                after = hits[-1]["sort"]
            if hits:
                yield [Address(hit["_index"], hit["_id"]) for hit in hits]
            if is_last:
                return

    def close(self) -> None:
        """Let the engine forget it. Where that fails, it forgets by itself after `KEEP_ALIVE`."""
        try:
            self._engine.request("DELETE", "/_search/point_in_time", {"pit_id": [self._id]})
        except EngineError as error:
            if error.status < 500 and error.status != 404:
                raise

    def _search(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        try:
            answer = self._engine.request("POST", path, {**body, "pit": {"id": self._id, "keep_alive": KEEP_ALIVE}})
        except EngineError as error:
            if error.status != 404:
                raise
            forgotten = "the engine has forgotten the point in time of this walk: begin the verification again"
            raise EngineError(404, forgotten, error.error_type) from error
        if answer.get("timed_out") or answer.get("_shards", {}).get("failed"):
            raise EngineError(503, "a shard did not answer: the walk would not be complete", "partial_answer")
        self._id = answer.get("pit_id", self._id)
        return answer


def _without_ties(hits: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A full page without the documents that share its last sequence number: some of them may not have fitted in."""
    last = hits[-1]["sort"]
    kept = [hit for hit in hits if hit["sort"] != last]
    if not kept:
        raise EngineError(503, f"more than {PAGE_SIZE} shards cannot be walked at once", "too_many_shards")
    return kept


def _standing(doc: Mapping[str, Any], exact: Mapping[str, Any]) -> Standing | None:
    error = doc.get("error")
    if error is not None and error.get("type") != "index_not_found_exception":
        status = 403 if error.get("type") == "security_exception" else 503
        raise EngineError(status, f"a document could not be read: {error.get('type')}", error.get("type"))
    return Standing(doc["_version"], exact["_source"]) if doc.get("found") else None
