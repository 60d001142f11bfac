"""Replication: change records of DynamoDB Streams go on to a Kinesis stream, complete and keyed per item.

Invariant: what is acknowledged is in Kinesis or durably a dead letter, and no change of an item overtakes an earlier
one of the same batch: PutRecords promises no order, so a request holds one change of each item at most.
"""

import hashlib
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum

import orjson

from tailrace.attributes import IllegalAttributeError
from tailrace.chunking import chunk
from tailrace.deadletters import store_dead_letter
from tailrace.failures import ChangeStreamError, Disposition
from tailrace.identity import HASH_PREFIX, document_id
from tailrace.kinesis import ENVELOPE_FORMAT
from tailrace.ports import ChangeStream, Clock, DeadLetterStore, StreamEntry
from tailrace.records import ChangeRecord, Undecodable
from tailrace.reports import BatchReport, report_batch
from tailrace.table_rules import Refusal, TableRules
from tailrace.tables import Tables, UnknownTableError

MAX_KEY_LENGTH = 256  # Kinesis: partition keys of 1 to 256 Unicode characters


class ReplicationOutcome(IntEnum):
    """The end of one record on its way to Kinesis."""

    FAILED = 0
    DEAD_LETTERED = 1
    REPLICATED = 2
    FILTERED = 3


@dataclass(frozen=True, slots=True)
class ReplicationPolicy:
    """How much at once and how hard to try: sizes in bytes, partition keys counted, waits in seconds."""

    max_record_bytes: int = 1024 * 1024  # Kinesis: 1 MiB unless the stream was set up for more
    max_request_bytes: int = 5_000_000  # PutRecords: 5 MiB
    max_request_records: int = 500  # PutRecords: 500
    first_backoff_seconds: float = 0.1
    max_backoff_seconds: float = 5.0


def build_entry(record: ChangeRecord, rules: TableRules) -> StreamEntry:
    """The Kinesis record of a change: the envelope with the stream record complete, keyed by the document's id.

    Raises IllegalAttributeError for a key that makes no id, TypeError or ValueError for what is no JSON in Unicode.
    """
    id_ = document_id(record.keys, rules.spec.key or tuple(sorted(record.keys)), rules.id_prefix)
    return StreamEntry(partition_key(id_), orjson.dumps({"format": ENVELOPE_FORMAT, "record": record.wire}))


