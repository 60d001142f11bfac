"""Suspects: what looked different once, waiting to be looked at again.

Invariant: a difference counts only when two looks, the lag apart, saw the same item and the same document differ; what
changed in between is a write in flight and waits again, a few rounds at most.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tailrace.examining import Sighting, Subject

MOST_ROUNDS = 5  # then an index that never catches up with a busy item is a difference, too
LOOKED_AT_ONCE = 100  # DynamoDB: BatchGetItem takes 100 keys


class Suspect(NamedTuple):
    """One subject, when it may be looked at again (seconds since the epoch), and what the last look saw."""

    subject: Subject
    due: float
    state: tuple[Any, ...]
    round: int = 1


@dataclass(slots=True)
class Suspects:
    """Suspects in the order in which they fall due."""

    lag_seconds: float
    _waiting: deque[Suspect] = field(default_factory=deque)

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, subject: Subject, state: tuple[Any, ...], now: float) -> None:
        """Let something wait for its second look."""
        self._waiting.append(Suspect(subject, now + self.lag_seconds, state))

    def next_due(self) -> float | None:
        """When the first of them falls due; None where nobody waits."""
        return self._waiting[0].due if self._waiting else None

    def take_due(self, now: float) -> list[Suspect]:
        """Up to `LOOKED_AT_ONCE` of those that are due."""
        taken: list[Suspect] = []
        while self._waiting and self._waiting[0].due <= now and len(taken) < LOOKED_AT_ONCE:
            taken.append(self._waiting.popleft())
        return taken

    def conclude(self, suspects: Sequence[Suspect], sightings: Iterable[Sighting], now: float) -> Iterator[Sighting]:
        """The sightings that are conclusive, in order; the others wait for another round."""
        for suspect, sighting in zip(suspects, sightings, strict=True):
            if sighting.kind is None or sighting.state == suspect.state or suspect.round >= MOST_ROUNDS:
                yield sighting
            else:
                later = Suspect(suspect.subject, now + self.lag_seconds, sighting.state, suspect.round + 1)
                self._waiting.append(later)
