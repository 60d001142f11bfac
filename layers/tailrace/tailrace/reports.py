"""What became of one batch: its account, its partial batch response, and what an operator may read about it.

Invariant: a report holds no key and no value of any item.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

from tailrace.outcomes import Account, balance
from tailrace.records import ChangeRecord, Undecodable

MAX_SAMPLE = 100  # CloudWatch's embedded metric format: at most 100 values for one metric
_NOT_WRITTEN = frozenset({"FAILED", "DEAD_LETTERED"})


@dataclass(frozen=True, slots=True)
class Problem:
    """One record that did not reach its goal: what an operator may read about it."""

    position: str | None
    table: str
    outcome: str
    reason: str


@dataclass(frozen=True, slots=True)
class BatchReport:
    """What became of one batch.

    `oldest_instant_ns` is that of its oldest change, whatever became of it, 0 without any. `settled_instants_ns` are
    those of the changes that reached their goal, ascending: all of them, or `MAX_SAMPLE` evenly spread quantiles.
    `outcomes` are those of the records, in their order.
    """

    account: Account
    first_unsettled: str | None
    positions: tuple[str | None, str | None]
    problems: tuple[Problem, ...]
    counts: Mapping[str, int]
    oldest_instant_ns: int
    settled_instants_ns: tuple[int, ...]
    tables: tuple[str, ...]
    has_unnamed_failure: bool = False
    outcomes: tuple[IntEnum | None, ...] = ()

    def as_response(self) -> dict[str, list[dict[str, str]]]:
        """The partial batch response: at most one entry, the lowest unsettled sequence number (semantics 3.2).

        A failed record without a position cannot be named: an empty identifier makes Lambda retry the whole batch.
        """
        if self.has_unnamed_failure:
            return {"batchItemFailures": [{"itemIdentifier": ""}]}
        if self.first_unsettled is None:
            return {"batchItemFailures": []}
        return {"batchItemFailures": [{"itemIdentifier": self.first_unsettled}]}


def report_batch(
    records: Sequence[ChangeRecord | Undecodable],
    outcomes: Sequence[IntEnum | None],
    ends: type[IntEnum],
    reasons: Mapping[int, str],
    counts: Mapping[str, int],
) -> BatchReport:
    """Close the account of a batch; `ends` are the outcomes there are, `FAILED` among them, `reasons` by record.

    Raises ConservationError when a record has no outcome.
    """
    account = balance(len(records), outcomes, ends)
    failure = ends["FAILED"]
    failed = [records[i].position for i, outcome in enumerate(outcomes) if outcome is failure]
    changes = [record for record in records if isinstance(record, ChangeRecord)]
    return BatchReport(
        account=account,
        first_unsettled=_lowest(position for position in failed if position is not None),
        positions=(records[0].position, records[-1].position) if records else (None, None),
        problems=tuple(_problem(records[i], outcomes[i], reasons[i]) for i in sorted(reasons)),
        counts=dict(counts),
        oldest_instant_ns=min((record.instant_ns for record in changes), default=0),
        settled_instants_ns=_sample(_settled_instants(records, outcomes, ends)),
        tables=tuple(dict.fromkeys(record.table for record in changes)),
        has_unnamed_failure=None in failed,
        outcomes=tuple(outcomes),
    )


def _problem(record: ChangeRecord | Undecodable, outcome: IntEnum | None, reason: str) -> Problem:
    name = outcome.name.lower() if outcome is not None else "none"
    return Problem(record.position, record.table or "unknown", name, reason)


def _settled_instants(
    records: Sequence[ChangeRecord | Undecodable], outcomes: Sequence[IntEnum | None], ends: type[IntEnum]
) -> list[int]:
    unwritten = {id(end) for end in ends if end.name in _NOT_WRITTEN}  # by identity: an enum's hash is a Python call
    return sorted(
        record.instant_ns
        for record, outcome in zip(records, outcomes, strict=True)
        if id(outcome) not in unwritten and isinstance(record, ChangeRecord)
    )


def _sample(ascending: Sequence[int]) -> tuple[int, ...]:
    """At most MAX_SAMPLE of the values: the middle one of each of so many equal parts."""
    count = len(ascending)
    if count <= MAX_SAMPLE:
        return tuple(ascending)
    return tuple(ascending[(2 * part + 1) * count // (2 * MAX_SAMPLE)] for part in range(MAX_SAMPLE))


def _lowest(positions: Iterable[str]) -> str | None:
    """Sequence numbers are 21-40 digits long: the lowest as an integer, not as text (trap 2)."""
    return min(positions, key=int, default=None)
