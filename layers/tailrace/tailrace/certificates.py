"""The certificate: what a verification compared and found, for people and machines.

Invariant: it holds ids and field names and never a value; it is clean exactly when no difference was found, and then
the digests of both sides are equal.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any

from tailrace.differences import Tally
from tailrace.sides import Place

_WRAP = (1 << 128) - 1


class DigestOfDigests:
    """A sum over documents, blind to their order: alias, id and digest of each as one number of 128 bits.

    Equal tables give equal sums, whatever generation their indices are.
    """

    __slots__ = ("_sum",)

    def __init__(self) -> None:
        self._sum = 0

    def add(self, alias: str, id_: str, digest: str | None) -> int:
        """Take in one document; what it weighs."""
        weight = weigh_document(alias, id_, digest)
        self.add_weight(weight)
        return weight

    def add_weight(self, weight: int) -> None:
        """Take in a document that was weighed before."""
        self._sum = (self._sum + weight) & _WRAP

    def __str__(self) -> str:
        return f"{self._sum:032x}"


def weigh_document(alias: str, id_: str, digest: str | None) -> int:
    """One document as a number of 128 bits. `/` stands in no alias and no digest, so the three never run together."""
    text = f"{alias}/{digest}/{id_}".encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(text, digest_size=16).digest(), "big")


@dataclass(frozen=True, slots=True)
class Certificate:
    """The result of one verification. Times in seconds since the epoch.

    `items` are the table's, `filtered` those that its `where` keeps out; `documents` are live, `tombstones` hidden.
    `in_flight` differences were gone when looked at again. `allowed` differences are those that the table's filter
    asks for. `repaired` and `unrepaired` sum to the differences when a repair was asked for, else both are zero.
    """

    table: str
    places: Sequence[Place]
    items: int
    filtered: int
    documents: int
    tombstones: int
    differences: Tally
    allowed: Tally
    in_flight: int
    repaired: int
    unrepaired: Tally
    table_digest: str
    index_digest: str
    is_deep: bool
    lag_seconds: float
    started_at: float
    ended_at: float

    @property
    def is_clean(self) -> bool:
        """Whether the index equals the table."""
        return not self.differences.counts.total()

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "table": self.table,
            "clean": self.is_clean,
            "indices": [{"alias": p.alias, "index": p.generation, "is_written": p.is_written} for p in self.places],
            "items": self.items,
            "filtered": self.filtered,
            "documents": self.documents,
            "tombstones": self.tombstones,
            "differences": self.differences.by_kind(),
            "allowed": self.allowed.by_kind(),
            "in_flight": self.in_flight,
            "repaired": self.repaired,
            "unrepaired": self.unrepaired.counts.total(),
            "shown": _shown(self.differences),
            "shown_unrepaired": _shown(self.unrepaired),
            "table_digest": self.table_digest,
            "index_digest": self.index_digest,
            "deep": self.is_deep,
            "lag_seconds": self.lag_seconds,
            "started_at": _instant(self.started_at),
            "ended_at": _instant(self.ended_at),
            "seconds": round(self.ended_at - self.started_at, 3),
        }


def _shown(tally: Tally) -> list[dict[str, Any]]:
    return [
        {"kind": one.kind.label, "index": one.generation, "id": one.id, "fields": list(one.fields), "why": one.why}
        for one in tally.shown
    ]


def _instant(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
