"""The order of changes: one int64 scale for external versions, full sequence numbers for what ties on it.

Invariant: an older change of an item never carries a higher version than a newer one (but for a clock going back),
and no digit of a sequence number enters the version: a truncated sequence number is not monotone (trap 2).
"""

from enum import Enum
from typing import Protocol

from tailrace.records import NANOSECONDS

MAX_VERSION = 2**63 - 1  # OpenSearch: external versions are 0 .. 2^63-1
MILLISECOND = 1_000_000  # in nanoseconds, as is
MICROSECOND = 1_000
_UNITS = {"MILLISECOND": MILLISECOND, "MICROSECOND": MICROSECOND}
_MAX_SECONDS = 10**11  # from 1973 to 2286 an epoch has 9-10 digits in seconds, 12-13 in ms, 15-16 in µs
_MAX_MILLISECONDS = 10**14


def version_of_seconds(seconds: float) -> int:
    """DynamoDB Streams: the change's whole second (semantics 1.1: rounded down) on the nanosecond scale."""
    return int(seconds) * NANOSECONDS


def version_of_instant(instant: float, precision: str | None) -> int:
    """Kinesis for DynamoDB: seconds, ms or µs by magnitude, on the nanosecond scale (trap 10, failure 80).

    Magnitude is certain for every instant from 1973 to 2286; the record's own flag has to agree. Raises ValueError
    where it does not, or is unknown: to believe either would put the change off by a thousand.
    """
    unit = _unit(instant)
    if precision is not None and _UNITS.get(precision) != unit:
        raise ValueError("ApproximateCreationDateTimePrecision")
    return int(instant) * unit


def _unit(instant: float) -> int:
    if instant < _MAX_SECONDS:
        return NANOSECONDS
    return MILLISECOND if instant < _MAX_MILLISECONDS else MICROSECOND


class Verdict(Enum):
    """What a refused write turned out to be, once compared with what the index holds."""

    NEWER = "newer"
    STALE = "stale"
    DUPLICATE = "duplicate"
    UNDECIDED = "undecided"


class Change(Protocol):
    """What tells the order of a change of an item: an action has it, and so has the document in the index."""

    @property
    def version(self) -> int:
        """The instant in nanoseconds, a few more where a conflict was settled."""

    @property
    def sequence_number(self) -> str | None:
        """The full sequence number of DynamoDB Streams; None from any other source."""

    @property
    def event_id(self) -> str | None:
        """The id of the change record."""


def compare_changes(ours: Change, theirs: Change) -> Verdict:
    """Settle which of two changes of one item is the newer: by sequence number, else by instant.

    Changes of one instant are undecided, unless they are one and the same change: Kinesis may deliver them in either
    order (trap 13). So is a sequence number against none.
    """
    if ours.sequence_number is not None or theirs.sequence_number is not None:
        return compare_sequence_numbers(ours.sequence_number, theirs.sequence_number)
    if not _is_one_instant(ours.version, theirs.version):
        return Verdict.NEWER if ours.version > theirs.version else Verdict.STALE
    is_same = ours.event_id is not None and ours.event_id == theirs.event_id
    return Verdict.DUPLICATE if is_same else Verdict.UNDECIDED


def _is_one_instant(version: int, other: int) -> bool:
    """Whether two versions may be of one instant: compared in the coarser of their units, since the unit may change
    live (trap 10), and without the nanoseconds that settling adds."""
    microseconds, others = version // MICROSECOND, other // MICROSECOND
    for unit in (NANOSECONDS // MICROSECOND, MILLISECOND // MICROSECOND):
        if microseconds % unit == 0 or others % unit == 0:
            return microseconds // unit == others // unit
    return microseconds == others


def compare_sequence_numbers(ours: str | None, stored: str | None) -> Verdict:
    """By sequence numbers as integers, never as text: they are 21-40 digits long (trap 2)."""
    if ours is None or stored is None or not stored.isdecimal():
        return Verdict.UNDECIDED
    mine, theirs = int(ours), int(stored)
    if mine == theirs:
        return Verdict.DUPLICATE
    return Verdict.NEWER if mine > theirs else Verdict.STALE
