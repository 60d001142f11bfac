"""Explaining: what the indexer would do with each record of an event, and why, without doing it.

Invariant: the answer comes from the same decoding, planning and coalescing that the indexer runs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tailrace.actions import Action, NeedsItem, Planner
from tailrace.bulk import coalesce
from tailrace.decoding import decode_event
from tailrace.outcomes import Outcome
from tailrace.records import ChangeRecord, Undecodable
from tailrace.table_rules import Refusal
from tailrace.tables import Tables, TableSpec, UnknownTableError


@dataclass(frozen=True, slots=True)
class Explanation:
    """One record: what it is, what becomes of it, why, and the bulk actions that it makes."""

    number: int
    table: str | None
    operation: str | None
    position: str | None
    outcome: str
    why: str
    writes: Sequence[Action] = field(default=())


def explain_event(event: Mapping[str, Any], tables: Tables) -> list[Explanation]:
    """One explanation for each record of the event, in order. Raises UnknownEventError for what is no stream event."""
    records = decode_event(event)
    planner = Planner(tables)
    plans = [_plan(planner, record, number) for number, record in enumerate(records)]
    last, superseded = coalesce(action for plan in plans if isinstance(plan, list) for action in plan)
    lost, tied = frozenset(superseded), frozenset((each.alias, each.id) for each in last if each.is_undecided)
    return [
        _explain(planner, number, *pair, lost, tied) for number, pair in enumerate(zip(records, plans, strict=True))
    ]


Plan = list[Action] | Outcome | Refusal | NeedsItem


def _plan(planner: Planner, record: ChangeRecord | Undecodable, number: int) -> Plan:
    if isinstance(record, Undecodable):
        return Refusal(record.reason, record.detail)
    try:
        return planner.plan(record, number)
    except UnknownTableError as error:
        return Refusal("unknown_table", str(error))


def _explain(
    planner: Planner,
    number: int,
    record: ChangeRecord | Undecodable,
    plan: Plan,
    lost: frozenset[Action],
    tied: frozenset[tuple[str, str]],
) -> Explanation:
    table, operation = (record.table, record.operation) if isinstance(record, ChangeRecord) else (None, None)
    known = (number, table, operation, record.position)
    if isinstance(plan, Refusal):
        return Explanation(*known, "dead_lettered", f"{plan.reason}: {plan.detail}")
    if isinstance(plan, NeedsItem):
        return Explanation(*known, "item_read", f"view type {plan.view_type} has no new image: the item would be read")
    if isinstance(plan, Outcome):
        assert isinstance(record, ChangeRecord)
        return Explanation(*known, plan.name.lower(), _why_filtered(record, planner.spec_of(record.table)))
    writes = [action for action in plan if action not in lost]
    if not writes:
        return Explanation(*known, "superseded", "a later record of this event changes the same document")
    if any((action.alias, action.id) in tied for action in writes):
        return Explanation(*known, "item_read", "another change is of the same instant: the item would be read", writes)
    return Explanation(*known, min(action.done for action in writes).name.lower(), _why_written(plan), writes)


def _why_filtered(record: ChangeRecord, spec: TableSpec) -> str:
    if record.operation in spec.filter.exclude_operations:
        return f"filter.exclude_operations holds {record.operation}"
    if record.is_ttl_delete and spec.filter.exclude_ttl_deletes:
        return "filter.exclude_ttl_deletes is set, and DynamoDB's TTL deleted the item"
    return f"filter.where does not let it in ({', '.join(spec.filter.where)})"


def _why_written(actions: Sequence[Action]) -> str:
    if len(actions) > 1:
        return "the item changed its type: it leaves the old index and enters the new one"
    if actions[0].done is Outcome.INDEXED:
        return "the new image becomes the document"
    return "the item left the table, or no longer belongs in the index"


def describe_write(action: Action) -> str:
    """`document`, `tombstone` or `delete`."""
    if action.done is Outcome.INDEXED:
        return "document"
    return "delete" if action.source is None else "tombstone"
