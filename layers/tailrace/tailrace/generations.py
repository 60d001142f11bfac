"""Generations: the alias a document is written to, the physical index behind it, and the request that creates one.

Invariant: a table and a type have one alias for ever; what changes is the generation behind it (`orders@000001`).
"""

import hashlib
from typing import TYPE_CHECKING, Any

import orjson

from tailrace.index_names import fill_pattern, fold_index_name
from tailrace.mappings import build_mappings, build_settings

if TYPE_CHECKING:
    from tailrace.tables import TableSpec

DEFAULT_TYPE = "default"
FORMAT = 1  # of documents and `_meta`: one more whenever equal specs would make different documents
TOMBSTONE_FILTER = {"bool": {"must_not": {"term": {"ddb.deleted": True}}}}


def alias_name(spec: "TableSpec", type_value: str) -> str:
    """The read alias of one type of a table; the type is lower-cased, and `default` where it is empty.

    At most 200 bytes of `[a-z0-9._=-]`: see `index_names.fold_index_name`.
    """
    pattern = fill_pattern(spec.index, spec.index_prefix, spec.name)
    return fold_index_name(pattern.replace("{type}", type_value or DEFAULT_TYPE))


def generation_name(alias: str, number: int) -> str:
    """The physical index of a generation: `orders@000001`."""
    return f"{alias}@{number:06d}"


def next_alias(alias: str) -> str:
    """The alias of the generation under construction: `orders@next`."""
    return f"{alias}@next"


def previous_alias(alias: str) -> str:
    """The alias of the generation that is kept for a rollback: `orders@previous`."""
    return f"{alias}@previous"


def main_alias(name: str) -> str | None:
    """The read alias that a shadow alias (`orders@next`, `orders@previous`) belongs to; None for any other name."""
    alias, _, kind = name.rpartition("@")
    return alias if alias and kind in ("next", "previous") else None


def spec_fingerprint(spec: "TableSpec") -> str:
    """32 hex digits that change whenever an existing index no longer is what the spec would build: then reindex.

    Delete policy, source and conflict policy are left out, since they leave existing documents right. An index whose
    pattern lacks `{table}` may be shared, so only what its tables have in common counts.
    """
    parts: dict[str, Any] = {"format": FORMAT, "mappings": build_mappings(spec), "settings": build_settings(spec)}
    parts["redact"] = {name: field.redact for name, field in spec.fields.items() if field.redact}
    if "{table}" in spec.index:
        where = {name: sorted(map(repr, values)) for name, values in spec.filter.where.items()}
        excluded = sorted(spec.filter.exclude_operations)
        parts["filter"] = [where, excluded, spec.filter.exclude_ttl_deletes]
        parts["key"] = [spec.key, spec.type_attribute]
    return hashlib.sha256(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)).hexdigest()[:32]


def build_index_request(spec: "TableSpec", alias: str) -> dict[str, Any]:
    """The body of `PUT /<generation>`: settings, mappings with `_meta.tailrace`, and the alias that hides tombstones.

    The alias is made with the index, so that both appear together; `is_write_index` lets the engine refuse a second
    index under the same alias. `_meta.tailrace` holds `fingerprint`, `table` (absent where the pattern lacks
    `{table}`, since such an index may be shared) and `format`.
    """
    meta: dict[str, Any] = {"fingerprint": spec_fingerprint(spec), "format": FORMAT}
    if "{table}" in spec.index:
        meta["table"] = spec.name
    return {
        "settings": build_settings(spec),
        "mappings": {"_meta": {"tailrace": meta}, **build_mappings(spec)},
        "aliases": {alias: {"filter": TOMBSTONE_FILTER, "is_write_index": True}},
    }
