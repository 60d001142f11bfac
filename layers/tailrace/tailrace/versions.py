"""The order of changes: one int64 scale for external versions, full sequence numbers for what ties on it.

Invariant: an older change of an item never carries a higher version than a newer one (but for a clock going back),
and no digit of a sequence number enters the version: a truncated sequence number is not monotone (trap 2).
"""

from enum import Enum

from tailrace.records import NANOSECONDS

MAX_VERSION = 2**63 - 1  # OpenSearch: external versions are 0 .. 2^63-1


def version_of_seconds(seconds: float) -> int:
    """DynamoDB Streams: the change's whole second (semantics 1.1: rounded down) on the nanosecond scale."""
    return int(seconds) * NANOSECONDS


class Verdict(Enum):
    """What a refused write turned out to be, once compared with what the index holds."""

    NEWER = "newer"
    STALE = "stale"
    DUPLICATE = "duplicate"
    UNDECIDED = "undecided"


def compare_sequence_numbers(ours: str | None, stored: str | None) -> Verdict:
    """Settle a version conflict: sequence numbers as integers, never as text (they are 21-40 digits long)."""
    if ours is None or stored is None or not stored.isdecimal():
        return Verdict.UNDECIDED
    mine, theirs = int(ours), int(stored)
    if mine == theirs:
        return Verdict.DUPLICATE
    return Verdict.NEWER if mine > theirs else Verdict.STALE
