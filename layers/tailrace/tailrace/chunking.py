"""The one chunker for every limit of count and bytes: bulk bodies, PutRecords requests.

Invariant: nothing is left out, repeated or put in another order, and no chunk exceeds a limit unless one thing alone
does.
"""

from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def chunk(sized: Iterable[tuple[T, int]], max_bytes: int, max_count: int) -> Iterator[list[T]]:
    """Lists of at most `max_count` things of together at most `max_bytes`; `sized` are things with their bytes."""
    taken: list[T] = []
    total = 0
    for thing, size in sized:
        if taken and (total + size > max_bytes or len(taken) >= max_count):
            yield taken
            taken, total = [], 0
        taken.append(thing)
        total += size
    if taken:
        yield taken
