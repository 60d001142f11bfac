"""The tables of the model and the keys of their items, each key with the document id that it must have."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from tailrace.tables import Tables, load_tables


class ModelTable(NamedTuple):
    """One table: its sources, its key attributes and what decides the place of an item."""

    name: str
    sources: tuple[str, ...]
    key_names: tuple[str, ...] = ("id",)
    is_typed: bool = False
    is_filtered: bool = False
    index: str = ""
    deletes: str = "soft"


TABLES = (
    ModelTable("orders", ("streams",)),
    ModelTable("planes", ("streams",), is_typed=True),
    ModelTable("tickets", ("streams",), ("pk", "sk"), is_filtered=True),
    ModelTable("rides", ("streams",), deletes="hard"),
    ModelTable("east", ("streams",), ("pk", "sk"), index="coast"),
    ModelTable("gauges", ("kinesis",)),
    ModelTable("routes", ("kinesis",), ("pk", "sk"), is_typed=True, is_filtered=True),
    ModelTable("fares", ("streams", "kinesis"), is_typed=True),
)
# Key values and the id they must give; bare joins and missing escapes would make two of them one.
SINGLE_KEYS = ((("a|b",), "a\\|b"), (("a\\|b#?/%",), "a\\\\\\|b#?/%"), (("\u00fc",), "\u00fc"))
DOUBLE_KEYS = ((("a|b", "c"), "a\\|b|c"), (("", "d"), "|d"), (("a", "b|c"), "a|b\\|c"))
KEYS = 3
TYPES = ("Jet", "GLIDER", None)
_PLAIN = {"orders": "orders", "tickets": "tickets", "coast": "east", "rides": "rides", "gauges": "gauges"}
_KINDS = {f"{name}-{kind}": name for name in ("planes", "routes", "fares") for kind in ("jet", "glider", "default")}
ALIASES = _PLAIN | _KINDS  # every alias the tables write to, with a table that does


def model_specs(
    prefix: str, on_type_conflict: str = "dead_letter", fields: Mapping[str, Any] = MappingProxyType({})
) -> Tables:
    """The tables as tables.yaml would declare them; what is said of conflicts and `fields` is said of all."""
    return load_tables(model_document(prefix, on_type_conflict, fields))


def model_document(prefix: str, on_type_conflict: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """The file behind `model_specs`."""
    said = {"on_type_conflict": on_type_conflict, "fields": dict(fields)}
    return {"defaults": {"index_prefix": prefix}, "tables": {table.name: _spec(table) | said for table in TABLES}}


def _spec(table: ModelTable) -> dict[str, Any]:
    spec: dict[str, Any] = {"key": list(table.key_names), "source": table.sources[0]}
    spec["deletes"] = table.deletes
    spec |= {"type_attribute": "kind"} if table.is_typed else {}
    spec |= {"filter": {"where": {"status": ["OPEN"]}}} if table.is_filtered else {}
    return spec | ({"index": "{prefix}" + table.index} if table.index else {})


def key_of(table: ModelTable, number: int, tag: str) -> tuple[dict[str, Any], str]:
    """The key image of one of the table's items, and its document id. `tag` keeps histories apart in one index."""
    pool = SINGLE_KEYS if len(table.key_names) == 1 else DOUBLE_KEYS
    values, id_ = pool[number % len(pool)]
    texts = (tag + values[0], *values[1:])
    prefix = f"{table.name}|" if table.index else ""
    return {name: {"S": text} for name, text in zip(table.key_names, texts, strict=True)}, prefix + tag + id_


def alias_of(table: ModelTable, item: dict[str, Any]) -> str | None:
    """The alias an item belongs to, None where the table's `where` keeps it out; without the prefix."""
    if table.is_filtered and item.get("status") != {"S": "OPEN"}:
        return None
    if not table.is_typed:
        return table.index or table.name
    return f"{table.name}-{item['kind']['S'].lower() if 'kind' in item else 'default'}"
