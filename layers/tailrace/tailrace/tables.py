"""Table specs: tables.yaml, validated and frozen, as every other part reads it.

Invariant: a `Tables` that exists is right: each table has one source, and no two tables can write the same document.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import combinations
from typing import Any

from tailrace.errors import TailraceError, UserError
from tailrace.index_names import claim, do_overlap
from tailrace.table_checks import find_mistakes, is_table_name


class TablesError(UserError):
    """A document that is no tables file. `mistakes` holds each as `path: what is wrong`; the text holds them all."""

    def __init__(self, mistakes: list[str], file: str = "") -> None:
        self.mistakes = tuple(mistakes)
        where = f"{file}: " if file else ""
        count = f"{len(mistakes)} mistakes" if len(mistakes) > 1 else ""
        super().__init__(where + "\n  ".join([count, *mistakes] if count else mistakes))


class UnknownTableError(TailraceError):
    """A record of a table that the specs do not name and do not let in."""


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """One declared field: a kind (`field_kinds.FIELD_KINDS`) with its format and options, or None where only redacted.

    `redact` is `hash`, `drop`, `mask` or None.
    """

    type: str | None = None
    format: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    redact: str | None = None


@dataclass(frozen=True, slots=True)
class FilterSpec:
    """Which changes reach the index. `exclude_operations` holds `insert`, `modify`, `remove`.

    `where` maps an attribute to the values that are let in: str, bool, None (NULL), or Decimal for any number.
    """

    exclude_operations: frozenset[str] = frozenset()
    exclude_ttl_deletes: bool = False
    where: Mapping[str, tuple[object, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Defaults:
    """What a table follows where its own entry is silent."""

    index_prefix: str = ""
    source: str = "streams"
    deletes: str = "soft"
    tombstone_days: int = 14
    on_type_conflict: str = "quarantine"
    shards: int = 1


@dataclass(frozen=True, slots=True)
class TableSpec:
    """One table. `key` is empty where it is not declared: then the key attributes count in alphabetical order.

    `index` is the pattern, `index_prefix` what its `{prefix}` stands for, `shards` the primary shards of each index.
    """

    name: str
    key: tuple[str, ...]
    source: str
    type_attribute: str | None
    index: str
    index_prefix: str
    deletes: str
    tombstone_days: int
    fields: Mapping[str, FieldSpec]
    filter: FilterSpec
    on_type_conflict: str
    shards: int = 1


@dataclass(frozen=True, slots=True)
class Tables:
    """All specs. `unknown` is `follow_defaults` or `refuse`."""

    specs: Mapping[str, TableSpec]
    defaults: Defaults = Defaults()
    unknown: str = "follow_defaults"

    def spec(self, table: str) -> TableSpec:
        """The spec of a table, made from the defaults where it is not declared.

        Raises UnknownTableError when unknown tables are refused, when `table` is no table name, and when its index
        could be a declared table's. (Two undeclared tables whose names differ in case alone share an index: declare
        them, and the second is refused.)
        """
        declared = self.specs.get(table)
        if declared is not None:
            return declared
        if self.unknown == "refuse" or not is_table_name(table):
            raise UnknownTableError(f"table {table} is not declared, and unknown tables are refused")
        spec = _build_spec(table, {}, self.defaults)
        for other in self.specs.values():
            if _conflict(spec, other):
                raise UnknownTableError(f"table {table} is not declared, and its index could be that of {other.name}")
        return spec

    def without_quarantine(self) -> "Tables":
        """The same with dead letters for documents that are refused: probing for their fields needs an engine that is
        known to heed `if_seq_no`.
        """
        specs = {name: replace(spec, on_type_conflict="dead_letter") for name, spec in self.specs.items()}
        return Tables(specs, replace(self.defaults, on_type_conflict="dead_letter"), self.unknown)


def load_tables(document: object) -> Tables:
    """The specs of a parsed tables file (tables.yaml, or its compiled JSON).

    Two tables may share an index only when both their patterns lack `{table}`, since then the ids of both begin with
    the table's name, and only with equal `fields` and `shards`, since an index has one mapping. A pattern with `{type}`
    can become any name between its ends, so `orders-{type}` also claims `orders-archive`.

    Raises TablesError naming the path of every mistake.
    """
    if mistakes := find_mistakes(document):
        raise TablesError(mistakes)
    assert isinstance(document, Mapping)
    given = dict(document.get("defaults", {}))
    unknown = given.pop("unknown_tables", "follow_defaults")
    defaults = Defaults(**given)
    specs = {name: _build_spec(name, table or {}, defaults) for name, table in document["tables"].items()}
    if mistakes := [*_shared_indices(specs), *_shared_logical_names(specs)]:
        raise TablesError(mistakes)
    return Tables(specs, defaults, unknown)


def compile_tables(document: object) -> dict[str, Any]:
    """The document as JSON can hold it, every default written out; `load_tables` reads the same specs from both.

    Raises TablesError as `load_tables` does.
    """
    tables = load_tables(document)
    defaults = {name: getattr(tables.defaults, name) for name in Defaults.__slots__}
    return {
        "defaults": {**defaults, "unknown_tables": tables.unknown},
        "tables": {name: _compile_spec(spec) for name, spec in tables.specs.items()},
    }


def logical_name(table: str) -> str:
    """The table's name as a part of a CloudFormation logical id: letters and digits, each word capitalised.

    `Table` for a name of dots, dashes and underscores alone.
    """
    parts = re.findall(r"[A-Za-z0-9]+", table)
    return "".join(part[0].upper() + part[1:] for part in parts) or "Table"


def _build_spec(name: str, table: Mapping[str, Any], defaults: Defaults) -> TableSpec:
    type_attribute = table.get("type_attribute")
    return TableSpec(
        name=name,
        key=tuple(table.get("key", ())),
        source=table.get("source", defaults.source),
        type_attribute=type_attribute,
        index=table.get("index") or ("{prefix}{table}-{type}" if type_attribute else "{prefix}{table}"),
        index_prefix=defaults.index_prefix,
        deletes=table.get("deletes", defaults.deletes),
        tombstone_days=table.get("tombstone_days", defaults.tombstone_days),
        fields={field: _build_field(declared) for field, declared in table.get("fields", {}).items()},
        filter=_build_filter(table.get("filter", {})),
        on_type_conflict=table.get("on_type_conflict", defaults.on_type_conflict),
        shards=table.get("shards", defaults.shards),
    )


def _build_field(declared: Mapping[str, Any]) -> FieldSpec:
    options = {key: value for key, value in declared.items() if key not in ("type", "format", "redact")}
    return FieldSpec(declared.get("type"), declared.get("format"), options, declared.get("redact"))


def _build_filter(declared: Mapping[str, Any]) -> FilterSpec:
    where = {name: tuple(map(_where_value, values)) for name, values in declared.get("where", {}).items()}
    excluded = frozenset(declared.get("exclude_operations", ()))
    return FilterSpec(excluded, declared.get("exclude_ttl_deletes", False), where)


def _where_value(value: Any) -> object:
    if isinstance(value, Mapping):
        return Decimal(value["N"])
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return Decimal(repr(value))
    return value


def _compile_spec(spec: TableSpec) -> dict[str, Any]:
    return {
        **({"key": list(spec.key)} if spec.key else {}),
        **({"type_attribute": spec.type_attribute} if spec.type_attribute else {}),
        "source": spec.source,
        "index": spec.index,
        "deletes": spec.deletes,
        "tombstone_days": spec.tombstone_days,
        "shards": spec.shards,
        "fields": {name: _compile_field(declared) for name, declared in spec.fields.items()},
        "filter": _compile_filter(spec.filter),
        "on_type_conflict": spec.on_type_conflict,
    }


def _compile_field(spec: FieldSpec) -> dict[str, Any]:
    told = {"type": spec.type, "format": spec.format, "redact": spec.redact}
    return {key: value for key, value in told.items() if value is not None} | dict(spec.options)


def _compile_filter(spec: FilterSpec) -> dict[str, Any]:
    numbers_as_text = {
        name: [{"N": str(value)} if isinstance(value, Decimal) else value for value in values]
        for name, values in spec.where.items()
    }
    return {
        "exclude_operations": sorted(spec.exclude_operations),
        "exclude_ttl_deletes": spec.exclude_ttl_deletes,
        "where": numbers_as_text,
    }


def _shared_indices(specs: Mapping[str, TableSpec]) -> Iterator[str]:
    for first, second in combinations(specs.values(), 2):
        if why := _conflict(first, second):
            yield f"tables.{second.name}.index: {why}"


def _conflict(one: TableSpec, other: TableSpec) -> str | None:
    """Why two tables cannot stand beside each other; None when they can."""
    claims = [claim(spec.index, spec.index_prefix, spec.name) for spec in (one, other)]
    if not do_overlap(*claims):
        return None
    if "{table}" in one.index or "{table}" in other.index:
        return f"could be the index of tables.{one.name} too; give one of them a pattern of its own"
    if (one.fields, one.shards) != (other.fields, other.shards):
        return f"is shared with tables.{one.name}, so fields and shards must be the same in both"
    return None


def _shared_logical_names(specs: Mapping[str, TableSpec]) -> Iterator[str]:
    known: dict[str, str] = {}
    for name in (name for name, spec in specs.items() if spec.source == "streams"):
        parameter = f"{logical_name(name)}StreamArn"
        first = known.setdefault(parameter, name)
        if first != name:
            yield f"tables.{name}: has the same parameter in template.yaml as tables.{first}, {parameter}"
