"""The world of one history: tables that say what is true, sources that tell of it, and functions that may die.

Invariant: a record counts as delivered only when an invocation took it in and did not report it; after `settle_down`
every record was delivered, so that the index must say what the tables say.
"""

import json
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import orjson

from model.faults import Crash, Moment, Ports
from model.own_tombstones import OwnTombstones
from model.states import Pool, Shard, TableState
from model.steps import WAITS_US, History, Step
from model.tables import KEYS, TABLES, TYPES, key_of
from model.wires import Change, Item, kinesis_record, scan_record, stream_record
from tailrace.adapters.memory import ManualClock
from tailrace.decoding import decode_event
from tailrace.pipeline import Pipeline
from tailrace.ports import SearchEngine
from tailrace.raw_events import RawEvent
from tailrace.sweeping import Sweeper, TombstoneStore
from tailrace.tables import Tables

# 21 digits that become 22, and 24 digits whose low nine wrap, both within the first few changes.
FIRST_SEQUENCES = (999_999_999_999_999_999_990, 111_000_000_000_000_999_999_990)
HORIZON_SECONDS = 15 * 86_400  # over the default tombstone_days of 14
LONG_BUDGET_SECONDS, SHORT_BUDGET_SECONDS = 30.0, 0.12
PRECISIONS = ("MICROSECOND", None, "MILLISECOND")


