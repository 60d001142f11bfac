"""The words between a shard's mapping and whoever carries out its decisions: records, actions, outcomes.

Invariant: an `Invoke` is answered by exactly one outcome, a `Discard` by its completion.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Condition = Literal["RetryAttemptsExhausted", "RecordAgeExceeded"]


@dataclass(frozen=True, slots=True)
class StreamRecord:
    """One change record on its way to a function: `item` orders it, `at` is its creation (epoch s), `body` its JSON."""

    sequence_number: str
    item: bytes
    at: float
    body: bytes
    is_wanted: bool = True


@dataclass(frozen=True, slots=True)
class Succeeded:
    """The function settled the whole batch."""


@dataclass(frozen=True, slots=True)
class Reported:
    """The function settled what lies before this sequence number of the batch, and nothing from it on."""

    sequence_number: str


@dataclass(frozen=True, slots=True)
class Failed:
    """The function settled nothing; `function_error` is absent where it answered, but not in a usable way."""

    function_error: str | None = "Unhandled"


@dataclass(frozen=True, slots=True)
class NotInvoked:
    """Throttled, or an error on Lambda's side: the function never judged the batch, so no attempt is consumed."""


Outcome = Succeeded | Reported | Failed | NotInvoked


@dataclass(frozen=True, slots=True)
class Invoke:
    """Invoke the function with these records, then call `invoked` with what came of it."""

    lane: int
    records: tuple[StreamRecord, ...]


@dataclass(frozen=True, slots=True)
class Discard:
    """Hand these records to the on-failure destination, then call `discarded`; `answer` is the function's last one."""

    lane: int
    records: tuple[StreamRecord, ...]
    condition: Condition
    invocations: int
    answer: Failed | None


def build_event(records: Iterable[StreamRecord]) -> bytes:
    """The event that a function receives for these records, as JSON."""
    return b'{"Records":[%b]}' % b",".join(record.body for record in records)
