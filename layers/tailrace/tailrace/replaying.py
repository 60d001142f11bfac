"""Replaying: dead letters and parked batches go the way of every change again, late, and so never blindly.

Invariant: an object leaves the letter box only after all its records are settled, in the index or in a letter that is
durably elsewhere. So a replay that dies at any line is repeated and loses nothing; so is one that runs beside another.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from tailrace.actions import Planner
from tailrace.chunking import chunk
from tailrace.deadletters import DEFAULT_MAX_HOPS
from tailrace.letterboxes import LetterBox, StoredObject
from tailrace.outcomes import Outcome
from tailrace.parcels import Parcel, Unreadable, is_placeholder, open_parcel
from tailrace.pipeline import Pipeline
from tailrace.records import ChangeRecord, Undecodable
from tailrace.replays import End, ReplayReport, Tally
from tailrace.reports import BatchReport
from tailrace.selections import Selection
from tailrace.table_rules import Refusal
from tailrace.tables import Tables, UnknownTableError

OBJECTS_AT_ONCE = 200
BYTES_AT_ONCE = 8 * 1024 * 1024  # of objects; a parked batch alone may take 6 MB of event, and more as escaped text
SECONDS_AT_ONCE = 60.0
SECONDS_PER_RECORD = 0.5  # each may need a read of its table, one after the other, and from far away
_OF_THE_TABLE = frozenset({"item_read", "undecided"})  # reasons of a failure that are not the engine's


class Step(NamedTuple):
    """One part of a replay is done: how many objects it took, and what became of their records in how many seconds."""

    objects: int
    report: BatchReport | None = None
    seconds: float = 0.0


def ignore_step(_step: Step) -> None:
    """For those whom nobody watches."""


@dataclass(frozen=True, slots=True)
class Replayer:
    """The replayer's parts. `pipeline` keeps its dead letters in `box`; a letter is parked at its `max_hops`-th failed
    replay. Keeps nothing between two replays.
    """

    pipeline: Pipeline
    box: LetterBox
    max_hops: int = DEFAULT_MAX_HOPS

    def count(self, selection: Selection) -> int:
        """How many objects lie where the selection looks. Raises LetterBoxError."""
        return sum(1 for prefix in selection.prefixes() for _ in self.box.list(prefix))

    def replay(
        self, selection: Selection, deadline: float, observe: Callable[[Step], None] = ignore_step
    ) -> ReplayReport:
        """Replay what is selected, until `deadline` (seconds since the epoch): nothing new is begun after it.

        Stops before it where the engine takes nothing at all. Raises LetterBoxError and ConservationError.
        """
        tally, clock = Tally(), self.pipeline.clock
        for group in self._groups(selection):
            started = clock.now()
            if started >= deadline:
                return tally.close(is_finished=False)
            parcels = self._open(group, selection, tally)
            report = self._deliver(parcels, deadline, tally) if parcels else None
            observe(Step(len(group), report, clock.now() - started))
            if report is not None and _is_engine_away(report):
                return tally.close(is_finished=False)
        return tally.close(is_finished=True)

    def forecast(self, selection: Selection, observe: Callable[[Step], None] = ignore_step) -> ReplayReport:
        """What a replay would take, and what it would send on. Asks neither engine nor table. Raises LetterBoxError."""
        tally, tables = Tally(), self.pipeline.tables
        for group in self._groups(selection):
            for parcel in self._open(group, selection, tally):
                refused = [_is_refused(tables, record) for record in parcel.records]
                tally.note(parcel, _foresee(parcel, any(refused)))
            observe(Step(len(group)))
        return tally.close(is_finished=True, is_dry_run=True)

    def _groups(self, selection: Selection) -> Iterator[list[StoredObject]]:
        for prefix in selection.prefixes():
            sized = ((stored, stored.size) for stored in self.box.list(prefix) if not is_placeholder(stored))
            yield from chunk(sized, BYTES_AT_ONCE, OBJECTS_AT_ONCE)

    def _open(self, group: Sequence[StoredObject], selection: Selection, tally: Tally) -> list[Parcel]:
        """The selected parcels of a group. What is gone by now was settled by another replay."""
        parcels = []
        for stored, body in zip(group, self.box.read([stored.key for stored in group]), strict=True):
            opened = None if body is None else open_parcel(stored, body, self.max_hops)
            if isinstance(opened, Unreadable):
                tally.leave(opened)
            elif opened is not None and selection.takes(opened):
                parcels.append(opened)
        return parcels

    def _deliver(self, parcels: Sequence[Parcel], deadline: float, tally: Tally) -> BatchReport:
        records = [record for parcel in parcels for record in parcel.records]
        histories = [history for parcel in parcels for history in parcel.histories]
        patience = SECONDS_AT_ONCE + SECONDS_PER_RECORD * len(records)
        report = self.pipeline.process(records, min(deadline, self.pipeline.clock.now() + patience), histories)
        outcomes, gone = iter(report.outcomes), []
        for parcel in parcels:
            ended = [next(outcomes) for _ in parcel.records]
            end, is_gone = _conclude(parcel, ended)
            tally.note(parcel, end, ended)
            gone += [parcel.key] if is_gone else []
        self.box.delete(gone)
        return report


def _conclude(parcel: Parcel, outcomes: Sequence[object]) -> tuple[End, bool]:
    """What became of an object, and whether nothing needs it any more where it lies."""
    if Outcome.FAILED in outcomes:
        return End.FAILED, False
    if parcel.is_batch or Outcome.DEAD_LETTERED not in outcomes:
        return End.SETTLED, True
    is_moved = parcel.next_key != parcel.key
    return (End.PARKED if is_moved else End.AGAIN), is_moved


def _is_engine_away(report: BatchReport) -> bool:
    """Whether a group failed whole, and not for want of its table: the next one would fare no better."""
    reasons = {problem.reason for problem in report.problems}
    return set(report.outcomes) == {Outcome.FAILED} and not reasons & _OF_THE_TABLE


def _is_refused(tables: Tables, record: ChangeRecord | Undecodable) -> bool:
    """Whether the record would end as a dead letter before anything is sent."""
    if isinstance(record, Undecodable):
        return True
    try:
        return isinstance(Planner(tables).plan(record, 0), Refusal)
    except UnknownTableError:
        return True


def _foresee(parcel: Parcel, is_refused: bool) -> End:
    if not is_refused:
        return End.READY
    return End.TO_PARK if not parcel.is_batch and parcel.next_key != parcel.key else End.REFUSED