class World:
    """One history's world. `tag` begins every key of it, so that many worlds share an index."""

    def __init__(self, tag: str, engine: SearchEngine, tombstones: TombstoneStore, specs: Tables) -> None:
        self.clock = ManualClock()
        self.states = [TableState(table) for table in TABLES]
        self.ports = Ports(engine, self._read_item)
        self.counts = self.ports.counts
        self.tag = tag
        self._pipelines = [Pipeline(specs, self.ports, self.ports, self.ports, self.clock) for _ in range(2)]
        self._specs = specs
        self._tombstones = tombstones
        self._counter = 0
        self._sequence = FIRST_SEQUENCES[0]
        self._precision = 0

    def expected(self) -> dict[tuple[str, str], Any]:
        """What the read aliases must show in the end."""
        return {document: source for state in self.states for document, source in state.expected().items()}

    # -- running ---------------------------------------------------------------------------------------------------

    def run(self, history: History) -> None:
        """Every step, and then until nothing is left to deliver."""
        self._sequence = FIRST_SEQUENCES[len(history) % 2]
        for step in history:
            self.take(step)
        self.settle_down()

    def take(self, step: Step) -> None:
        """One step."""
        self.counts["operations"] += 1
        _STEPS[step.kind](self, self.states[step.table % len(TABLES)], step)

    def settle_down(self) -> None:
        """Deliver all that is left, with nothing going wrong any more."""
        for state in self.states:
            for shard in state.shards:
                while shard.checkpoint < len(shard.log):
                    self._deliver_shard(shard, Step("deliver", amount=7))
            while state.pool.waiting:
                self._deliver_pool(state.pool, Step("deliver", amount=5))
            self.write_scan(state, Step("write scan"))
        self.replay_letters(self.states[0], Step("letters"))

    # -- the tables ------------------------------------------------------------------------------------------------

    def put(self, state: TableState, step: Step) -> None:
        """Write an item: its type, its status and its content change."""
        self._counter += 1
        keys, _ = key_of(state.table, step.key, self.tag)
        kind = TYPES[step.amount % 3]
        item = keys | {
            "status": {"S": "CLOSED" if step.amount % 4 == 3 else "OPEN"},
            "total": {"N": f"{self._counter}.0000000000000000000000000000000001"},
            "blob": {"B": b"\x00\xff%d" % self._counter},
            "tags": {"SS": ["b", "a"]},
        }
        item |= {"kind": {"S": kind}} if kind else {}
        self._change(state, step.key, item, is_ttl=False)

    def remove(self, state: TableState, step: Step) -> None:
        """Remove an item, by hand or by its time to live."""
        if key_of(state.table, step.key, self.tag)[1] in state.items:
            self._change(state, step.key, None, is_ttl=step.amount % 3 == 0)

    def _change(self, state: TableState, key: int, new: Item | None, is_ttl: bool) -> None:
        keys, id_ = key_of(state.table, key, self.tag)
        old = state.items.pop(id_, None)
        if new is not None:
            state.items[id_] = new
        operation = "REMOVE" if new is None else "INSERT" if old is None else "MODIFY"
        self._sequence += 1 + self._sequence % 7
        now_us, precision = round(self.clock.now() * 1_000_000), PRECISIONS[self._precision % 3]
        change = Change(state.table.name, operation, keys, new, old, self._sequence, now_us, is_ttl, precision)
        if "streams" in state.table.sources:
            state.shards[key % KEYS % 2].log.append(change)
        if "kinesis" in state.table.sources:
            state.pool.waiting.append(len(state.pool.log))
            state.pool.log.append(change)

    def wait(self, _state: TableState, step: Step) -> None:
        """Time goes by: nothing, a tick, within the second, over it, or hours."""
        self.clock.seconds += WAITS_US[step.amount % len(WAITS_US)] / 1_000_000

    def change_precision(self, _state: TableState, _step: Step) -> None:
        """The Kinesis destination is set to another unit; two milliseconds apart, since ms cannot order within one."""
        self.clock.seconds += 0.002
        self._precision += 1
        self.clock.seconds += 0.002

    def _read_item(self, table: str, keys: Item) -> Item | None:
        state = next(state for state in self.states if state.table.name == table)
        found = (item for item in state.items.values() if keys.items() <= item.items())
        return next(found, None)

    # -- the sources -----------------------------------------------------------------------------------------------

    def deliver(self, state: TableState, step: Step) -> None:
        """One invocation with the next records of a shard, or with any records of a pool."""
        if self._is_of_pool(state, step):
            self._deliver_pool(state.pool, step)
        else:
            self._deliver_shard(state.shards[step.key % KEYS % 2], step)

    def _is_of_pool(self, state: TableState, step: Step) -> bool:
        return "kinesis" in state.table.sources and (len(state.table.sources) == 1 or step.amount % 2 == 1)

    def _deliver_shard(self, shard: Shard, step: Step) -> None:
        start = shard.checkpoint
        batch = shard.log[start : start + 1 + step.amount % 7]
        if not batch:
            return
        accepted = self._invoke(_stream_records(batch), step)
        if shard.checkpoint == start:  # else another instance has moved on meanwhile
            shard.checkpoint += accepted.index(False) if False in accepted else len(accepted)

    def _deliver_pool(self, pool: Pool, step: Step) -> None:
        chosen = Random(step.amount).sample(pool.waiting, min(len(pool.waiting), 1 + step.amount % 5))
        known = range(pool.replayable_from, len(pool.log))
        if known and step.amount % 3 == 0:
            chosen.insert(step.amount % (len(chosen) + 1), known[step.amount % len(known)])
        if not chosen:
            return
        accepted = self._invoke(self._kinesis_records(pool, chosen), step)
        done = {number for number, was_accepted in zip(chosen, accepted, strict=True) if was_accepted}
        pool.waiting = [number for number in pool.waiting if number not in done]

    def _kinesis_records(self, pool: Pool, numbers: Sequence[int]) -> list[Any]:
        wires = []
        for number in numbers:
            self._counter += 1
            wires.append(kinesis_record(pool.log[number], 10**55 + self._counter))
        return _decode(wires)

    def rewind(self, state: TableState, step: Step) -> None:
        """The checkpoint was not kept: an earlier one counts, and all after it comes again."""
        shard = state.shards[step.key % KEYS % 2]
        shard.checkpoint = max(shard.replayable_from, shard.checkpoint - 1 - step.amount % 9)

    def replay(self, state: TableState, step: Step) -> None:
        """Records that were delivered before, any of them, in any order."""
        random = Random(step.amount)
        if self._is_of_pool(state, step):
            numbers = sorted(set(range(state.pool.replayable_from, len(state.pool.log))) - set(state.pool.waiting))
            records = self._kinesis_records(state.pool, random.sample(numbers, min(len(numbers), 1 + step.amount % 3)))
        else:
            shard = state.shards[step.key % KEYS % 2]
            known = shard.log[shard.replayable_from : shard.checkpoint]
            records = _stream_records(random.sample(known, min(len(known), 1 + step.amount % 3)))
        if records:
            self._invoke(records, step)

    def scan(self, state: TableState, step: Step) -> None:
        """A backfill begins, or goes on and reads one item."""
        if state.scan_began_us is None:
            state.scan_began_us = round(self.clock.now() * 1_000_000)
        keys, id_ = key_of(state.table, step.key, self.tag)
        if id_ not in state.items:
            return
        self._counter += 1
        item = state.items[id_]
        state.scanned.append(scan_record(state.table.name, keys, item, state.scan_began_us, self._counter))

    def write_scan(self, state: TableState, step: Step) -> None:
        """The backfill writes what it has read so far; what failed is written again later."""
        records = list(state.scanned)
        if not records:
            return
        accepted = self._invoke(records, step)
        if step.fault == "refused":  # a backfill's dead letters are not replayed here: it reads and writes again
            return
        done = {id(record) for record, was_accepted in zip(records, accepted, strict=True) if was_accepted}
        state.scanned = [record for record in state.scanned if id(record) not in done]

    def replay_letters(self, _state: TableState, step: Step) -> None:
        """Dead letters take their way again."""
        letters = dict(self.ports.letters)
        wires = [json.loads(body)["record"] for body in letters.values()]
        self.ports.letters.clear()
        for source in ("aws:dynamodb", "aws:kinesis"):
            records = decode_event({"Records": [wire for wire in wires if wire.get("eventSource") == source]})
            if records and not all(self._invoke(records, step)):
                self.ports.letters.update(letters)

    def sweep(self, state: TableState, step: Step) -> None:
        """All is delivered, the horizon passes, and the sweeper comes; in between, other things may happen.

        No record from before the horizon comes again: that is what the horizon promises.
        """
        if self.ports.moments:  # no invocation lasts for days
            return
        self.settle_down()
        for each in self.states:
            each.forget_history()
        self.clock.seconds += HORIZON_SECONDS
        own = OwnTombstones(self._tombstones, state.table, self.tag, lambda: self._pass_meanwhile(step))
        report = Sweeper(self._specs, own, self.clock).sweep(self.clock.now() + LONG_BUDGET_SECONDS)
        report.raise_for_failures()
        self.counts["swept"] += sum(swept.removed for swept in report.swept)

    # -- the function ----------------------------------------------------------------------------------------------

    def _invoke(self, records: list[Any], step: Step) -> list[bool]:
        """One invocation: which records are taken in for good. None of them when the function dies."""
        moment = Moment(step.fault, step.at, lambda: self._pass_meanwhile(step))
        self.ports.moments.append(moment)
        budget = SHORT_BUDGET_SECONDS if step.fault == "out of time" else LONG_BUDGET_SECONDS
        pipeline = self._pipelines[len(self.ports.moments) % 2]
        try:
            report = pipeline.process(records, self.clock.now() + budget)
        except Crash:
            self.counts["crashes"] += 1
            return [False] * len(records)
        finally:
            self.ports.moments.pop()
        self.counts["invocations"] += 1
        self.counts.update(report.counts)
        account = report.account.as_dict()
        self.counts.update(account)
        _check_conservation(records, account)
        return _accepted(records, report.as_response())

    def _pass_meanwhile(self, step: Step) -> None:
        for inner in step.meanwhile:
            self.take(inner)


