"""The indexer's pipeline: decode, plan, coalesce, deliver, store dead letters, balance the account, answer.

Invariant (laws 1 and 5): each record of a batch ends in exactly one outcome, a dead letter is durable before its record
is acknowledged, and one bad record hurts only itself. No state outlives a batch.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from tailrace.actions import Action, NeedsItem, Planner, rewrite
from tailrace.budgets import TimeBudget
from tailrace.bulk import coalesce
from tailrace.deadletters import NEVER_TRIED, History, store_dead_letter
from tailrace.delivery import Delivery, DeliveryPolicy
from tailrace.failures import ItemReadError
from tailrace.generations import build_index_request
from tailrace.outcomes import Outcome
from tailrace.ports import Clock, DeadLetterStore, ItemReader, SearchEngine
from tailrace.records import ChangeRecord, Image, Undecodable
from tailrace.reports import BatchReport, report_batch
from tailrace.settling import Ending
from tailrace.table_rules import Refusal
from tailrace.tables import Tables, UnknownTableError
from tailrace.versions import MAX_VERSION

LETTERS_AT_ONCE = 16
# What is wrong with a record of these reasons lies in the record; a replay asks the table what the item is by now.
TOLD_BY_TABLE = frozenset({"illegal_item", "illegal_version", "view_type"})


@dataclass(frozen=True, slots=True)
class Pipeline:
    """The indexer's parts. One pipeline serves many batches and keeps nothing of any of them.

    `redirects` name the alias to write to in place of another, since a load writes to the generation under
    construction; `backdated_ns` is how much older than their records its documents are versioned.
    """

    tables: Tables
    engine: SearchEngine
    dead_letters: DeadLetterStore
    items: ItemReader
    clock: Clock
    policy: DeliveryPolicy = field(default_factory=DeliveryPolicy)
    redirects: Mapping[str, str] = field(default_factory=dict)
    backdated_ns: int = 0

    def process(
        self,
        records: Sequence[ChangeRecord | Undecodable],
        deadline: float,
        histories: Sequence[History] | None = None,
    ) -> BatchReport:
        """Take one batch to its end. `deadline` is seconds since the epoch: no new work is begun after it.

        `histories` tells that the batch is a replay, and of each record what it went through: a replay never writes
        blindly, and what fails again keeps its history. Raises ConservationError when a record has no outcome.
        """
        return _Batch(self, records, deadline, histories).run()


class _Batch:
    def __init__(
        self,
        pipeline: Pipeline,
        records: Sequence[ChangeRecord | Undecodable],
        deadline: float,
        histories: Sequence[History] | None,
    ) -> None:
        self._pipeline = pipeline
        self._records = records
        self._budget = TimeBudget(pipeline.clock, deadline)
        self._histories = histories
        self._planner = Planner(pipeline.tables)
        self._outcomes: list[Outcome | None] = [None] * len(records)
        self._problems: dict[int, Ending | tuple[str, str]] = {}

    def run(self) -> BatchReport:
        pipeline = self._pipeline
        last, superseded = coalesce(self._redirect(self._plan_all()))
        for action in superseded:
            self._note(action.record, Outcome.SUPERSEDED)
        delivery = Delivery(
            pipeline.engine,
            pipeline.clock,
            pipeline.policy,
            self._index_request,
            self._reread,
            self._budget.deadline,
            self._may_quarantine,
            self._soften,
        )
        undecided = {(action.alias, action.id) for action in last if action.is_undecided}
        for ending in delivery.deliver(self._settle_ties(last), is_late=self._histories is not None):
            if not ending.reason:
                self._note(ending.action.record, ending.outcome)
                continue
            self._end(ending, ending.action.record)
            if ending.outcome is Outcome.DEAD_LETTERED and (ending.action.alias, ending.action.id) in undecided:
                self._end_tied(ending, superseded)
        self._store_dead_letters()
        return self._report(delivery.counts)

    def _end(self, ending: Ending, record: int) -> None:
        self._note(record, ending.outcome)
        self._problems[record] = ending

    def _end_tied(self, ending: Ending, superseded: Sequence[Action]) -> None:
        """Which of two changes of one instant is the newer is still unknown: a replay needs the letters of both."""
        for action in superseded:
            if (action.alias, action.id) == (ending.action.alias, ending.action.id):
                self._end(ending, action.record)

    def _plan_all(self) -> list[Action]:
        planned: list[Action] = []
        records, index = list(self._records), 0
        while (index := self._planner.plan_run(records, index, planned)) < len(records):
            planned.extend(self._plan(index, records[index]))
            index += 1
        return planned

    def _plan(self, index: int, record: ChangeRecord | Undecodable) -> list[Action]:
        if isinstance(record, Undecodable):
            self._refuse(index, record.reason, record.detail)
            return []
        try:
            actions = self._planner.plan(record, index)
        except UnknownTableError:
            self._refuse(index, "unknown_table", "tables.yaml has no such table and unknown tables are refused")
            return []
        return actions if isinstance(actions, list) else self._resolve(index, record, actions)

    def _redirect(self, actions: list[Action]) -> list[Action]:
        redirects, backdated = self._pipeline.redirects, self._pipeline.backdated_ns
        if not redirects and not backdated:
            return actions
        return [rewrite(action, redirects.get(action.alias, action.alias), backdated) for action in actions]

    def _resolve(self, index: int, record: ChangeRecord, plan: Outcome | Refusal | NeedsItem) -> list[Action]:
        if isinstance(plan, Outcome):
            self._note(index, plan)
            return []
        if isinstance(plan, Refusal) and not self._may_ask_table(index, record, plan):
            self._refuse(index, plan.reason, plan.detail)
            return []
        if self._budget.is_over():
            self._fail(index, "time_budget", "no time was left to read the item")
            return []
        try:
            item = self._pipeline.items.read(record.table, record.keys)
        except ItemReadError:
            self._fail(index, "item_read", "the record cannot be told without the item, and the table did not answer")
            return []
        return self._replan(index, record, item)

    def _may_ask_table(self, index: int, record: ChangeRecord, refusal: Refusal) -> bool:
        """Whether the record is replayed, and refused as it came, not as the table tells it."""
        is_as_it_came = self._histories is not None and record is self._records[index]
        return is_as_it_came and refusal.reason in TOLD_BY_TABLE and self._planner.can_identify(record)

    def _settle_ties(self, actions: Sequence[Action]) -> Iterator[Action]:
        """Where neither of two changes in the batch is known to be the newer, the table says how it ended (trap 13)."""
        for action in actions:
            if not action.is_undecided:
                yield action
            elif self._budget.is_over():
                self._fail(action.record, "time_budget", "no time was left to settle two changes of one instant")
            elif settled := self._reread(action, action.version):
                yield settled
            else:
                self._fail(
                    action.record, "undecided", "the table could not be read to settle two changes of one instant"
                )

    def _replan(self, index: int, record: ChangeRecord, item: Image | None) -> list[Action]:
        """The record as the table tells it now."""
        now = _as_of_table(record, item)
        actions = self._planner.plan(now, index)
        return actions if isinstance(actions, list) else self._resolve(index, now, actions)

    def _reread(self, action: Action, version: int) -> Action | None:
        """The action that the table's item makes of an undecidable one, to be written as `version`."""
        record = self._records[action.record]
        assert isinstance(record, ChangeRecord)
        try:
            item = self._pipeline.items.read(record.table, record.keys)
        except ItemReadError:
            return None
        if item is None and "remove" in self._planner.spec_of(record.table).filter.exclude_operations:
            return action._replace(version=version)
        # What is read is of now, not of this change: under its name, a later conflict would be settled by its order.
        nameless = record._replace(sequence_number=None, event_id=None)
        for planned in self._planner.replan(_as_of_table(nameless, item), action.record):
            if (planned.alias, planned.id) == (action.alias, action.id):
                return planned._replace(version=version)
        absence = self._planner.absence(_as_of_table(nameless, None), action)
        return absence._replace(version=version, sequence_number=None, event_id=None)

    def _index_request(self, alias: str, action: Action) -> Mapping[str, Any]:
        record = self._records[action.record]
        assert isinstance(record, ChangeRecord)
        return build_index_request(self._planner.spec_of(record.table), alias)

    def _may_quarantine(self, action: Action) -> bool:
        record = self._records[action.record]
        assert isinstance(record, ChangeRecord)
        return self._planner.spec_of(record.table).on_type_conflict == "quarantine"

    def _soften(self, action: Action) -> Action:
        record = self._records[action.record]
        assert isinstance(record, ChangeRecord)
        return self._planner.soften(record, action)

    def _note(self, index: int, outcome: Outcome) -> None:
        """Of a record's several actions the lowest rank counts."""
        known = self._outcomes[index]
        if known is None or outcome < known:
            self._outcomes[index] = outcome

    def _refuse(self, index: int, reason: str, detail: str) -> None:
        self._note(index, Outcome.DEAD_LETTERED)
        self._problems[index] = (reason, detail)

    def _fail(self, index: int, reason: str, detail: str) -> None:
        self._note(index, Outcome.FAILED)
        self._problems[index] = (reason, detail)

    def _store_dead_letters(self) -> None:
        """Before anything is acknowledged; where the store itself fails, the record has failed (never lost).

        Some side by side, since each waits for S3; in the order of the records, so that a batch with more letters than
        fit into its time gets further each time.
        """
        refused = [index for index in sorted(self._problems) if self._outcomes[index] is Outcome.DEAD_LETTERED]
        if not refused:
            return
        with ThreadPoolExecutor(LETTERS_AT_ONCE) as pool:
            for start in range(0, len(refused), LETTERS_AT_ONCE):
                group = refused[start : start + LETTERS_AT_ONCE]
                if start and self._budget.is_over():
                    for index in refused[start:]:
                        self._note(index, Outcome.FAILED)
                        self._problems[index] = ("time_budget", "no time was left to store the dead letter")
                    return
                for index, is_stored in zip(group, pool.map(self._store_dead_letter, group), strict=True):
                    if not is_stored:
                        self._fail(index, "dead_letter_store", "the dead letter could not be stored")

    def _store_dead_letter(self, index: int) -> bool:
        reason, detail, attempts = _explain(self._problems[index])
        history = self._histories[index] if self._histories else NEVER_TRIED
        store, now = self._pipeline.dead_letters, self._pipeline.clock.now()
        return store_dead_letter(store, self._records[index], reason, detail, attempts, now, history)

    def _report(self, counts: Counter[str]) -> BatchReport:
        reasons = {index: _explain(problem)[0] for index, problem in self._problems.items()}
        return report_batch(self._records, self._outcomes, Outcome, reasons, counts)


def _as_of_table(record: ChangeRecord, item: Image | None) -> ChangeRecord:
    """The record as if it told of the table's item now: a removal, too, may have been followed by a write.

    A time that is no version counts as older than any other.
    """
    if not 0 <= record.instant_ns <= MAX_VERSION:
        record = record._replace(instant_ns=0)
    if item is None:
        return record._replace(operation="remove", new_image=None)
    operation = "modify" if record.operation == "remove" else record.operation
    return record._replace(operation=operation, new_image=item, is_ttl_delete=False)


def _explain(problem: Ending | tuple[str, str]) -> tuple[str, str, int]:
    if isinstance(problem, Ending):
        return problem.reason, problem.detail, problem.attempts
    return problem[0], problem[1], 0
