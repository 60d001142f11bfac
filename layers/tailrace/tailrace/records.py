"""The change record: one item's change as every source tells it, freed of the source's wire shape.

Invariant: a change record is immutable and carries all that planning needs, so no later step looks at the wire again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

AttributeValue = Mapping[str, Any]
Image = Mapping[str, AttributeValue]
NANOSECONDS = 1_000_000_000


class ChangeRecord(NamedTuple):
    """One change of one item.

    A named tuple and not a dataclass: it is made once per record on the hot path, at a third of the cost.

    `operation` is `insert`, `modify` or `remove`; `keys`, `new_image` and `old_image` are AttributeValue maps with
    binaries as base64 text; `sequence_number` is the source's own digits (21-40 of them, never an int64) or None;
    `instant_ns` is the source's time of the change in nanoseconds since the epoch; `position` is what a partial
    batch response names (None where the source has none); `wire` is the record as it came, for dead letters.
    """

    table: str
    operation: str
    keys: Image
    new_image: Image | None
    old_image: Image | None
    sequence_number: str | None
    event_id: str | None
    instant_ns: int
    source: str
    source_arn: str | None
    is_ttl_delete: bool
    view_type: str | None
    position: str | None
    wire: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Undecodable:
    """A record of the batch that is no change record: it ends as a dead letter with `reason` and its raw `wire`.

    `table` is its table's name where that much could be read.
    """

    reason: str
    detail: str
    position: str | None
    source: str
    source_arn: str | None
    wire: Any
    table: str | None = None
