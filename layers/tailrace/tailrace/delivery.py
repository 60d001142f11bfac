"""Delivery: actions go to the engine until each one has an outcome or the time is up.

Invariant: every action given in comes out exactly once, as done, stale, duplicate, refused or failed; a refused write
(409) is never assumed to be harmless, it is settled by sequence numbers (traps 1, 7).
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tailrace.actions import Action
from tailrace.bulk import MAX_BULK_ACTIONS, halve, pack
from tailrace.failures import Disposition, EngineError, classify_item, classify_request
from tailrace.outcomes import Outcome
from tailrace.ports import Clock, ItemResult, SearchEngine, StoredDocument
from tailrace.probing import Prober
from tailrace.quarantine import Quarantine
from tailrace.records import NANOSECONDS
from tailrace.versions import Verdict, compare_changes

DEFAULT_MAX_BULK_BYTES = 5 * 1024 * 1024  # AWS: 3-5 MiB per bulk request; small domains refuse over 10 MiB


MAX_SETTLINGS_IN_A_ROW = 5
_NOT_TRIED = EngineError(0, "not tried")


@dataclass(frozen=True, slots=True)
class DeliveryPolicy:
    """How hard to try: sizes in bytes and actions, waits in seconds."""

    max_bulk_bytes: int = DEFAULT_MAX_BULK_BYTES
    max_bulk_actions: int = MAX_BULK_ACTIONS
    first_backoff_seconds: float = 0.1
    max_backoff_seconds: float = 5.0


class Ending(NamedTuple):
    """How one action ended. `detail` is for the dead letter alone: it may quote the item."""

    action: Action
    outcome: Outcome
    reason: str = ""
    detail: str = ""
    attempts: int = 1


@dataclass(slots=True)
class Delivery:
    """One batch on its way to the engine. Lives for one invocation.

    `index_request` gives the creation request for an alias; `reread` turns an undecidable action into one made from
    the table's item (it may raise ItemReadError, which is the caller's failure to settle: the action then fails).
    `may_quarantine` says whether a refused document may give up fields. `deadline` is in seconds since the epoch on
    `clock`.
    """

    engine: SearchEngine
    clock: Clock
    policy: DeliveryPolicy
    index_request: Callable[[str, Action], Mapping[str, Any]]
    reread: Callable[[Action, int], Action | None]
    deadline: float
    may_quarantine: Callable[[Action], bool] = bool
    counts: Counter[str] = field(default_factory=Counter)
    _endings: list[Ending] = field(default_factory=list)
    _ensured: set[str] = field(default_factory=set)
    _attempts: Counter[tuple[str, str]] = field(default_factory=Counter)
    _quarantine: Quarantine | None = None
    _unguarded: set[Action] = field(default_factory=set)
    _settlings: Counter[tuple[str, str]] = field(default_factory=Counter)

    def deliver(self, actions: Iterable[Action]) -> list[Ending]:
        """Every action's ending, in no order. Nothing is raised for what the engine does."""
        pending, pause = list(actions), self.policy.first_backoff_seconds
        while pending:
            ready, waiting = self._hold_unsafe_deletes(pending)
            waiting += self._send_all(ready)
            if not waiting:
                break
            if self.clock.now() + pause >= self.deadline:
                self._give_up(waiting)
                break
            self.counts["retries"] += len(waiting)
            self.clock.sleep(pause * (0.5 + self.clock.jitter() / 2))
            pending, pause = waiting, min(pause * 2, self.policy.max_backoff_seconds)
        self._count_quarantined()
        return self._endings

    def _send_all(self, actions: Sequence[Action]) -> list[Action]:
        """One round over all bodies: what is to be tried again after a pause."""
        waiting: list[Action] = []
        for body in pack(actions, self.policy.max_bulk_bytes, self.policy.max_bulk_actions):
            if self.clock.now() >= self.deadline:
                waiting.extend(body.actions)
            else:
                waiting.extend(self._send(body.actions, body.content))
        return waiting

    def _send(self, actions: Sequence[Action], content: bytes) -> list[Action]:
        self.counts["bulk_bytes"] += len(content)
        self.counts["bulk_requests"] += 1
        try:
            results = self.engine.bulk(content, len(actions))
        except EngineError as error:
            return self._handle_refused_request(actions, error)
        return self._handle_results(actions, results)

    def _handle_refused_request(self, actions: Sequence[Action], error: EngineError) -> list[Action]:
        row = classify_request(error.status, error.error_type)
        if row.disposition is not Disposition.BISECT:
            return self._wait_or_refuse(actions, error)
        if len(actions) == 1:
            self._end_all(actions, Outcome.DEAD_LETTERED, f"http_{error.status}", row.sentence)
            return []
        return [waiting for half in halve(actions) for waiting in self._send_all(half)]

    def _handle_results(self, actions: Sequence[Action], results: Sequence[ItemResult]) -> list[Action]:
        waiting: list[Action] = []
        conflicts: list[Action] = []
        missing: list[Action] = []
        refused: list[tuple[Action, ItemResult]] = []
        unguarded: list[Action] = []
        for action, result in zip(actions, results, strict=True):
            if result.status == 201 or result.status == 200:
                if self._unguarded and action in self._unguarded:
                    unguarded.append(action)
                else:
                    self._endings.append(Ending(action, action.done))
                continue
            row = classify_item(result.status, result.error_type, action.source is None)
            if row.disposition is Disposition.SETTLE:
                conflicts.append(action)
            elif row.disposition is Disposition.ENSURE:
                missing.append(action)
            elif row.disposition is Disposition.RETRY:
                waiting.append(action)
            elif row.disposition is Disposition.QUARANTINE and action.source and self.may_quarantine(action):
                refused.append((action, result))
            else:
                self._end_item(action, row.disposition, result, row.sentence)
        self._count_attempts(waiting)
        waiting += self._settle(conflicts) + self._ensure(missing) + self._judge(refused)
        return waiting + self._confirm(unguarded)

    def _end_item(self, action: Action, disposition: Disposition, result: ItemResult, sentence: str) -> None:
        if disposition is Disposition.DONE:
            self._endings.append(Ending(action, action.done))
            return
        outcome = Outcome.FAILED if disposition is Disposition.REFUSE else Outcome.DEAD_LETTERED
        self._end_all([action], outcome, result.error_type or f"http_{result.status}", result.reason or sentence)

    def _judge(self, refused: Sequence[tuple[Action, ItemResult]]) -> list[Action]:
        """Documents give up the fields at fault and go again; what is refused without any is a dead letter."""
        if not refused:
            return []
        if self._quarantine is None:
            sizes = (self.policy.max_bulk_bytes, self.policy.max_bulk_actions)
            self._quarantine = Quarantine(Prober(self.engine, self.clock, self.deadline, *sizes, self.counts))
        judgement = self._quarantine.judge(refused)
        for action, result in judgement.hopeless:
            row = classify_item(result.status, result.error_type)
            self._end_item(action, Disposition.DEAD_LETTER, result, row.sentence)
        self._count_attempts(judgement.waiting)
        return judgement.waiting + self._send_all(judgement.again)

    def _count_quarantined(self) -> None:
        if self._quarantine is not None:
            done = (ending.action for ending in self._endings if ending.outcome is Outcome.INDEXED)
            self.counts["quarantined"] = sum(map(self._quarantine.is_set_apart, done))

    def _settle(self, conflicts: Sequence[Action]) -> list[Action]:
        """Compare with what the index holds: duplicates and stale changes end, newer ones go again above it."""
        if not conflicts:
            return []
        self.counts["settle_reads"] += len(conflicts)
        self._settlings.update((action.alias, action.id) for action in conflicts)
        try:
            stored = self.engine.read_stored([(action.alias, action.id) for action in conflicts])
        except EngineError as error:
            return self._wait_or_refuse(conflicts, error)
        again = [self._decide(action, found) for action, found in zip(conflicts, stored, strict=True)]
        newer = [action for action in again if action is not None]
        crossed = [action for action in newer if self._has_crossed_too_often(action)]
        return crossed + self._send_all([action for action in newer if not self._has_crossed_too_often(action)])

    def _has_crossed_too_often(self, action: Action) -> bool:
        """Others keep writing the document: after some rounds in a row the next one waits a little."""
        return self._settlings[action.alias, action.id] % MAX_SETTLINGS_IN_A_ROW == 0

    def _decide(self, action: Action, stored: StoredDocument | None) -> Action | None:
        verdict = compare_changes(action, stored) if stored else Verdict.UNDECIDED
        if verdict is Verdict.STALE or verdict is Verdict.DUPLICATE:
            outcome = Outcome.STALE if verdict is Verdict.STALE else Outcome.DUPLICATE
            self._endings.append(Ending(action, outcome))
            return None
        # Where no document is left, a physical delete of unknown version refused the write. It was made of a change
        # that lies in the past, so this instant is above it.
        instant = int(self.clock.now() * NANOSECONDS)
        above = max(stored.version + 1, action.version) if stored else max(action.version + 1, instant)
        if verdict is Verdict.NEWER:
            return action._replace(version=above)
        return self._decide_by_table(action, stored, above)

    def _decide_by_table(self, action: Action, stored: StoredDocument | None, above: int) -> Action | None:
        """What the table says, written above what the index holds."""
        reread = self.reread(action, above)
        if reread is None:
            self._end_all([action], Outcome.FAILED, "undecided", "the table could not be read to settle a conflict")
        elif stored is None:
            if reread.source is None:
                self._endings.append(Ending(action, Outcome.STALE))  # neither the table nor the index has it
                return None
            self._unguarded.add(reread)
        return reread

    def _confirm(self, written: Sequence[Action]) -> list[Action]:
        """What was written over a physical delete met no version that would have refused it had the item changed
        between reading and writing: the table is asked once more, and what it says now is written above.
        """
        again: list[Action] = []
        for action in written:
            reread = self.reread(action, action.version + 1)
            if reread is None:
                self._end_all([action], Outcome.FAILED, "undecided", "the table could not be read to confirm a write")
            elif reread.source == action.source:
                self._endings.append(Ending(action, action.done))
            else:
                self._unguarded.add(reread)
                again.append(reread)
        return self._send_all(again)

    def _ensure(self, missing: Sequence[Action]) -> list[Action]:
        """Create each missing index once per invocation; what still misses its alias after that waits."""
        fresh = {action.alias: action for action in missing if action.alias not in self._ensured}
        failures = {alias: self._ensure_one(action) for alias, action in fresh.items()}
        waiting = [action for action in missing if action.alias not in failures]
        self._count_attempts(waiting)
        for alias, error in failures.items():
            if error is not None:
                waiting += self._wait_or_refuse([a for a in missing if a.alias == alias], error)
        return waiting + self._send_all([a for a in missing if failures.get(a.alias, _NOT_TRIED) is None])

    def _ensure_one(self, action: Action) -> EngineError | None:
        """Why the alias is not there now. A failure is not remembered: the next round tries again."""
        try:
            created = self.engine.ensure_index(action.alias, self.index_request(action.alias, action))
        except EngineError as error:
            return error
        self._ensured.add(action.alias)
        self.counts["indices_created"] += created
        return None

    def _hold_unsafe_deletes(self, actions: Sequence[Action]) -> tuple[list[Action], list[Action]]:
        """What may be sent, and what waits: a versioned delete on a missing alias would create an index of that name
        (trap 6), so its alias comes first.
        """
        ready, waiting = [], []
        for action in actions:
            if (
                action.source is not None
                or action.alias in self._ensured
                or (error := self._ensure_one(action)) is None
            ):
                ready.append(action)
            else:
                waiting += self._wait_or_refuse([action], error)
        return ready, waiting

    def _wait_or_refuse(self, actions: Sequence[Action], error: EngineError) -> list[Action]:
        """For a request that is not to be cut in half: a refused identity fails at once, all else waits its turn."""
        row = classify_request(error.status, error.error_type)
        if row.disposition is Disposition.REFUSE:
            self._end_all(actions, Outcome.FAILED, f"http_{error.status}", row.sentence)
            return []
        self._count_attempts(actions)
        return list(actions)

    def _count_attempts(self, actions: Iterable[Action]) -> None:
        self._attempts.update((action.alias, action.id) for action in actions)

    def _give_up(self, actions: Iterable[Action]) -> None:
        self._end_all(actions, Outcome.FAILED, "time_budget", "the time budget of the invocation is used up")

    def _end_all(self, actions: Iterable[Action], outcome: Outcome, reason: str, detail: str) -> None:
        for action in actions:
            attempts = self._attempts[action.alias, action.id] + 1
            self._endings.append(Ending(action, outcome, reason, detail, attempts))
