"""Field room: how many fields an index has, and the fewest that a new attribute would add.

Invariant: the need is never overestimated for an index that `mappings` built, so an attribute that is said not to fit
does not fit.
"""

from collections.abc import Mapping
from typing import Any

from tailrace.mappings import MAX_FIELDS
from tailrace.ports import IndexFields

_FIELDS_OF_A_SCALAR = 2  # `mappings`: text brings its `text`, a number its `exact`


def count_fields(properties: Mapping[str, Any]) -> int:
    """What counts towards `index.mapping.total_fields.limit`: fields, objects and sub-fields at any depth."""
    return sum(
        1 + len(field.get("fields", {})) + count_fields(field.get("properties", {})) for field in properties.values()
    )


def describe_fields(properties: Mapping[str, Any], limit: Any) -> IndexFields:
    """What the port answers, from a live mapping's `properties` and the limit as the engine spells it (None: 1000)."""
    room = int(limit or MAX_FIELDS) - count_fields(properties)
    return IndexFields(frozenset(properties), max(0, room))


def least_need(value: Any) -> int:
    """The fewest fields that a new attribute of this JSON value adds; nothing where it may add none."""
    if value is None:
        return 0
    if isinstance(value, bool):
        return 1
    if isinstance(value, Mapping):
        return 1 + sum(map(least_need, value.values()))
    if isinstance(value, list):
        return max(map(least_need, value), default=0)
    return _FIELDS_OF_A_SCALAR


def find_unfit(fields: Mapping[str, Any], index: IndexFields) -> list[str]:
    """The new attributes each of which alone is more than the index has room for.

    A name with dots is left out: its first part may be there already.
    """
    new = (name for name in fields.keys() - index.names if "." not in name)
    return sorted(name for name in new if least_need(fields[name]) > index.room)
