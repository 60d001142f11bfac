"""Table rules: what planning needs of one table's spec, and what it refuses by it.

Invariant: the rules of a spec are worked out once per batch and hold nothing of any record.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from tailrace.attributes import canonical_number
from tailrace.identity import table_prefix
from tailrace.names import escape_field_name
from tailrace.records import ChangeRecord, Image
from tailrace.tables import TableSpec
from tailrace.versions import MAX_VERSION


class Refusal(NamedTuple):
    """Why a record cannot be planned: it ends as a dead letter."""

    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class TableRules:
    """What planning needs of one table's spec, worked out once per batch."""

    spec: TableSpec
    id_prefix: str
    redactions: tuple[tuple[str, str], ...]
    where: tuple[tuple[str, frozenset[tuple[str, Any]]], ...]
    excluded: frozenset[str]
    needs_old_image: bool

    @classmethod
    def of(cls, spec: TableSpec) -> "TableRules":
        """The rules of a spec."""
        redactions = tuple((escape_field_name(n), f.redact) for n, f in spec.fields.items() if f.redact)
        where = tuple((name, frozenset(map(_typed, values))) for name, values in spec.filter.where.items())
        prefix = "" if "{table}" in spec.index else table_prefix(spec.name)
        needs_old_image = bool(spec.type_attribute or where)
        return cls(spec, prefix, redactions, where, spec.filter.exclude_operations, needs_old_image)

    def is_filtered(self, record: ChangeRecord) -> bool:
        """Whether the spec leaves out this kind of change."""
        if record.operation in self.excluded:
            return True
        return record.is_ttl_delete and self.spec.filter.exclude_ttl_deletes

    def refuse(self, record: ChangeRecord) -> Refusal | None:
        """Why the record cannot be planned: its time is no version, or the place of its old document is unknown."""
        if not 0 <= record.instant_ns <= MAX_VERSION:
            return Refusal("illegal_version", "the change's time is not between 1970 and 2262")
        if not self.needs_old_image or record.old_image is not None or record.operation == "insert":
            return None
        view = record.view_type or "of the stream"
        return Refusal("view_type", f"view type {view} leaves out the old image: set NEW_AND_OLD_IMAGES on the stream")

    def has_one_alias(self) -> bool:
        """Whether each change of the table is wanted, and under one and the same alias."""
        return not (self.needs_old_image or self.excluded or self.spec.filter.exclude_ttl_deletes)

    def wants(self, image: Image) -> bool:
        """Whether the spec's `where` lets this item into the index."""
        return all(_typed_value(image.get(name)) in allowed for name, allowed in self.where)


def _typed(value: object) -> tuple[str, Any]:
    """A `where` value as the attribute value it stands for."""
    if isinstance(value, bool):
        return ("BOOL", value)
    if value is None:
        return ("NULL", True)
    return ("S", value) if isinstance(value, str) else ("N", canonical_number(str(value)))


def _typed_value(typed: Mapping[str, Any] | None) -> tuple[str, Any] | None:
    for kind, value in (typed or {}).items():
        if kind in ("S", "BOOL", "NULL"):
            return (kind, value)
        return ("N", canonical_number(value)) if kind == "N" else None
    return None