def partition_key(id_: str) -> str:
    """The document id itself, or its hash where Kinesis would refuse the length."""
    if 1 <= len(id_) <= MAX_KEY_LENGTH:
        return id_
    return HASH_PREFIX + hashlib.sha256(id_.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Replicator:
    """The replicator's parts. One replicator serves many batches and keeps nothing of any of them."""

    tables: Tables
    stream: ChangeStream
    dead_letters: DeadLetterStore
    clock: Clock
    policy: ReplicationPolicy = field(default_factory=ReplicationPolicy)

    def process(self, records: Sequence[ChangeRecord | Undecodable], deadline: float) -> BatchReport:
        """Take one batch to its end. `deadline` is seconds since the epoch: no new work is begun after it.

        Raises ConservationError when a record has no outcome.
        """
        return _Batch(self, records, deadline).run()


class _Batch:
    def __init__(self, parts: Replicator, records: Sequence[ChangeRecord | Undecodable], deadline: float) -> None:
        self._parts = parts
        self._records = records
        self._deadline = deadline
        self._outcomes: list[ReplicationOutcome | None] = [None] * len(records)
        self._problems: dict[int, tuple[str, str]] = {}
        self._rules: dict[str, TableRules] = {}
        self._entries: dict[int, StreamEntry] = {}
        self._queues: dict[str, deque[int]] = {}
        self._counts: Counter[str] = Counter()

    def run(self) -> BatchReport:
        for index, record in enumerate(self._records):
            self._plan(index, record)
        self._write_all()
        self._store_dead_letters()
        reasons = {index: reason for index, (reason, _) in self._problems.items()}
        return report_batch(self._records, self._outcomes, ReplicationOutcome, reasons, self._counts)

    def _plan(self, index: int, record: ChangeRecord | Undecodable) -> None:
        entry = self._entry(record)
        if entry is None:
            self._outcomes[index] = ReplicationOutcome.FILTERED
        elif isinstance(entry, Refusal):
            self._refuse(index, entry.reason, entry.detail)
        elif _size(entry) > self._parts.policy.max_record_bytes:
            self._refuse(index, "too_large", f"the change takes {_size(entry)} bytes, more than a Kinesis record holds")
        else:
            self._entries[index] = entry
            self._queues.setdefault(entry.partition_key, deque()).append(index)

    def _entry(self, record: ChangeRecord | Undecodable) -> StreamEntry | Refusal | None:
        """The record's entry, or why there is none; None where the table's spec leaves out such changes."""
        if isinstance(record, Undecodable):
            return Refusal(record.reason, record.detail)
        if record.source != "streams":
            return Refusal("unknown_source", "what comes from Kinesis does not go to Kinesis again")
        try:
            rules = self._rules_of(record.table)
            return None if rules.is_filtered(record) else build_entry(record, rules)
        except UnknownTableError:
            return Refusal("unknown_table", "tables.yaml has no such table and unknown tables are refused")
        except IllegalAttributeError as error:
            return Refusal("illegal_item", str(error))
        except (TypeError, ValueError, AttributeError):  # also orjson's word for a lone surrogate
            return Refusal("illegal_item", "the record is no JSON in valid Unicode, or its key is no map")

    def _rules_of(self, table: str) -> TableRules:
        rules = self._rules.get(table)
        if rules is None:
            rules = self._rules[table] = TableRules.of(self._parts.tables.spec(table))
        return rules

    def _write_all(self) -> None:
        """Round by round the earliest unwritten change of each item: so none overtakes another."""
        policy, clock = self._parts.policy, self._parts.clock
        pause = policy.first_backoff_seconds
        while heads := [queue[0] for queue in self._queues.values()]:
            self._write(heads)
            waiting = [index for index in heads if self._outcomes[index] is None]
            if not waiting:
                pause = policy.first_backoff_seconds
                continue
            if clock.now() + pause >= self._deadline:
                self._give_up("time_budget", "the time budget of the invocation is used up")
                return
            self._counts["retries"] += len(waiting)
            clock.sleep(pause * (0.5 + clock.jitter() / 2))
            pause = min(pause * 2, policy.max_backoff_seconds)

    def _write(self, indices: Sequence[int]) -> None:
        policy = self._parts.policy
        sized = ((index, _size(self._entries[index])) for index in indices)
        for request in chunk(sized, policy.max_request_bytes, policy.max_request_records):
            if self._parts.clock.now() >= self._deadline or not self._queues:
                return
            self._put(request)

    def _put(self, indices: Sequence[int]) -> None:
        self._counts["put_requests"] += 1
        try:
            codes = self._parts.stream.put([self._entries[index] for index in indices])
        except ChangeStreamError as error:
            if error.disposition is Disposition.REFUSE:
                self._give_up(error.code, "Kinesis refuses this identity, this stream or its key: nothing is dropped")
            return
        for index, code in zip(indices, codes, strict=True):
            if code is None:
                self._note_written(index)

    def _note_written(self, index: int) -> None:
        self._outcomes[index] = ReplicationOutcome.REPLICATED
        key = self._entries.pop(index).partition_key
        self._queues[key].popleft()
        if not self._queues[key]:
            del self._queues[key]

    def _give_up(self, reason: str, detail: str) -> None:
        for queue in self._queues.values():
            for index in queue:
                self._outcomes[index] = ReplicationOutcome.FAILED
                self._problems[index] = (reason, detail)
        self._queues.clear()

    def _refuse(self, index: int, reason: str, detail: str) -> None:
        self._outcomes[index] = ReplicationOutcome.DEAD_LETTERED
        self._problems[index] = (reason, detail)

    def _store_dead_letters(self) -> None:
        """Before anything is acknowledged; where the store itself fails, the record has failed (never lost)."""
        store, now = self._parts.dead_letters, self._parts.clock.now()
        for index, (reason, detail) in self._problems.items():
            if self._outcomes[index] is not ReplicationOutcome.DEAD_LETTERED:
                continue
            if not store_dead_letter(store, self._records[index], reason, detail, 0, now):
                self._outcomes[index] = ReplicationOutcome.FAILED
                self._problems[index] = ("dead_letter_store", "the dead letter could not be stored")


def _size(entry: StreamEntry) -> int:
    return len(entry.data) + len(entry.partition_key.encode())
