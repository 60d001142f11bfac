"""The indexer's pipeline: decode, plan, coalesce, deliver, store dead letters, balance the account, answer.

Invariant (laws 1 and 5): each record of a batch ends in exactly one outcome, a dead letter is durable before its record
is acknowledged, and one bad record hurts only itself. No state outlives a batch.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tailrace.actions import Action, NeedsItem, Planner, Refusal
from tailrace.bulk import coalesce
from tailrace.deadletters import store_dead_letter
from tailrace.delivery import Delivery, DeliveryPolicy, Ending
from tailrace.failures import ItemReadError
from tailrace.generations import build_index_request
from tailrace.outcomes import Outcome
from tailrace.ports import Clock, DeadLetterStore, ItemReader, SearchEngine
from tailrace.records import ChangeRecord, Image, Undecodable
from tailrace.reports import BatchReport, report_batch
from tailrace.tables import Tables, UnknownTableError


@dataclass(frozen=True, slots=True)
class Pipeline:
    """The indexer's parts. One pipeline serves many batches and keeps nothing of any of them."""

    tables: Tables
    engine: SearchEngine
    dead_letters: DeadLetterStore
    items: ItemReader
    clock: Clock
    policy: DeliveryPolicy = field(default_factory=DeliveryPolicy)

    def process(self, records: Sequence[ChangeRecord | Undecodable], deadline: float) -> BatchReport:
        """Take one batch to its end. `deadline` is seconds since the epoch: no new work is begun after it.

        Raises ConservationError when a record has no outcome.
        """
        return _Batch(self, records, deadline).run()


class _Batch:
    def __init__(self, pipeline: Pipeline, records: Sequence[ChangeRecord | Undecodable], deadline: float) -> None:
        self._pipeline = pipeline
        self._records = records
        self._deadline = deadline
        self._planner = Planner(pipeline.tables)
        self._outcomes: list[Outcome | None] = [None] * len(records)
        self._problems: dict[int, Ending | tuple[str, str]] = {}

    def run(self) -> BatchReport:
        pipeline = self._pipeline
        last, superseded = coalesce(self._plan_all())
        for action in superseded:
            self._note(action.record, Outcome.SUPERSEDED)
        delivery = Delivery(
            pipeline.engine,
            pipeline.clock,
            pipeline.policy,
            self._index_request,
            self._reread,
            self._deadline,
            self._may_quarantine,
        )
        undecided = {(action.alias, action.id) for action in last if action.is_undecided}
        for ending in delivery.deliver(self._settle_ties(last)):
            self._end(ending, ending.action.record)
            if ending.outcome is Outcome.DEAD_LETTERED and (ending.action.alias, ending.action.id) in undecided:
                self._end_tied(ending, superseded)
        self._store_dead_letters()
        return self._report(delivery.counts)

    def _end(self, ending: Ending, record: int) -> None:
        self._note(record, ending.outcome)
        if ending.reason:
            self._problems[record] = ending

    def _end_tied(self, ending: Ending, superseded: Sequence[Action]) -> None:
        """Which of two changes of one instant is the newer is still unknown: a replay needs the letters of both."""
        for action in superseded:
            if (action.alias, action.id) == (ending.action.alias, ending.action.id):
                self._end(ending, action.record)

    def _plan_all(self) -> list[Action]:
        planned: list[Action] = []
        plan = self._planner.plan
        for index, record in enumerate(self._records):
            if isinstance(record, Undecodable):
                self._refuse(index, record.reason, record.detail)
                continue
            try:
                actions = plan(record, index)
            except UnknownTableError:
                self._refuse(index, "unknown_table", "tables.yaml has no such table and unknown tables are refused")
                continue
            if isinstance(actions, list):
                planned.extend(actions)
            else:
                planned.extend(self._resolve(index, record, actions))
        return planned

    def _resolve(self, index: int, record: ChangeRecord, plan: Outcome | Refusal | NeedsItem) -> list[Action]:
        if isinstance(plan, Outcome):
            self._note(index, plan)
            return []
        if isinstance(plan, Refusal):
            self._refuse(index, plan.reason, plan.detail)
            return []
        try:
            item = self._pipeline.items.read(record.table, record.keys)
        except ItemReadError:
            self._fail(index, "item_read", f"view type {plan.view_type} needs the item, and the table did not answer")
            return []
        return self._replan(index, record, item)

    def _settle_ties(self, actions: Sequence[Action]) -> Iterator[Action]:
        """Where neither of two changes in the batch is known to be the newer, the table says how it ended (trap 13)."""
        for action in actions:
            if not action.is_undecided:
                yield action
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
        """Before anything is acknowledged; where the store itself fails, the record has failed (never lost)."""
        for index, problem in self._problems.items():
            if self._outcomes[index] is not Outcome.DEAD_LETTERED:
                continue
            reason, detail, attempts = _explain(problem)
            now = self._pipeline.clock.now()
            store = self._pipeline.dead_letters
            if not store_dead_letter(store, self._records[index], reason, detail, attempts, now):
                self._outcomes[index] = Outcome.FAILED
                self._problems[index] = ("dead_letter_store", "the dead letter could not be stored")

    def _report(self, counts: Counter[str]) -> BatchReport:
        reasons = {index: _explain(problem)[0] for index, problem in self._problems.items()}
        return report_batch(self._records, self._outcomes, Outcome, reasons, counts)


def _as_of_table(record: ChangeRecord, item: Image | None) -> ChangeRecord:
    """The record as if it told of the table's item now: a removal, too, may have been followed by a write."""
    if item is None:
        return record._replace(operation="remove", new_image=None)
    operation = "modify" if record.operation == "remove" else record.operation
    return record._replace(operation=operation, new_image=item, is_ttl_delete=False)


def _explain(problem: Ending | tuple[str, str]) -> tuple[str, str, int]:
    if isinstance(problem, Ending):
        return problem.reason, problem.detail, problem.attempts
    return problem[0], problem[1], 0
