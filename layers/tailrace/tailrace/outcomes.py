"""What became of each record, and the account that must sum.

Invariant (law 1): records in = the sum over all outcomes. A breach is an exception, hence a retry: nothing is
acknowledged without an outcome.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum

from tailrace.errors import TailraceError


class Outcome(IntEnum):
    """The end of one record. The value is the rank: of a record's several actions the lowest rank is its outcome."""

    FAILED = 0
    DEAD_LETTERED = 1
    INDEXED = 2
    DELETED = 3
    STALE = 4
    DUPLICATE = 5
    SUPERSEDED = 6
    FILTERED = 7


class ConservationError(TailraceError):
    """Records went in that have no outcome, or more outcomes came out than records went in."""


@dataclass(frozen=True, slots=True)
class Account:
    """The conservation account of one invocation: `records_in` and how many ended in each outcome."""

    records_in: int
    counts: Mapping[IntEnum, int]
    ends: type[IntEnum] = Outcome

    def as_dict(self) -> dict[str, int]:
        """`{"records_in": n, "indexed": n, …}` with every outcome named, for logs, metrics and people."""
        return {"records_in": self.records_in} | {end.name.lower(): self.counts.get(end, 0) for end in self.ends}


def balance(records_in: int, outcomes: Iterable[IntEnum | None], ends: type[IntEnum] = Outcome) -> Account:
    """Close the account over all records; `ends` are the outcomes there are.

    Raises ConservationError when it does not sum.
    """
    found = list(outcomes)
    members = Counter(map(id, found))  # an enum's own hash is a Python call for each record
    unaccounted = members.pop(id(None), 0)
    total = sum(members.values())
    if unaccounted or total != records_in:
        raise ConservationError(f"{records_in} records in, {total} outcomes, {unaccounted} records without one")
    return Account(records_in, {end: members[id(end)] for end in ends if id(end) in members}, ends)
