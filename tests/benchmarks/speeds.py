"""What a turn of a contestant comes to."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Speed:
    """Documents per second of wall time, and the client's CPU milliseconds per 1,000 documents."""

    documents_per_second: float
    cpu_ms_per_1000: float


def speed_of(documents: int, wall_seconds: float, cpu_seconds: float) -> Speed:
    """The speed at which so many documents were sent."""
    return Speed(documents / wall_seconds, cpu_seconds * 1_000_000 / documents)


def middle(speeds: Sequence[Speed]) -> Speed:
    """The median of each figure."""
    return Speed(median(s.documents_per_second for s in speeds), median(s.cpu_ms_per_1000 for s in speeds))
