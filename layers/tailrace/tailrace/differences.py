"""What can be different between a table and its indices, and which of it a table's filter asks for.

Invariant: one item is counted once, under the kind that says most; a document that no item calls for is counted once.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from tailrace.tables import FilterSpec

SHOWN_PER_KIND = 20


class Kind(Enum):
    """A kind of difference: its name, and what it means in one sentence."""

    MISSING = ("missing", "The item has no document.")
    BURIED = ("buried", "The item lives, and its document is a tombstone.")
    STALE = ("stale", "The document tells of another state of the item: the digests differ.")
    CORRUPT = ("corrupt", "The digest is the item's, and the content is not (seen with --deep only).")
    WRONG_INDEX = ("wrong index", "A document of the item stands in the index of another type.")
    ORPHAN = ("orphan", "A document lives that no item calls for: its removal never arrived.")
    RESURRECTED = (
        "resurrected",
        "A removed item's document lives again: an older change was written over a newer one.",
    )
    FOREIGN = ("foreign", "A document names no key of the table: Tailrace did not write it.")
    REFUSED = ("refused", "The item cannot become a document.")

    def __init__(self, label: str, sentence: str) -> None:
        self.label = label
        self.sentence = sentence


_REMOVED = frozenset({Kind.ORPHAN, Kind.RESURRECTED})
_ALLOWED_BY_OPERATION: Mapping[str, frozenset[Kind]] = {
    "insert": frozenset({Kind.MISSING, Kind.BURIED}),
    "modify": frozenset({Kind.MISSING, Kind.STALE, Kind.WRONG_INDEX, Kind.ORPHAN}),
    "remove": _REMOVED,
}


def allowed_kinds(filter_: FilterSpec) -> frozenset[Kind]:
    """The differences that a filter asks for: where removals stay out of the index, orphans are what is wanted.

    An orphan does not show who removed its item, so `exclude_ttl_deletes` allows all of them.
    """
    allowed = [_ALLOWED_BY_OPERATION[operation] for operation in filter_.exclude_operations]
    return frozenset().union(*allowed, _REMOVED if filter_.exclude_ttl_deletes else ())


class Difference(NamedTuple):
    """One difference as it may be shown: ids and field names, never a value. `why` tells what kept it unrepaired."""

    kind: Kind
    generation: str
    id: str
    fields: tuple[str, ...] = ()
    why: str = ""


@dataclass(slots=True)
class Tally:
    """Differences counted by kind; of each kind the first few are kept."""

    counts: Counter[Kind] = field(default_factory=Counter)
    shown: list[Difference] = field(default_factory=list)

    def add(self, difference: Difference) -> None:
        """Count one."""
        self.counts[difference.kind] += 1
        if self.counts[difference.kind] <= SHOWN_PER_KIND:
            self.shown.append(difference)

    def by_kind(self) -> dict[str, int]:
        """Every kind by name, zeros too."""
        return {kind.label: self.counts[kind] for kind in Kind}
