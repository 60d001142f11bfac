"""In-memory twin of the letter box: a bucket on a dict.

Invariant: twin and S3 pass the same contract suite (tests/contracts/test_letterboxes.py).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from tailrace.failures import DeadLetterStoreError
from tailrace.letterboxes import LetterBoxError, StoredObject


@dataclass(slots=True)
class MemoryLetterBox:
    """Objects in a dict by key; `is_down` refuses every call. `modified_at` is that of every object."""

    letters: dict[str, bytes] = field(default_factory=dict)
    is_down: bool = False
    modified_at: float = 1_700_000_000.0

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """See `letterboxes.LetterBox.list`."""
        self._fail_when_down()
        for key in sorted(self.letters, key=str.encode):
            if key.startswith(prefix) and key in self.letters:
                yield StoredObject(key, len(self.letters[key]), self.modified_at)

    def read(self, keys: Sequence[str]) -> Sequence[bytes | None]:
        """See `letterboxes.LetterBox.read`."""
        self._fail_when_down()
        return [self.letters.get(key) for key in keys]

    def put(self, key: str, body: bytes) -> None:
        """See `letterboxes.LetterBox.put`."""
        if self.is_down:
            raise DeadLetterStoreError("the dead letter could not be stored")
        self.letters[key] = body

    def delete(self, keys: Sequence[str]) -> None:
        """See `letterboxes.LetterBox.delete`."""
        self._fail_when_down()
        for key in keys:
            self.letters.pop(key, None)

    def _fail_when_down(self) -> None:
        if self.is_down:
            raise LetterBoxError("the bucket does not answer")
