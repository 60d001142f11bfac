"""Settling: what becomes of a change that the index refuses as too old, or that comes too late to be written blindly.

Invariant: a refused write (409) is never assumed to be harmless; full sequence numbers decide, and where they cannot,
the table does (traps 1, 7). What is written again goes one above what the index holds, so that of two settlers that
cross one is refused and settles again.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import repeat
from operator import attrgetter
from typing import NamedTuple

from tailrace.actions import Action
from tailrace.budgets import TimeBudget
from tailrace.outcomes import Outcome
from tailrace.ports import ItemResult, SearchEngine, StoredDocument
from tailrace.records import NANOSECONDS
from tailrace.versions import Verdict, compare_changes

MAX_SETTLINGS_IN_A_ROW = 5


class Ending(NamedTuple):
    """How one action ended. `detail` is for the dead letter alone: it may quote the item."""

    action: Action
    outcome: Outcome
    reason: str = ""
    detail: str = ""
    attempts: int = 1


_plain_ending = partial(tuple.__new__, Ending)


def are_done(results: Sequence[ItemResult]) -> bool:
    """Whether the engine has done all of the actions alike: what is true of most requests, and told at a glance."""
    return results[0].status in (200, 201) and results.count(results[0]) == len(results)


def end_done(actions: Sequence[Action]) -> Iterator[Ending]:
    """The endings of actions that the engine has done. Most end so: hence no Python frame for each of them."""
    return map(_plain_ending, zip(actions, map(attrgetter("done"), actions), repeat(""), repeat(""), repeat(1)))


class Settlement(NamedTuple):
    """What to do with settled actions: send `again` at once, try `waiting` ones later, count `ended` ones."""

    again: list[Action]
    waiting: list[Action]
    ended: list[Ending]


@dataclass(slots=True)
class Settler:
    """Settles the conflicts of one delivery. `reread` makes an action of what the table says now, at a given version;
    None when the table did not answer. `unguarded` holds the writes that no version would refuse, had the item changed
    before them: they are to be confirmed.
    """

    engine: SearchEngine
    budget: TimeBudget
    reread: Callable[[Action, int], Action | None]
    counts: Counter[str]
    unguarded: set[Action] = field(default_factory=set)
    _settlings: Counter[tuple[str, str]] = field(default_factory=Counter)

    def settle(self, conflicts: Sequence[Action], is_late: bool = False) -> Settlement:
        """Compare with what the index holds: duplicates and stale changes end, newer ones go again above it.

        `is_late` changes were not refused, they were not even sent: what the index does not know at all is what the
        table says now, at the version of the change. Raises EngineError when the index cannot be read.
        """
        self.counts["settle_reads"] += len(conflicts)
        documents = [(action.alias, action.id) for action in conflicts]
        self._settlings.update(documents)
        stored = self.engine.read_stored(documents, timeout=self.budget.timeout())
        settlement = Settlement([], [], [])
        for action, found in zip(conflicts, stored, strict=True):
            result = self._decide_late(action) if is_late and found is None else self._decide(action, found)
            if isinstance(result, Ending):
                settlement.ended.append(result)
            elif self._has_crossed_too_often(result):
                settlement.waiting.append(result)
            else:
                settlement.again.append(result)
        return settlement

    def confirm(self, written: Sequence[Action]) -> Settlement:
        """What was written over a physical delete met no version that would have refused it had the item changed
        between reading and writing: the table is asked once more, and what it says now is written above.
        """
        settlement = Settlement([], [], [])
        for action in written:
            reread = self._ask_table(action, action.version + 1)
            if isinstance(reread, Ending):
                settlement.ended.append(reread)
            elif reread.source == action.source:
                settlement.ended.append(Ending(action, action.done))
            else:
                self.unguarded.add(reread)
                settlement.again.append(reread)
        return settlement

    def _has_crossed_too_often(self, action: Action) -> bool:
        """Others keep writing the document: after some rounds in a row the next one waits a little."""
        return self._settlings[action.alias, action.id] % MAX_SETTLINGS_IN_A_ROW == 0

    def _decide(self, action: Action, stored: StoredDocument | None) -> Action | Ending:
        verdict = compare_changes(action, stored) if stored else Verdict.UNDECIDED
        if verdict is Verdict.STALE or verdict is Verdict.DUPLICATE:
            return Ending(action, Outcome.STALE if verdict is Verdict.STALE else Outcome.DUPLICATE)
        # Where no document is left, a physical delete of unknown version refused the write. It was made of a change
        # that lies in the past, so this instant is above it.
        instant = int(self.budget.clock.now() * NANOSECONDS)
        above = max(stored.version + 1, action.version) if stored else max(action.version + 1, instant)
        if verdict is Verdict.NEWER:
            return action._replace(version=above)
        reread = self._ask_table(action, above)
        if stored is None and isinstance(reread, Action):
            if reread.source is None:
                return Ending(action, Outcome.STALE)  # neither the table nor the index has it
            self.unguarded.add(reread)
        return reread

    def _decide_late(self, action: Action) -> Action | Ending:
        """A tombstone may have been swept since (failures 2, 52), so only the table knows whether the item lives."""
        reread = self._ask_table(action, action.version)
        is_gone = isinstance(reread, Action) and reread.done is Outcome.DELETED
        return Ending(action, Outcome.STALE) if is_gone and action.done is not Outcome.DELETED else reread

    def _ask_table(self, action: Action, version: int) -> Action | Ending:
        if self.budget.is_over():
            return Ending(action, Outcome.FAILED, "time_budget", "no time was left to ask the table")
        return self.reread(action, version) or Ending(
            action, Outcome.FAILED, "undecided", "the table could not be read to settle a conflict"
        )
