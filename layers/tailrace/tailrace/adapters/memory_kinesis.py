"""The in-memory twin of a Kinesis stream: PutRecords with its limits and its per-entry failures.

Invariant: twin and real adapter pass the same contract suite (tests/contracts/test_change_streams.py).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tailrace.failures import ChangeStreamError, Disposition
from tailrace.ports import StreamEntry

MAX_ENTRIES = 500  # PutRecords: 1 to 500 records,
MAX_ENTRY_BYTES = 1024 * 1024  # of at most 1 MiB each
MAX_CALL_BYTES = 5 * 1024 * 1024  # and 5 MiB together,
MAX_KEY_LENGTH = 256  # with keys of 1 to 256 characters


@dataclass(slots=True)
class MemoryChangeStream:
    """What was written, in order. `refuse` is asked for every entry and may answer its error code; `outage` is raised
    by every call; `calls` are the entries of each call that got an answer."""

    entries: list[StreamEntry] = field(default_factory=list)
    calls: list[Sequence[StreamEntry]] = field(default_factory=list)
    refuse: Callable[[StreamEntry], str | None] | None = None
    outage: ChangeStreamError | None = None

    def put(self, entries: Sequence[StreamEntry]) -> Sequence[str | None]:
        """See `ports.ChangeStream.put`."""
        if self.outage is not None:
            raise self.outage
        if not _is_within_limits(entries):
            raise ChangeStreamError("InvalidArgumentException", Disposition.REFUSE)
        self.calls.append(tuple(entries))
        return [self._put(entry) for entry in entries]

    def _put(self, entry: StreamEntry) -> str | None:
        code = self.refuse(entry) if self.refuse is not None else None
        if code is None:
            self.entries.append(entry)
        return code


def _is_within_limits(entries: Sequence[StreamEntry]) -> bool:
    sizes = [len(entry.data) + len(entry.partition_key.encode()) for entry in entries]
    keys_fit = all(1 <= len(entry.partition_key) <= MAX_KEY_LENGTH for entry in entries)
    return (
        1 <= len(sizes) <= MAX_ENTRIES and max(sizes) <= MAX_ENTRY_BYTES and sum(sizes) <= MAX_CALL_BYTES and keys_fit
    )
