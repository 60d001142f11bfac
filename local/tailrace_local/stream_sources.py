"""What an event source mapping needs of a stream of whatever kind: shards with their lineage, and pages of records.

Invariant: an error leaves the position where it was; what was not returned by `read` is read again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from tailrace.errors import TailraceError
from tailrace_local.deliveries import StreamRecord


class SourceError(TailraceError):
    """The stream did not answer this time: throttled, unreachable, or an error of its own. To be tried again."""


class StreamGoneError(TailraceError):
    """The stream, or its table, no longer exists."""


@dataclass(frozen=True, slots=True)
class Shard:
    """One shard as the stream lists it; a closed one takes no more records."""

    id: str
    parent: str | None = None
    is_closed: bool = False
    adjacent_parent: str | None = None  # of a shard that two were merged into

    @property
    def parents(self) -> tuple[str, ...]:
        """The shards that are read before it."""
        return tuple(each for each in (self.parent, self.adjacent_parent) if each is not None)


@dataclass(frozen=True, slots=True)
class Page:
    """The next records of a shard, in its order; `is_end` when nothing will ever follow."""

    records: Sequence[StreamRecord]
    is_end: bool = False


class ShardReader(Protocol):
    """A position in one shard."""

    def read(self, now: float) -> Page:
        """The records after the position, which moves behind them. Raises `SourceError`, `StreamGoneError`."""


class StreamSource(Protocol):
    """One stream."""

    def shards(self) -> Sequence[Shard]:
        """Every shard that still holds records. Raises `SourceError`, `StreamGoneError`."""

    def reader(self, shard_id: str, position: str) -> ShardReader:
        """A reader that starts at `TRIM_HORIZON` or `LATEST`."""
