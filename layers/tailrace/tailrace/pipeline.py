"""The indexer's pipeline: decode, plan, coalesce, deliver, store dead letters, balance the account, answer.

Invariant (laws 1 and 5): each record of a batch ends in exactly one outcome, a dead letter is durable before its record
is acknowledged, and one bad record hurts only itself. No state outlives a batch.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tailrace.actions import Action, NeedsItem, Planner, Refusal
from tailrace.bulk import coalesce
from tailrace.deadletters import dead_letter, dead_letter_key, encode
from tailrace.delivery import Delivery, DeliveryPolicy, Ending
from tailrace.failures import DeadLetterStoreError, ItemReadError
from tailrace.generations import build_index_request
from tailrace.outcomes import Account, Outcome, balance
from tailrace.ports import Clock, DeadLetterStore, ItemReader, SearchEngine
from tailrace.records import ChangeRecord, Image, Undecodable
from tailrace.tables import Tables, UnknownTableError


@dataclass(frozen=True, slots=True)
class Problem:
    """One record that was not indexed: what an operator may read about it. Never a value of the item."""

    position: str | None
    table: str
    outcome: str
    reason: str


@dataclass(frozen=True, slots=True)
class BatchReport:
    """What became of one batch."""

    account: Account
    first_unsettled: str | None
    positions: tuple[str | None, str | None]
    problems: tuple[Problem, ...]
    counts: Mapping[str, int]
    newest_instant_ns: int
    tables: tuple[str, ...]
    has_unnamed_failure: bool = False

    def as_response(self) -> dict[str, list[dict[str, str]]]:
        """The partial batch response: at most one entry, the lowest unsettled sequence number (semantics 3.2).

        A failed record without a position cannot be named: an empty identifier makes Lambda retry the whole batch.
        """
        if self.has_unnamed_failure:
            return {"batchItemFailures": [{"itemIdentifier": ""}]}
        if self.first_unsettled is None:
            return {"batchItemFailures": []}
        return {"batchItemFailures": [{"itemIdentifier": self.first_unsettled}]}


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
            pipeline.engine, pipeline.clock, pipeline.policy, self._index_request, self._reread, self._deadline
        )
        for ending in delivery.deliver(last):
            self._note(ending.action.record, ending.outcome)
            if ending.reason:
                self._problems[ending.action.record] = ending
        self._store_dead_letters()
        return self._report(delivery.counts)

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

    def _replan(self, index: int, record: ChangeRecord, item: Image | None) -> list[Action]:
        """The record as the table tells it now."""
        if item is None:
            now = record._replace(operation="remove", new_image=None)
        elif record.operation == "remove":
            now = record._replace(operation="modify", new_image=item)
        else:
            now = record._replace(new_image=item)
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
        for planned in self._replan(action.record, record, item):
            if (planned.alias, planned.id) == (action.alias, action.id):
                return planned._replace(version=version)
        return self._planner.absence(record, action)._replace(version=version)

    def _index_request(self, alias: str, action: Action) -> Mapping[str, Any]:
        record = self._records[action.record]
        assert isinstance(record, ChangeRecord)
        return build_index_request(self._planner.spec_of(record.table), alias)

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
            letter = dead_letter(self._records[index], reason, detail, attempts, now)
            try:
                self._pipeline.dead_letters.put(dead_letter_key(self._records[index], letter, now), encode(letter))
            except DeadLetterStoreError:
                self._outcomes[index] = Outcome.FAILED
                self._problems[index] = ("dead_letter_store", "the dead letter could not be stored")

    def _report(self, counts: Counter[str]) -> BatchReport:
        account = balance(len(self._records), self._outcomes)
        failed = [self._records[i].position for i, outcome in enumerate(self._outcomes) if outcome is Outcome.FAILED]
        changes = [record for record in self._records if isinstance(record, ChangeRecord)]
        return BatchReport(
            account=account,
            first_unsettled=_lowest(position for position in failed if position is not None),
            positions=(self._records[0].position, self._records[-1].position) if self._records else (None, None),
            problems=tuple(self._problem(index) for index in sorted(self._problems)),
            counts=dict(counts),
            newest_instant_ns=max((record.instant_ns for record in changes), default=0),
            tables=tuple(dict.fromkeys(record.table for record in changes)),
            has_unnamed_failure=None in failed,
        )

    def _problem(self, index: int) -> Problem:
        record, outcome = self._records[index], self._outcomes[index]
        table = record.table if isinstance(record, ChangeRecord) else "unknown"
        name = outcome.name.lower() if outcome is not None else "none"
        return Problem(record.position, table, name, _explain(self._problems[index])[0])


def _explain(problem: Ending | tuple[str, str]) -> tuple[str, str, int]:
    if isinstance(problem, Ending):
        return problem.reason, problem.detail, problem.attempts
    return problem[0], problem[1], 0


def _lowest(positions: Any) -> str | None:
    """Sequence numbers are 21-40 digits long: the lowest as an integer, not as text (trap 2)."""
    return min(positions, key=int, default=None)
