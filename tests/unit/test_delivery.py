"""Delivery under fire, on the twins: the circuit, the time budget, illegal actions, refused indices, late changes."""

from dataclasses import dataclass, field

import orjson
import pytest
from builders import SECOND, Indexer, change_record, event, order, sequence_number, tables

from tailrace.actions import Action
from tailrace.adapters.memory import ManualClock, MemoryDeadLetters, MemoryEngine, MemoryItems
from tailrace.budgets import TimeBudget
from tailrace.bulk import is_legal
from tailrace.deadletters import History
from tailrace.decoding import decode_event
from tailrace.delivery import DeliveryPolicy
from tailrace.failures import EngineError, PartialAnswerError
from tailrace.outcomes import Outcome
from tailrace.pipeline import Pipeline
from tailrace.settings import DEFAULT_TIME_MARGIN_MS
from tailrace.versions import MAX_VERSION

ONE_BY_ONE = DeliveryPolicy(max_bulk_actions=1)


def insert(id_, sequence=1, **fields):
    return change_record(op="INSERT", new=order(id_), sequence=sequence, **fields)


def action(id_="o-1", version=1, alias="orders"):
    return Action(alias, id_, version, None, b"{}", Outcome.INDEXED, 0)


@dataclass
class Faulty(MemoryEngine):
    """A twin whose calls fail as `faults` say, one for each bulk request, and which remembers the timeouts given."""

    faults: list[EngineError | None] = field(default_factory=list)
    creation: EngineError | None = None
    timeouts: list[float] = field(default_factory=list)
    requests: int = 0

    def bulk(self, body, count, timeout=30.0):
        self.requests += 1
        self.timeouts.append(timeout)
        if self.faults and (fault := self.faults.pop(0)):
            raise fault
        return super().bulk(body, count)

    def ensure_index(self, alias, request, timeout=30.0):
        if self.creation and not alias.startswith("good"):
            raise self.creation
        return super().ensure_index(alias, request)


@dataclass
class SlowLetters(MemoryDeadLetters):
    """A store that takes 4 seconds for each letter."""

    clock: ManualClock = field(default_factory=ManualClock)

    def put(self, key, body):
        self.clock.sleep(4)
        super().put(key, body)


def down():
    return EngineError(503, "no answer from the engine")


# -- the circuit --------------------------------------------------------------------------------------------------


def test_after_a_request_that_found_no_engine_the_rest_of_the_round_waits():
    indexer = Indexer(engine=Faulty(aliases={"orders"}, faults=[down()]), policy=ONE_BY_ONE)

    report = indexer.index(*(insert(f"o-{n}", n) for n in range(1, 11)))

    assert report.account.as_dict()["indexed"] == 10
    assert indexer.engine.requests == 11
    assert report.counts["circuit_openings"] == 1


def test_with_the_engine_away_each_round_asks_once():
    indexer = Indexer(engine=Faulty(aliases={"orders"}, faults=[down()] * 100), policy=ONE_BY_ONE)

    report = indexer.index(*(insert(f"o-{n}", n) for n in range(1, 11)), seconds=10)

    assert report.account.as_dict()["failed"] == 10
    assert indexer.engine.requests == len(indexer.clock.slept) + 1 == report.counts["circuit_openings"]


def test_failure_37_a_document_that_is_refused_opens_no_circuit():
    indexer = Indexer(engine=Faulty(aliases={"orders"}, faults=[EngineError(413, "")]), policy=ONE_BY_ONE)

    report = indexer.index(*(insert(f"o-{n}", n) for n in range(1, 4)))

    assert report.account.as_dict() | {"indexed": 2, "dead_lettered": 1} == report.account.as_dict()
    assert "circuit_openings" not in report.counts
    assert indexer.clock.slept == []


# -- the time budget ----------------------------------------------------------------------------------------------


def test_failure_44_no_call_may_outlast_the_time_budget_by_more_than_the_grace():
    indexer = Indexer(engine=Faulty(aliases={"orders"}))

    indexer.index(insert("o-1"), seconds=3)

    assert indexer.engine.timeouts == [5.0]


def test_a_call_never_takes_more_than_its_own_limit():
    indexer = Indexer(engine=Faulty(aliases={"orders"}))

    indexer.index(insert("o-1"), seconds=600)

    assert indexer.engine.timeouts == [30.0]


def test_the_grace_leaves_more_than_half_of_the_margin_for_letters_and_answer():
    assert TimeBudget(ManualClock(), 0).grace_seconds * 1000 * 2 < DEFAULT_TIME_MARGIN_MS


