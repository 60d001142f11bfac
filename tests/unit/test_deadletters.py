"""The writer of dead letters takes whatever comes: the failure path has no failure path of its own."""

import json

import orjson
import pytest
from builders import Indexer, change_record, order, sequence_number
from hypothesis import example, given, settings
from hypothesis import strategies as st
from kinesis_builders import kinesis_change
from replay_builders import Post, parked_batch

from tailrace.adapters.memory import MemoryDeadLetters
from tailrace.deadletters import History, dead_letter, parked_key, store_dead_letter
from tailrace.letterboxes import StoredObject
from tailrace.outcomes import Outcome
from tailrace.parcels import Parcel, open_parcel
from tailrace.ports import ItemResult
from tailrace.records import Undecodable

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
FIELDS = ("eventSource", "eventSourceARN", "eventName", "eventID", "dynamodb", "kinesis", "userIdentity")
WELL_FORMED = (change_record(), kinesis_change())


def with_holes(wire, holes):
    """A record some of whose fields are absent or something else."""
    return {name: holes.get(name, value) for name, value in wire.items() if holes.get(name, value) != "absent"}


WIRES = ANYTHING | st.builds(
    with_holes, st.sampled_from(WELL_FORMED), st.dictionaries(st.sampled_from(FIELDS), ANYTHING | st.just("absent"))
)


@settings(max_examples=150, deadline=None)
@given(WIRES)
@example(None)
@example({"eventSource": "aws:dynamodb", "eventSourceARN": None, "dynamodb": None})
@example({"eventSource": "aws:kinesis", "eventID": None, "kinesis": {"data": None, "sequenceNumber": None}})
def test_failure_51_a_record_is_indexed_or_a_letter_that_holds_it_complete_and_its_neighbour_is_indexed(wire):
    indexer = Indexer()

    report = indexer.index(wire, change_record(new=order("o-2"), sequence=2))

    kept = [json.loads(body)["record"] for body in indexer.letters.letters.values()]
    assert kept == ([wire] if report.outcomes[0] is Outcome.DEAD_LETTERED else [])
    assert report.outcomes[0] in (Outcome.DEAD_LETTERED, Outcome.INDEXED)
    assert report.outcomes[1] is Outcome.INDEXED


@settings(max_examples=100, deadline=None)
@given(
    st.builds(
        Undecodable,
        reason=st.text(max_size=5),
        detail=st.text(max_size=5),
        position=st.none() | st.text(max_size=5),
        source=st.text(max_size=5),
        source_arn=st.none() | st.text(max_size=5),
        wire=ANYTHING,
        table=st.none() | st.just("orders"),
    )
)
def test_failure_51_a_letter_of_anything_can_be_replayed(record):
    store = MemoryDeadLetters()

    assert store_dead_letter(store, record, record.reason, record.detail, 0, 1_763_726_400) is True

    [(key, body)] = store.letters.items()
    parcel = open_parcel(StoredObject(key, len(body), 0), body, 5)
    assert isinstance(parcel, Parcel)
    assert (parcel.records[0].wire, parcel.reason) == (record.wire, record.reason)


@pytest.mark.parametrize("wire", [{1: {2}, "x": 1}, float("nan")], ids=["not JSON", "not a number"])
def test_failure_51_what_no_json_can_hold_is_kept_as_text_or_fails_and_never_raises(wire):
    store = MemoryDeadLetters()

    is_durable = store_dead_letter(store, Undecodable("r", "d", None, "s", None, wire), "r", "d", 0, 0)

    assert is_durable == bool(store.letters)


def test_failure_51_a_record_too_deep_for_json_fails_and_is_not_lost():
    wire = []
    for _ in range(100_000):
        wire = [wire]
    indexer = Indexer()

    report = indexer.index(change_record(sequence=1), {"eventSource": "aws:dynamodb", "dynamodb": {"Keys": wire}})

    assert report.account.as_dict()["failed"] == 1
    assert report.as_response() == {"batchItemFailures": [{"itemIdentifier": ""}]}  # no position: the whole batch again
    assert "o-1" in indexer.engine.visible("orders")


def test_failure_51_a_store_that_is_down_fails_the_record():
    indexer = Indexer(letters=MemoryDeadLetters(is_down=True))

    report = indexer.index({"eventSource": "aws:sqs"}, change_record(new=order(total={"N": "x"})))

    assert report.account.as_dict()["failed"] == 2


def test_a_history_without_a_letter_says_only_what_brought_the_record():
    record = Undecodable("r", "d", None, "replay", None, {})

    letter = dead_letter(record, "r", "d", 1, 0.0, History(2, 0, kind="kinesis"))

    assert (letter["attempts"], letter["hops"], letter["source"]["kind"]) == (3, 0, "kinesis")


def test_a_parked_key_has_the_same_tail_and_is_parked_once():
    assert parked_key("dead-letters/orders/2026/11/21/ab.json") == "parked/orders/2026/11/21/ab.json"
    assert parked_key("parked/orders/2026/11/21/ab.json") == "parked/orders/2026/11/21/ab.json"


# -- a record that fails for good does not hold up its shard ----------------------------------------------------------


def test_failure_81_records_after_a_failed_one_come_again_harmlessly_and_what_is_given_up_is_replayed():
    post = Post()
    wires = [change_record(new=order(f"o-{n}"), sequence=n) for n in range(1, 6)]
    post.items.tables["orders"] = [order(f"o-{n}") for n in range(1, 6)]
    post.engine.refuse = lambda alias, id_, source: ItemResult(429, "busy", "no") if id_ == "o-3" else None

    first = post.index(*wires, seconds=1)
    again = [post.index(*wires[2:], seconds=1).account.as_dict() for _ in range(3)]

    assert first.as_response() == {"batchItemFailures": [{"itemIdentifier": sequence_number(3)}]}
    assert [(each["failed"], each["duplicate"]) for each in again] == [(1, 2)] * 3
    post.park(*wires[2:])  # the mapping's attempts are used up: it parks what is left, and the shard moves on
    post.mend()
    assert post.index(change_record(new=order("o-6"), sequence=6)).account.as_dict()["indexed"] == 1
    assert post.replay().outcomes == {"indexed": 1, "duplicate": 2}
    assert (post.held(), len(post.engine.visible("orders"))) == ([], 6)


def test_failure_81_the_payload_that_is_given_up_holds_the_records_as_they_came():
    wires = [change_record(sequence=1), change_record("REMOVE", sequence=2)]

    assert orjson.loads(parked_batch(*wires)["payload"])["Records"] == wires
