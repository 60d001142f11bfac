"""The garbage collector's pace where much is read: in a function's process, and in a load.

A batch is up to 25 containers a record, made by reading its JSON and all freed by their reference counts when the next
batch comes. At Python's default pace (700 containers) the collector walks through them dozens of times a batch and
through the whole process every few batches: a fifth of an invocation's CPU, to find nothing.

Invariant: the collector stays on; cycles are found, later.
"""

import gc

CONTAINERS_BETWEEN_COLLECTIONS = 50_000  # two batches of 1,000 records; as garbage at most some 10 MB


def slow_down_collector() -> None:
    """Collect after 50,000 containers more than were freed. Called where a process builds its parts."""
    gc.set_threshold(CONTAINERS_BETWEEN_COLLECTIONS)