def test_failure_58_dead_letters_that_do_not_fit_into_the_time_come_with_the_next_attempt():
    clock = ManualClock()
    indexer = Indexer(letters=SlowLetters(clock=clock), clock=clock)
    poison = [insert(f"o-{n}", n, eventName="UPSERT") for n in range(1, 41)]

    report = indexer.index(*poison, seconds=10)

    assert report.account.as_dict() | {"dead_lettered": 16, "failed": 24} == report.account.as_dict()
    assert report.as_response() == {"batchItemFailures": [{"itemIdentifier": sequence_number(17)}]}
    assert {problem.reason for problem in report.problems} == {"undecodable", "time_budget"}


def test_without_any_time_left_some_dead_letters_are_stored_all_the_same():
    indexer = Indexer()

    report = indexer.index(*(insert(f"o-{n}", n, eventName="UPSERT") for n in range(1, 18)), seconds=-1)

    assert report.as_response() == {"batchItemFailures": [{"itemIdentifier": sequence_number(17)}]}


def test_no_item_is_read_when_the_time_is_up():
    indexer = Indexer(items=MemoryItems({"orders": [order("o-1")]}))
    keys_only = insert("o-1")
    keys_only["dynamodb"] |= {"StreamViewType": "KEYS_ONLY"}
    del keys_only["dynamodb"]["NewImage"]

    report = indexer.index(keys_only, seconds=-1)

    assert [problem.reason for problem in report.problems] == ["time_budget"]


# -- what is never sent -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("refused", "why"),
    [
        (action(id_=""), "an empty id"),
        (action(id_="é" * 257), "an id of 514 bytes"),
        (action(version=-1), "a negative version"),
        (action(version=MAX_VERSION + 1), "a version of 2^63"),
    ],
)
def test_failures_9_10_38_an_action_that_would_fail_its_whole_request_is_illegal(refused, why):
    assert not is_legal(refused), why


@pytest.mark.parametrize("accepted", [action(), action(id_="é" * 256), action(version=0), action(version=MAX_VERSION)])
def test_an_action_at_the_limits_is_legal(accepted):
    assert is_legal(accepted)


def test_failure_10_a_version_that_settling_pushes_over_the_end_is_one_dead_letter():
    indexer = Indexer()
    indexer.index(insert("o-1"))
    indexer.engine.versions["orders", "o-1"] = MAX_VERSION

    report = indexer.index(insert("o-1", 2), insert("o-2", 3))

    assert [(problem.position, problem.reason) for problem in report.problems] == [
        (sequence_number(2), "illegal_action")
    ]
    assert report.account.as_dict()["indexed"] == 1


# -- an index that the engine refuses -----------------------------------------------------------------------------


def test_failures_36_37_a_table_whose_index_is_refused_stops_no_other():
    refusal = EngineError(400, "the engine answered 400 mapper_parsing_exception", "mapper_parsing_exception")
    indexer = Indexer(engine=Faulty(creation=refusal))

    report = indexer.index(insert("o-1"), insert("o-2", 2, table="good"))

    assert [(problem.table, problem.reason) for problem in report.problems] == [("orders", "index_refused")]
    assert report.account.as_dict()["indexed"] == 1
    assert indexer.clock.slept == []
    (letter,) = map(orjson.loads, indexer.letters.letters.values())
    assert letter["detail"].startswith("The engine refuses to create the index: mend the table's spec")


def test_without_room_for_another_index_the_records_wait():
    indexer = Indexer(engine=Faulty(creation=EngineError(400, "400", "validation_exception")))

    report = indexer.index(insert("o-1"))

    assert report.account.as_dict()["failed"] == 1
    assert indexer.letters.letters == {}


# -- late changes -------------------------------------------------------------------------------------------------


def replay(indexer, *records, hops=1):
    pipeline = Pipeline(indexer.tables, indexer.engine, indexer.letters, indexer.items, indexer.clock, indexer.policy)
    histories = [History(3, hops)] * len(records)
    return pipeline.process(decode_event(event(*records)), indexer.clock.now() + 30, histories)


def outcomes(report):
    return {name: count for name, count in report.account.as_dict().items() if count and name != "records_in"}


def test_failure_52_a_replay_over_newer_data_sends_nothing():
    indexer = Indexer(items=MemoryItems({"orders": [order("o-1")]}))
    indexer.index(insert("o-1", 5, second=SECOND + 3 * 86_400))
    indexer.engine.bodies.clear()

    assert outcomes(replay(indexer, insert("o-1", 2))) == {"stale": 1}
    assert indexer.engine.bodies == []


