"""The ports: what the pipeline asks of the world, in the fewest verbs.

Invariant: the core knows these protocols alone; each has a real adapter and an in-memory twin under one contract suite.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from tailrace.records import Image


class ItemResult(NamedTuple):
    """The engine's answer for one bulk action: HTTP status, error type and reason (None when there was no error)."""

    status: int
    error_type: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """What the index holds for an id: its external version, and sequence number and event id of its change, if any."""

    version: int
    sequence_number: str | None
    event_id: str | None = None


class IndexFields(NamedTuple):
    """The live mapping of an index in short: the `names` of its top-level fields, and `room` for how many more."""

    names: frozenset[str]
    room: int


CALL_TIMEOUT_SECONDS = 30.0


class SearchEngine(Protocol):
    """OpenSearch, as far as a writer needs it. `timeout` is the seconds that a call may take in all."""

    def bulk(self, body: bytes, count: int, timeout: float = CALL_TIMEOUT_SECONDS) -> Sequence[ItemResult]:
        """Send one NDJSON body of `count` actions with require_alias; results in the order of the actions.

        An action under `if_seq_no` that cannot hold is a probe: 400 when the engine could not index the document,
        else 409, and nothing is written.

        Raises EngineError when the request as a whole has no result, or the count of results is not `count`.
        """

    def read_stored(
        self, documents: Sequence[tuple[str, str]], timeout: float = CALL_TIMEOUT_SECONDS
    ) -> Sequence[StoredDocument | None]:
        """Version, sequence number and event id per (alias, id), None where the index has no document.

        Raises EngineError.
        """

    def read_fields(self, alias: str, timeout: float = CALL_TIMEOUT_SECONDS) -> IndexFields:
        """What fields the index behind an alias has, asked only when it refused a document. Raises EngineError."""

    def read_shadows(self, aliases: Collection[str], timeout: float = CALL_TIMEOUT_SECONDS) -> frozenset[str]:
        """Of the aliases `<alias>@next` and `<alias>@previous` those that exist: of generations that take writes beside
        the searched ones. Raises EngineError.
        """

    def ensure_index(self, alias: str, request: Mapping[str, Any], timeout: float = CALL_TIMEOUT_SECONDS) -> bool:
        """Create the first generation with its alias unless the alias exists; whether this call created it.

        Safe against a concurrent creator. Raises EngineError.
        """


class StreamEntry(NamedTuple):
    """One record for Kinesis: its partition key, 1 to 256 characters, and its data."""

    partition_key: str
    data: bytes


class ChangeStream(Protocol):
    """The Kinesis stream that changes are replicated to."""

    def put(self, entries: Sequence[StreamEntry]) -> Sequence[str | None]:
        """Write 1 to 500 entries of at most 5 MiB; per entry None when it is written, else its error code.

        No order is promised among the entries of one call. Raises ChangeStreamError when the call as a whole has no
        result: then any of them may have been written.
        """


class DeadLetterStore(Protocol):
    """Where records go that cannot be indexed."""

    def put(self, key: str, body: bytes) -> None:
        """Store one dead letter durably. Raises DeadLetterStoreError; the record then counts as failed."""


class ItemReader(Protocol):
    """The table itself, asked only when the records cannot decide."""

    def read(self, table: str, keys: Image) -> Image | None:
        """The item by a consistent read, binaries as bytes or base64 text, or None. Raises ItemReadError."""


class Clock(Protocol):
    """Time and chance, so that tests own both."""

    def now(self) -> float:
        """Seconds since the epoch."""

    def sleep(self, seconds: float) -> None:
        """Wait."""

    def jitter(self) -> float:
        """A random factor in [0, 1)."""
