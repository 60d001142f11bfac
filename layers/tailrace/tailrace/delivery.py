"""Delivery: actions go to the engine until each one has an outcome or the time is up.

Invariant: every action given in comes out exactly once, as done, stale, duplicate, refused or failed; what the engine
answers has one disposition, found in the failure table, and a refused write (409) is settled.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tailrace.actions import Action
from tailrace.budgets import DEFAULT_GRACE_SECONDS, TimeBudget
from tailrace.bulk import MAX_BULK_ACTIONS, halve, is_legal, pack
from tailrace.creating import IndexCreator
from tailrace.failures import (
    Disposition,
    EngineError,
    PartialAnswerError,
    classify_creation,
    classify_item,
    classify_request,
)
from tailrace.generations import main_alias
from tailrace.outcomes import Outcome
from tailrace.ports import Clock, ItemResult, SearchEngine
from tailrace.probing import Prober
from tailrace.quarantine import Quarantine
from tailrace.settling import Ending, Settlement, Settler, are_done, end_done
from tailrace.shadows import ask_for_shadows, find_shadows, leave_shadows, part_shadows, write_shadows

DEFAULT_MAX_BULK_BYTES = 5 * 1024 * 1024  # AWS: 3-5 MiB per bulk request; small domains refuse over 10 MiB


@dataclass(frozen=True, slots=True)
class DeliveryPolicy:
    """How hard to try: sizes in bytes and actions, waits in seconds. A call to the engine may outlast the deadline by
    `grace_seconds`. `is_backfill` says that all actions are older than whatever may conflict with them, and name the
    generation that they mean: then a conflict is stale without being settled, and nothing is written twice.
    """

    max_bulk_bytes: int = DEFAULT_MAX_BULK_BYTES
    max_bulk_actions: int = MAX_BULK_ACTIONS
    first_backoff_seconds: float = 0.1
    max_backoff_seconds: float = 5.0
    grace_seconds: float = DEFAULT_GRACE_SECONDS
    is_backfill: bool = False


@dataclass(slots=True)
class Delivery:
    """One batch on its way to the engine. Lives for one invocation.

    `index_request` gives the creation request for an alias; `reread` turns an undecidable action into one made from
    the table's item, or None when the table does not answer: the action then fails. `may_quarantine` says whether a
    refused document may give up fields, `soften` makes a tombstone of a physical delete. `deadline` is in seconds since
    the epoch on `clock`.
    """

    engine: SearchEngine
    clock: Clock
    policy: DeliveryPolicy
    index_request: Callable[[str, Action], Mapping[str, Any]]
    reread: Callable[[Action, int], Action | None]
    deadline: float
    may_quarantine: Callable[[Action], bool]
    soften: Callable[[Action], Action]
    counts: Counter[str] = field(default_factory=Counter)
    _budget: TimeBudget = field(init=False)
    _settler: Settler = field(init=False)
    _quarantine: Quarantine = field(init=False)
    _creator: IndexCreator = field(init=False)
    _endings: list[Ending] = field(default_factory=list)
    _knows_shadows: bool = False
    _attempts: Counter[tuple[str, str]] = field(default_factory=Counter)
    _is_open: bool = False

    def __post_init__(self) -> None:
        self._budget = TimeBudget(self.clock, self.deadline, self.policy.grace_seconds)
        self._settler = Settler(self.engine, self._budget, ask_for_shadows(self.reread, self.soften), self.counts)
        sizes = (self.policy.max_bulk_bytes, self.policy.max_bulk_actions)
        self._quarantine = Quarantine(Prober(self.engine, self._budget, *sizes, self.counts))
        self._creator = IndexCreator(self.engine, self._budget, self.index_request, self.counts)

    def deliver(self, actions: Iterable[Action], is_late: bool = False) -> list[Ending]:
        """Every action's ending, in no order; nothing is raised. `is_late` changes are compared before being sent."""
        pending, pause = list(actions), self.policy.first_backoff_seconds
        while pending:
            self._is_open = False
            waiting = self._send_round(pending, is_late)
            if not waiting:
                break
            if not self._budget.allows_pause(pause):
                self._end_all(waiting, Outcome.FAILED, "time_budget", "the time budget of the invocation is used up")
                break
            self.counts["retries"] += len(waiting)
            self.clock.sleep(pause * (0.5 + self.clock.jitter() / 2))
            pending, pause = waiting, min(pause * 2, self.policy.max_backoff_seconds)
        done = (ending.action for ending in self._endings if ending.outcome is Outcome.INDEXED)
        if quarantined := self._quarantine.count_set_apart(done):
            self.counts["quarantined"] = quarantined
        return self._endings

    def _send_round(self, actions: Sequence[Action], is_late: bool) -> list[Action]:
        """While it is not known which generations take writes, nothing is written; the searched one comes last."""
        if not self._knows_shadows:
            try:
                actions = self._add_shadows(actions)
            except EngineError as error:
                return self._wait_or_refuse(actions, error)
        send = self._send_late if is_late else self._send_safely
        beside, searched = part_shadows(actions)
        waiting = send(beside)
        return waiting + searched if waiting else send(searched)

    def _add_shadows(self, actions: Sequence[Action]) -> Sequence[Action]:
        if self.policy.is_backfill:
            actions = [self.soften(action) if action.source is None else action for action in actions]
        else:
            aliases = sorted({action.alias for action in actions})
            shadows, refused = find_shadows(self.engine, aliases, self._budget.timeout)
            for alias, error in refused.items():
                self._wait_or_refuse([action for action in actions if action.alias == alias], error)
            allowed = (action for action in actions if action.alias not in refused)
            actions = write_shadows(allowed, shadows, self.soften)
        self._knows_shadows = True
        return actions

    def _send_safely(self, actions: Sequence[Action]) -> list[Action]:
        """A versioned delete on a missing alias would create an index of that name (trap 6): its alias comes first."""
        ready, waiting = self._hold(actions, lambda action: action.source is None)
        return waiting + self._send_all(ready)

    def _send_late(self, actions: Sequence[Action]) -> list[Action]:
        """An alias that is missing cannot be read, so all aliases come first; a shadow's is never made here."""
        ready, waiting = self._hold(actions, lambda action: main_alias(action.alias) is None)
        return waiting + self._settle(self._refuse_illegal(ready), is_late=True)

    def _hold(
        self, actions: Sequence[Action], needs_alias: Callable[[Action], bool]
    ) -> tuple[list[Action], list[Action]]:
        """What may be sent, and what waits because its alias is not there."""
        held = [action for action in actions if needs_alias(action) and action.alias not in self._creator.ensured]
        if not held:
            return list(actions), []
        failures = self._creator.create_all(held)
        ready = [action for action in actions if not needs_alias(action) or failures.get(action.alias) is None]
        return ready, self._wait_for_aliases(held, failures)

    def _send_all(self, actions: Sequence[Action]) -> list[Action]:
        """One round over all bodies: what is to be tried again after a pause.

        The circuit: after a request that found no engine, the rest of the round waits, and the first request of the
        next round finds out whether it is back.
        """
        waiting: list[Action] = []
        for body in pack(self._refuse_illegal(actions), self.policy.max_bulk_bytes, self.policy.max_bulk_actions):
            if self._is_open or self._budget.is_over():
                waiting.extend(body.actions)
            else:
                waiting.extend(self._send(body.actions, body.content))
        return waiting

    def _refuse_illegal(self, actions: Sequence[Action]) -> list[Action]:
        """One illegal id or version would fail its whole request (failures 9, 10, 38)."""
        legal = [action for action in actions if is_legal(action)]
        if len(legal) < len(actions):
            illegal = [action for action in actions if not is_legal(action)]
            self._end_all(illegal, Outcome.DEAD_LETTERED, "illegal_action", "OpenSearch takes no such id or version")
        return legal

    def _send(self, actions: Sequence[Action], content: bytes) -> list[Action]:
        self.counts["bulk_bytes"] += len(content)
        self.counts["bulk_requests"] += 1
        try:
            results = self.engine.bulk(content, len(actions), timeout=self._budget.timeout())
        except EngineError as error:
            return self._handle_refused_request(actions, error)
        if are_done(results) and not self._settler.unguarded:
            self._endings += end_done(actions)
            return []
        return self._handle_results(actions, results)

    def _handle_refused_request(self, actions: Sequence[Action], error: EngineError) -> list[Action]:
        row = classify_request(error.status, error.error_type)
        if row.disposition is not Disposition.BISECT:
            self.counts["circuit_openings"] += not self._is_open
            self._is_open = True
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
                if self._settler.unguarded and action in self._settler.unguarded:
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
        return waiting + self._finish(self._settler.confirm(unguarded))

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
        judgement = self._quarantine.judge(refused)
        for action, result in judgement.hopeless:
            row = classify_item(result.status, result.error_type)
            self._end_item(action, Disposition.DEAD_LETTER, result, row.sentence)
        self._count_attempts(judgement.waiting)
        return judgement.waiting + self._send_all(judgement.again)

    def _settle(self, conflicts: Sequence[Action], is_late: bool = False) -> list[Action]:
        if not conflicts:
            return []
        if self.policy.is_backfill:
            self._endings += (Ending(action, Outcome.STALE) for action in conflicts)
            return []
        try:
            return self._finish(self._settler.settle(conflicts, is_late))
        except EngineError as error:
            if isinstance(error, PartialAnswerError) and len(conflicts) > 1:
                return [waiting for half in halve(conflicts) for waiting in self._settle(half, is_late)]
            return self._wait_or_refuse(conflicts, error)

    def _finish(self, settlement: Settlement) -> list[Action]:
        self._endings += (
            ending._replace(attempts=self._attempts_of(ending.action)) if ending.reason else ending
            for ending in settlement.ended
        )
        return settlement.waiting + self._send_all(settlement.again)

    def _ensure(self, missing: Sequence[Action]) -> list[Action]:
        """Create each missing index once per invocation; what still misses its alias after that waits."""
        missing, gone = leave_shadows(missing)
        failures = self._creator.create_all([action for action in missing if action.alias not in self._creator.ensured])
        still_missing = [action for action in missing if action.alias not in failures]
        self._count_attempts(still_missing)
        waiting = still_missing + self._wait_for_aliases(missing, failures)
        return waiting + self._send_all([a for a in missing if a.alias in failures and not failures[a.alias]] + gone)

    def _wait_for_aliases(self, actions: Sequence[Action], failures: Mapping[str, EngineError | None]) -> list[Action]:
        """Where the engine refuses the index itself, its records are dead letters: others must not wait for them."""
        waiting: list[Action] = []
        for alias, error in failures.items():
            if error is None:
                continue
            held = [action for action in actions if action.alias == alias]
            row = classify_creation(error.status, error.error_type)
            if row.disposition is Disposition.DEAD_LETTER:
                self._end_all(held, Outcome.DEAD_LETTERED, "index_refused", f"{row.sentence} {error}")
            else:
                waiting += self._wait_or_refuse(held, error)
        return waiting

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

    def _attempts_of(self, action: Action) -> int:
        return self._attempts[action.alias, action.id] + 1

    def _end_all(self, actions: Iterable[Action], outcome: Outcome, reason: str, detail: str) -> None:
        self._endings += (Ending(a, outcome, reason, detail, self._attempts_of(a)) for a in actions)