def test_failure_2_a_replayed_insert_of_an_item_that_is_gone_stays_away_when_its_tombstone_was_swept():
    indexer = Indexer()

    assert outcomes(replay(indexer, insert("o-1"))) == {"stale": 1}
    assert indexer.engine.visible("orders") == {}


def test_what_the_index_does_not_know_is_what_the_table_says_now():
    indexer = Indexer(items=MemoryItems({"orders": [order("o-1", status={"S": "SHIPPED"})]}))

    assert outcomes(replay(indexer, insert("o-1"))) == {"indexed": 1}
    assert indexer.engine.visible("orders")["o-1"]["status"] == "SHIPPED"
    assert indexer.engine.versions["orders", "o-1"] == SECOND * 10**9


def test_a_replayed_removal_leaves_a_tombstone():
    indexer = Indexer()

    assert outcomes(replay(indexer, change_record(op="REMOVE"))) == {"deleted": 1}
    assert indexer.engine.visible("orders") == {}


def test_a_replay_over_older_data_writes_above_it():
    indexer = Indexer()
    indexer.index(insert("o-1", 1))

    report = replay(indexer, change_record(op="MODIFY", new=order(total={"N": "7"}), sequence=2))

    assert outcomes(report) == {"indexed": 1}
    assert indexer.engine.visible("orders")["o-1"]["total"] == 7
    assert indexer.engine.versions["orders", "o-1"] == SECOND * 10**9 + 1


def test_a_replay_does_not_write_while_the_table_does_not_answer():
    indexer = Indexer(items=MemoryItems(is_down=True))

    report = replay(indexer, insert("o-1"))

    assert outcomes(report) == {"failed": 1}
    assert [problem.reason for problem in report.problems] == ["undecided"]


def test_what_fails_again_keeps_its_history():
    indexer = Indexer()

    replay(indexer, insert("o-1", eventName="UPSERT"), hops=2)

    (letter,) = map(orjson.loads, indexer.letters.letters.values())
    assert (letter["attempts"], letter["hops"]) == (3, 2)


def test_hard_deletes_are_replayed_without_a_tombstone():
    indexer = Indexer(tables=tables(deletes="hard"))
    indexer.index(insert("o-1"))

    assert outcomes(replay(indexer, change_record(op="REMOVE", sequence=2))) == {"deleted": 1}
    assert indexer.engine.documents == {}


def refused_as_it_came(**changes):
    """A record that no live invocation takes."""
    record = insert("o-1", 2)
    record["dynamodb"] |= changes
    return record


@pytest.mark.parametrize(
    "record",
    [
        refused_as_it_came(NewImage={"id": {"S": "o-1"}, "total": {"N": "x"}}),
        refused_as_it_came(ApproximateCreationDateTime=-5),
    ],
    ids=["illegal item", "illegal version"],
)  # fmt: skip
def test_a_record_that_is_wrong_in_itself_is_replayed_as_the_table_tells_it(record):
    indexer = Indexer(items=MemoryItems({"orders": [order("o-1", status={"S": "SHIPPED"})]}))
    assert outcomes(indexer.index(record)) == {"dead_lettered": 1}

    assert outcomes(replay(indexer, record)) == {"indexed": 1}
    assert indexer.engine.visible("orders")["o-1"]["status"] == "SHIPPED"


def test_a_record_that_is_wrong_in_itself_and_in_the_table_stays_a_dead_letter():
    indexer = Indexer(items=MemoryItems({"orders": [order("o-1", total={"N": "x"})]}))

    assert outcomes(replay(indexer, refused_as_it_came(NewImage={"id": {"S": "o-1"}, "total": {"N": "x"}}))) == {
        "dead_lettered": 1
    }


@dataclass
class Unreadable(MemoryEngine):
    """A twin that cannot read one document."""

    def read_stored(self, documents, timeout=30.0):
        if ("orders", "o-2") in documents:
            raise PartialAnswerError(503, "a document could not be read")
        return super().read_stored(documents)


def test_a_document_that_cannot_be_read_holds_back_no_other():
    indexer = Indexer(engine=Unreadable())
    indexer.index(*(insert(f"o-{n}", n) for n in range(1, 5)))

    report = indexer.index(*(insert(f"o-{n}", n) for n in range(1, 5)), seconds=2)

    assert outcomes(report) == {"failed": 1, "duplicate": 3}
