"""The letter box: the bucket that holds dead letters and parked batches, as far as a replay needs it.

Invariant: an object that was listed may be gone when it is read, since two replays may be at work; whatever else a box
cannot do is an error, and everything that a replay does may be done again.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

from tailrace.errors import TailraceError


class StoredObject(NamedTuple):
    """An object as a listing shows it: `size` in bytes, `modified_at` in seconds since the epoch."""

    key: str
    size: int
    modified_at: float


class LetterBoxError(TailraceError):
    """The bucket did not do what it was asked; nothing is lost, and the replay may be run again."""


class LetterBox(Protocol):
    """Objects by key, in one bucket."""

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """Every object whose key begins with the prefix, by key in the order of UTF-8, however many pages it takes.

        What is put or deleted meanwhile may or may not be seen. Raises LetterBoxError.
        """

    def read(self, keys: Sequence[str]) -> Sequence[bytes | None]:
        """What the objects hold, in the order of the keys; None for one that is gone. Raises LetterBoxError."""

    def put(self, key: str, body: bytes) -> None:
        """Store one dead letter durably. Raises DeadLetterStoreError."""

    def delete(self, keys: Sequence[str]) -> None:
        """Delete objects; one that is gone already is no error. Raises LetterBoxError when any is still there."""
