"""The garbage collector's pace in a function's process.

A batch is some 25 containers a record, made by reading its JSON and all freed by their reference counts when the next
batch comes. At Python's default pace (700 containers) the collector walks through them dozens of times a batch and
through the whole process every few batches: a fifth of an invocation's CPU, to find nothing.

Invariant: the collector stays on; cycles are found, later.
"""

import gc

CONTAINERS_BETWEEN_COLLECTIONS = 50_000  # two batches of 1,000 records; as garbage at most some 10 MB


def slow_down_collector() -> None:
    """Collect after 50,000 containers more than were freed. Called where a function's process builds its parts."""
    gc.set_threshold(CONTAINERS_BETWEEN_COLLECTIONS)
