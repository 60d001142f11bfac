"""Applying: the indices that the specs ask for are created, and those that no longer fit their spec are named.

Invariant: nothing that exists is changed. An index that differs needs a new generation, which is the reindexer's work.
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from tailrace.adapters.opensearch import OpenSearchEngine
from tailrace.adapters.serverless import check_collection
from tailrace.failures import EngineError
from tailrace.generations import DEFAULT_TYPE, alias_name, build_index_request, spec_fingerprint
from tailrace.index_names import claim
from tailrace.tables import Tables, TableSpec

GOOD_STATES = ("created", "would create", "exists")
_META = "_mapping?filter_path=*.mappings._meta"


@dataclass(frozen=True, slots=True)
class AppliedAlias:
    """One alias: `created`, `would create`, `exists`, `differs` or `blocked`; `why` explains the last two."""

    table: str
    alias: str
    state: str
    why: str = ""


def apply_tables(engine: OpenSearchEngine, tables: Tables, *, is_dry_run: bool) -> Iterator[AppliedAlias]:
    """Create what is missing, table by table, and compare what is there. Raises EngineError."""
    for spec in tables.specs.values():
        wanted = [alias_name(spec, type_) for type_ in _types_to_create(spec)]
        seen = [alias for alias in _existing_types(engine, spec) if alias not in wanted]
        for alias in dict.fromkeys(wanted):
            yield _apply(engine, spec, alias, is_dry_run)
        for alias in seen:
            yield _compare(engine, spec, alias) or AppliedAlias(spec.name, alias, "exists")


def _types_to_create(spec: TableSpec) -> list[str]:
    """The types that a typed table's `where` names, else the default one; the indexer makes others as they come."""
    named = [value.lower() for value in spec.filter.where.get(spec.type_attribute or "", ()) if isinstance(value, str)]
    return named or [DEFAULT_TYPE]


def _existing_types(engine: OpenSearchEngine, spec: TableSpec) -> list[str]:
    """The aliases of the types that the table has had so far, read from the indices' own `_meta`."""
    claimed = claim(spec.index, spec.index_prefix, spec.name)
    if not claimed.is_open:
        return []
    answer = engine.request("GET", f"/{quote(claimed.head, safe='')}*/{_META}")
    return sorted(index.partition("@")[0] for index in answer if _meta_of(answer, index).get("table") == spec.name)


def _apply(engine: OpenSearchEngine, spec: TableSpec, alias: str, is_dry_run: bool) -> AppliedAlias:
    if found := _compare(engine, spec, alias):
        return found
    if is_dry_run:
        is_new = not engine.has_alias(alias)
        return AppliedAlias(spec.name, alias, "would create" if is_new else "exists")
    try:
        is_new = engine.ensure_index(alias, build_index_request(spec, alias))
        if engine.is_serverless:
            check_collection(engine, alias, time.time_ns())
    except EngineError as error:
        if error.status != 400:
            raise
        return AppliedAlias(spec.name, alias, "blocked", f"OpenSearch refuses to create the index: {error}")
    return AppliedAlias(spec.name, alias, "created" if is_new else "exists")


def _compare(engine: OpenSearchEngine, spec: TableSpec, alias: str) -> AppliedAlias | None:
    """What stands in the way of `alias` being right as it is; None where nothing does, be it there or not."""
    try:
        answer = engine.request("GET", f"/{quote(alias, safe='')}/_mapping")
    except EngineError as error:
        if error.status == 404:
            return None
        raise
    if alias in answer:
        return AppliedAlias(spec.name, alias, "blocked", "an index has this name, so no alias can: delete or rename it")
    fingerprints = {_meta_of(answer, index).get("fingerprint") for index in answer}
    if fingerprints == {spec_fingerprint(spec)}:
        return None
    why = "the index is not Tailrace's" if None in fingerprints else "made from an older spec: reindex the table"
    return AppliedAlias(spec.name, alias, "differs", why)


def _meta_of(answer: Mapping[str, Any], index: str) -> Mapping[str, Any]:
    meta: Mapping[str, Any] = answer[index].get("mappings", {}).get("_meta", {}).get("tailrace", {})
    return meta
