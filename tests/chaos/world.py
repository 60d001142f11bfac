"""The world of one schedule: a table, its stream, the functions that read it, and what they leave behind.

Invariant: when `run` is over, every change was delivered in an invocation that did not report it, or lies in a parked
batch; after `replay` nothing does. What the index must show follows from the table alone.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from itertools import cycle

import orjson
from model.states import TableState
from model.tables import KEYS, TABLES, TYPES, key_of, model_specs
from model.wires import Change, Item, kinesis_record, stream_record
from model.world import FIRST_SEQUENCES

from chaos.director import Director
from chaos.ports import HurriedClock, Killed, MortalPorts, Troubles
from chaos.processes import KilledFunction
from chaos.schedules import BUDGET_FAULTS, FIELDS, PATIENCE_SECONDS, Schedule, Writing
from chaos.shards import Mapping
from tailrace.adapters.memory_letters import MemoryLetterBox
from tailrace.decoding import decode_event
from tailrace.delivery import DeliveryPolicy
from tailrace.outcomes import Outcome
from tailrace.pipeline import BatchReport, Pipeline
from tailrace.ports import SearchEngine
from tailrace.raw_events import RawEvent
from tailrace.replaying import Replayer, Step
from tailrace.selections import Selection
from tailrace_local.deliveries import Failed, StreamRecord
from tailrace_local.deliveries import Outcome as Delivered
from tailrace_local.partial_responses import read_response

GRACE_SECONDS = 0.08
NOISE_SECONDS = 10.0  # what an invocation may take over its budget on a machine that has other work
POISON, HARMLESS = {"S": "no day"}, {"S": "2026-11-21"}
Engines = Callable[[], SearchEngine]


class World:
    """One schedule's world. `make_engine` gives each function an engine of its own, through the fault proxy."""

    def __init__(self, schedule: Schedule, make_engine: Engines, director: Director, prefix: str) -> None:
        self.schedule = schedule
        self.director = director
        self.prefix = prefix
        self.table = TABLES[schedule.table]
        self.state = TableState(self.table)
        self.history: dict[str, list[Change]] = {}
        self.bucket = MemoryLetterBox()
        self.counts: Counter[str] = Counter()
        self.lettered: set[str] = set()
        self.may_quarantine = schedule.on_type_conflict == "quarantine"
        self.troubles = Troubles(schedule.faults)
        self.process: KilledFunction | None = None
        self._clock = HurriedClock(schedule.seed, 1.0 if "engine killed" in _kinds(schedule) else 0.001)
        self._lock = threading.Lock()
        self._sequence = FIRST_SEQUENCES[schedule.seed % 2]
        self._instant_us = (round(time.time()) - 7_200) * 1_000_000
        self._pipelines = [self._build(make_engine()) for _ in schedule.batch_sizes]
        self.mappings = [
            Mapping(f"m{place}", partial(self.invoke, pipeline), size, schedule.max_retries, self.bucket.letters)
            for place, (pipeline, size) in enumerate(zip(self._pipelines, schedule.batch_sizes, strict=True))
        ]

    def run(self) -> None:
        """The schedule, and then the end of all faults."""
        for wave in self.schedule.waves:
            self._deliver([self._change(writing) for writing in wave])
        self.director.stop()
        self.troubles.stop()
        self.counts.update(changes=self.schedule.changes, parked=sum(mapping.parked for mapping in self.mappings))

    def replay(self) -> None:
        """All that lies in the bucket, letters and parked batches, goes its way again."""
        deadline = self._clock.now() + PATIENCE_SECONDS
        report = Replayer(self._pipelines[0], self.bucket).replay(Selection(), deadline, self._watch_replay)
        if not report.is_finished or report.outcomes.get("failed"):
            raise AssertionError(f"a replay fails although nothing goes wrong any more: {report}")

    def invoke(self, pipeline: Pipeline, records: Sequence[StreamRecord]) -> Delivered:
        """One invocation with a batch, and what Lambda makes of its end."""
        if self.process is not None:
            self.counts["invocations"] += 1
            is_killed = self.troubles.find("processes", ("process killed",)) is not None
            return self.process.invoke(records, is_killed)
        budget = self._next_budget()
        wires = [orjson.loads(record.body) for record in records]
        event = RawEvent(orjson.dumps({"Records": wires}))
        started = time.monotonic()
        try:
            report = pipeline.process(decode_event(event), self._clock.now() + budget)
        except Killed:
            return Failed()
        self._take_in(report, wires)
        self._check_time(time.monotonic() - started - budget)
        return read_response(orjson.dumps(report.as_response()), {r.sequence_number for r in records}, True)

    # -- the table and its stream ----------------------------------------------------------------------------------

    def _change(self, writing: Writing) -> Change:
        """One change of the table. A removal of what is not there writes it instead: every change has a record."""
        keys, id_ = key_of(self.table, writing.key % KEYS, f"{writing.key // KEYS}-")
        old = self.state.items.pop(id_, None)
        new = None if writing.is_removal and old is not None else self._item(keys, writing)
        if new is not None:
            self.state.items[id_] = new
        self._sequence += 1 + self._sequence % 7
        self._instant_us += writing.wait_us
        operation = "REMOVE" if new is None else "INSERT" if old is None else "MODIFY"
        is_ttl = new is None and writing.amount % 3 == 0
        change = Change(
            self.table.name, operation, keys, new, old, self._sequence, self._instant_us, is_ttl, "MICROSECOND"
        )
        self.history.setdefault(id_, []).append(change)
        return change

    def _item(self, keys: Item, writing: Writing) -> Item:
        kind = TYPES[writing.amount % 3]
        item = keys | {
            "status": {"S": "CLOSED" if writing.amount % 4 == 3 else "OPEN"},
            "total": {"N": f"{self._sequence % 1_000_000}.0000000000000000000000000000001"},
            "note": {"S": "x" * writing.padding},
            "born": POISON if writing.is_poison else HARMLESS,
        }
        return item | ({"kind": {"S": kind}} if kind else {})

    def read_item(self, _table: str, keys: Item) -> Item | None:
        """The item of the table now."""
        found = (item for item in list(self.state.items.values()) if keys.items() <= item.items())
        return next(found, None)

    # -- delivery --------------------------------------------------------------------------------------------------

    def _build(self, engine: SearchEngine) -> Pipeline:
        ports = MortalPorts(engine, self.read_item, self.bucket, self.troubles)
        specs = model_specs(self.prefix, self.schedule.on_type_conflict, FIELDS)
        policy = DeliveryPolicy(max_bulk_bytes=self.schedule.max_bulk_bytes, grace_seconds=GRACE_SECONDS)
        return Pipeline(specs, ports, ports, ports, self._clock, policy)

    def _deliver(self, changes: Sequence[Change]) -> None:
        """To every function at once, the first of them in this thread."""
        errors: list[BaseException] = []
        shards = [
            (mapping, [_record_of(change, source) for change in changes], errors)
            for mapping, source in zip(self.mappings, cycle(self.table.sources))
        ]
        others = [threading.Thread(target=_run, args=shard) for shard in shards[1:]]
        for thread in others:
            thread.start()
        _run(*shards[0])
        for thread in others:
            thread.join()
        if errors:
            raise errors[0]

    def _watch_replay(self, step: Step) -> None:
        if step.report is not None:
            self._check_account(step.report, step.report.account.records_in)
            self.counts["replayed"] += step.report.account.records_in

    def _next_budget(self) -> float:
        with self._lock:
            number = self.counts["invocations"]
            self.counts["invocations"] += 1
        if self.troubles.find("invocations", BUDGET_FAULTS):
            return (-1.0, 0.0, 0.002, 0.01)[number % 4]
        return self.schedule.budgets[number % len(self.schedule.budgets)]

    def _take_in(self, report: BatchReport, wires: Sequence[Item]) -> None:
        self._check_account(report, len(wires))
        for wire, outcome in zip(wires, report.outcomes, strict=True):
            if outcome is Outcome.DEAD_LETTERED:
                self.lettered.add(event_id_of(wire))

    def _check_account(self, report: BatchReport, given: int) -> None:
        account = report.account.as_dict()
        with self._lock:
            self.counts.update(report.counts)
            self.counts.update(account)
        if account.pop("records_in") != given or sum(account.values()) != given:
            raise AssertionError(f"{given} records went in and the account says {account}")

    def _check_time(self, over: float) -> None:
        if over > GRACE_SECONDS + NOISE_SECONDS:
            raise AssertionError(f"an invocation took {over:.1f} s more than its budget")


def _record_of(change: Change, source: str) -> StreamRecord:
    """The change as a stream of the table brings it."""
    is_kinesis = source == "kinesis"
    wire = kinesis_record(change, 10**55 + change.sequence) if is_kinesis else stream_record(change)
    position = wire["kinesis"]["sequenceNumber"] if is_kinesis else wire["dynamodb"]["SequenceNumber"]
    return StreamRecord(position, repr(change.keys).encode(), 0.0, orjson.dumps(wire))


def event_id_of(wire: Item) -> str:
    """The event id of the change itself, which is inside a Kinesis record's data."""
    [record] = decode_event({"Records": [wire]})
    return str(getattr(record, "event_id", None))


def _kinds(schedule: Schedule) -> set[str]:
    return {fault.kind for fault in schedule.faults}


def _run(mapping: Mapping, records: Sequence[StreamRecord], errors: list[BaseException]) -> None:
    try:
        mapping.deliver(records)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the schedule's verdict
        errors.append(error)
