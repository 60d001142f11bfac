"""The account of a replay: what became of every dead letter and parked batch, by table and reason.

Invariant: every object that was opened stands in exactly one line, under exactly one end; nothing in a report is a
value of an item.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum, IntEnum
from typing import Any, NamedTuple

from tailrace.outcomes import Outcome
from tailrace.parcels import Parcel, Unreadable

MOST_SHOWN = 100  # objects that are not ours, named in a report; the rest is counted


class End(Enum):
    """What became of a dead letter or a parked batch. The last three are what a dry run says."""

    SETTLED = "settled"
    AGAIN = "again"
    PARKED = "parked"
    FAILED = "failed"
    READY = "ready"
    REFUSED = "refused"
    TO_PARK = "to park"


class Line(NamedTuple):
    """The objects of one kind (`letter` or `batch`), of one table (or several, for a batch) and with one reason."""

    kind: str
    tables: str
    reason: str


@dataclass(frozen=True, slots=True)
class ReplayReport:
    """What became of one replay, or what would become of it.

    `lines` count objects by end, `outcomes` their records by the name of the outcome; `unreadable` are the first of
    the `unreadable_count` objects that cannot be replayed and were left. `is_finished` says that nothing selected was
    left for another time.
    """

    lines: Mapping[Line, Mapping[End, int]]
    outcomes: Mapping[str, int]
    unreadable: tuple[Unreadable, ...]
    unreadable_count: int
    is_finished: bool
    is_dry_run: bool = False

    @property
    def is_clean(self) -> bool:
        """Whether all that was selected is settled and gone."""
        bad = self.outcomes.get("failed", 0) + self.outcomes.get("dead_lettered", 0)
        return self.is_finished and not bad and not self.unreadable_count

    def count(self, kind: str, end: End) -> int:
        """Objects of a kind with an end."""
        return sum(counts.get(end, 0) for line, counts in self.lines.items() if line.kind == kind)

    def as_counts(self) -> dict[str, Any]:
        """The report in short, for logs and answers: objects by kind and end, records by outcome."""
        ends = (End.READY, End.REFUSED, End.TO_PARK) if self.is_dry_run else _REAL_ENDS
        return {
            "letters": {end.value: self.count("letter", end) for end in ends},
            "batches": {end.value: self.count("batch", end) for end in ends if end not in _LETTERS_ALONE},
            "outcomes": dict(self.outcomes),
            "unreadable": self.unreadable_count,
            "is_finished": self.is_finished,
        }

    def as_dict(self) -> dict[str, Any]:
        """All of it, for machines."""
        lines = [
            {**line._asdict(), **{end.value: count for end, count in counts.items()}}
            for line, counts in sorted(self.lines.items())
        ]
        named = [each._asdict() for each in self.unreadable]
        return {**self.as_counts(), "is_clean": self.is_clean, "lines": lines, "left": named}


_REAL_ENDS = (End.SETTLED, End.AGAIN, End.PARKED, End.FAILED)
_LETTERS_ALONE = (End.AGAIN, End.PARKED, End.TO_PARK)


@dataclass(slots=True)
class Tally:
    """Counts while a replay runs."""

    lines: dict[Line, Counter[End]] = field(default_factory=dict)
    outcomes: Counter[str] = field(default_factory=Counter)
    unreadable: list[Unreadable] = field(default_factory=list)
    unreadable_count: int = 0

    def note(self, parcel: Parcel, end: End, outcomes: Iterable[IntEnum | None] = ()) -> None:
        """One object has come to its end, its records to theirs."""
        line = Line("batch" if parcel.is_batch else "letter", ", ".join(sorted(parcel.tables)), parcel.reason)
        self.lines.setdefault(line, Counter())[end] += 1
        self.outcomes.update(outcome.name.lower() for outcome in outcomes if isinstance(outcome, Outcome))

    def leave(self, unreadable: Unreadable) -> None:
        """One object cannot be replayed."""
        self.unreadable_count += 1
        if len(self.unreadable) < MOST_SHOWN:
            self.unreadable.append(unreadable)

    def close(self, *, is_finished: bool, is_dry_run: bool = False) -> ReplayReport:
        """The report of it all."""
        return ReplayReport(
            self.lines, self.outcomes, tuple(self.unreadable), self.unreadable_count, is_finished, is_dry_run
        )