def _check_conservation(records: list[Any], account: dict[str, int]) -> None:
    given = account.pop("records_in")
    if given != len(records) or sum(account.values()) != given:
        raise AssertionError(f"{len(records)} records went in and the account says {account}")


def _stream_records(changes: Sequence[Change]) -> list[Any]:
    return _decode([stream_record(change) for change in changes])


def _decode(wires: list[Any]) -> list[Any]:
    """As Lambda hands them over: as text."""
    return decode_event(RawEvent(orjson.dumps({"Records": wires})))


def _accepted(records: list[Any], response: dict[str, Any]) -> list[bool]:
    """The lowest reported position rules: it and all after it come again; an empty one means all."""
    failed = response["batchItemFailures"]
    if not failed:
        return [True] * len(records)
    if failed[0]["itemIdentifier"] == "":
        return [False] * len(records)
    lowest = int(failed[0]["itemIdentifier"])
    return [int(record.position) < lowest for record in records]


_STEPS: dict[str, Callable[[World, TableState, Step], None]] = {
    "put": World.put,
    "remove": World.remove,
    "wait": World.wait,
    "deliver": World.deliver,
    "rewind": World.rewind,
    "replay": World.replay,
    "scan": World.scan,
    "write scan": World.write_scan,
    "letters": World.replay_letters,
    "precision": World.change_precision,
    "sweep": World.sweep,
}
