"""Mappings: how OpenSearch is told to index a table's documents.

Invariant: no legal item is refused because of an undeclared scalar's digits, length or look. Undeclared text is a
keyword with a `text` sub-field, undeclared numbers are doubles with their own digits in `exact`, nothing is guessed.
An undeclared binary reaches the engine as base64 text and is indexed as text: the AttributeValue tag is not visible to
a dynamic mapping. Declare it as `binary` to keep it out of the inverted index.
"""

from typing import TYPE_CHECKING, Any

from tailrace.field_kinds import EXACT, field_mapping
from tailrace.names import escape_field_name

if TYPE_CHECKING:
    from tailrace.tables import TableSpec

MAX_FIELDS = 1000  # OpenSearch default; sub-fields count, so it holds about 490 undeclared attributes
MAX_DEPTH = 40  # OpenSearch default 20; DynamoDB allows 32 levels below the item

_DOUBLE = {"type": "double", "ignore_malformed": True, "fields": {"exact": EXACT}}
_STRING = {**EXACT, "fields": {"text": {"type": "text"}}}
_DYNAMIC_TEMPLATES = [
    {"text": {"match_mapping_type": "string", "mapping": _STRING}},
    {"whole_numbers": {"match_mapping_type": "long", "mapping": _DOUBLE}},
    {"decimal_numbers": {"match_mapping_type": "double", "mapping": _DOUBLE}},
]
_KEYWORD = {"type": "keyword"}
_OPAQUE = {"type": "object", "enabled": False}
_BOOKKEEPING = {
    "dynamic": False,
    "properties": {
        "table": _KEYWORD,
        "op": _KEYWORD,
        "event_id": _KEYWORD,
        "seq": _KEYWORD,
        "source": _KEYWORD,
        "digest": _KEYWORD,
        "changed_at": {"type": "date", "format": "strict_date_optional_time"},
        "deleted": {"type": "boolean"},
        "ttl": {"type": "boolean"},
        "key": _OPAQUE,
        "rejected": _OPAQUE,
        "rejected_fields": EXACT,
    },
}


def build_settings(spec: "TableSpec") -> dict[str, Any]:
    """Index settings: the spec's shards, one replica where there is a second node, DynamoDB's depth."""
    return {
        "index": {
            "number_of_shards": spec.shards,
            "auto_expand_replicas": "0-1",
            "refresh_interval": "1s",  # the default by number; said aloud, it also holds for an index nobody searches
            "mapping": {"total_fields": {"limit": MAX_FIELDS}, "depth": {"limit": MAX_DEPTH}},
        }
    }


def build_mappings(spec: "TableSpec") -> dict[str, Any]:
    """The mappings of every index of a table: dynamic templates, the declared fields, and the reserved object `ddb`."""
    properties: dict[str, Any] = {}
    for name, declared in spec.fields.items():
        if declared.redact in ("hash", "mask"):
            _place(properties, name, dict(EXACT))
        elif declared.redact is None and declared.type is not None:
            _place(properties, name, field_mapping(declared.type, declared.format, declared.options))
    properties["ddb"] = _BOOKKEEPING
    return {
        "dynamic": True,
        "date_detection": False,
        "numeric_detection": False,
        "dynamic_templates": _DYNAMIC_TEMPLATES,
        "properties": properties,
    }


def _place(properties: dict[str, Any], name: str, mapping: dict[str, Any]) -> None:
    """Put a field's mapping where its dotted name leads: `address.point` is `point` in the map `address`."""
    *parents, leaf = escape_field_name(name).split(".")
    for parent in parents:
        properties = properties.setdefault(parent, {}).setdefault("properties", {})
    properties.setdefault(leaf, {}).update(mapping)
