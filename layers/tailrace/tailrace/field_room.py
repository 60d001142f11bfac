"""Field room: how many fields an index has, and the fewest that a new attribute would add.

Invariant: the need is never overestimated for an index that `mappings` built, so an attribute that is said not to fit
does not fit.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

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


class Shares(NamedTuple):
    """The names of some attributes: those that `fit` all together, those to try `later`, those `unfit` even alone."""

    fit: list[str]
    later: list[str]
    unfit: list[str]


class FieldRoom:
    """The room of one index, given away share by share."""

    def __init__(self, index: IndexFields) -> None:
        self._index = index
        self._left = index.room

    def share(self, fields: Mapping[str, Any]) -> Shares:
        """Give room to attributes in their order, as long as there is some.

        A name with dots needs none, as far as is known: its first part may be there already.
        """
        shares = Shares([], [], [])
        for name, value in fields.items():
            is_new = name not in self._index.names and "." not in name
            need = least_need(value) if is_new else 0
            if need > self._index.room:
                shares.unfit.append(name)
            elif need > self._left:
                shares.later.append(name)
            else:
                self._left -= need
                shares.fit.append(name)
        return shares
