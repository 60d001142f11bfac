"""Order without sequence numbers: Kinesis repeats, reorders and ties, and the index still ends as the table."""

import orjson
import pytest
from builders import Indexer, change_record, order, tables
from hypothesis import given, settings
from hypothesis import strategies as st
from kinesis_builders import (
    MICROSECOND,
    envelope,
    kinesis_change,
    kinesis_payload,
    kinesis_position,
    kinesis_record,
)

LATER = MICROSECOND + 1
TYPED = {"type_attribute": "status"}


def write(total, at=MICROSECOND, position=1, op="MODIFY", id_="o-1"):
    return kinesis_change(op, new=order(id_, total={"N": total}), old=order(id_), at=at, position=position)


def remove(at=MICROSECOND, position=1):
    return kinesis_change("REMOVE", at=at, position=position)


def indexer_of(*items, **spec):
    """An indexer whose table holds these items."""
    indexer = Indexer(tables=tables(source="kinesis", **spec))
    indexer.items.tables["orders"] = list(items)
    return indexer


def without_table(**spec):
    """An indexer whose table answers no read: what it still decides is decided by the records alone."""
    indexer = indexer_of(**spec)
    indexer.items.is_down = True
    return indexer


def total_of(indexer, alias="orders", id_="o-1"):
    return indexer.engine.visible(alias)[id_]["total"]


def response(position):
    return {"batchItemFailures": [{"itemIdentifier": kinesis_position(position)}]}


# -- what the records themselves decide -----------------------------------------------------------------------------


def test_failure_19_a_remove_by_kinesis_removes():
    indexer = without_table()

    assert indexer.counts(write("1"), remove(LATER, 2)) == {"superseded": 1, "deleted": 1}
    assert indexer.engine.visible("orders") == {}


def test_trap_13_an_older_change_that_comes_later_is_stale():
    indexer = without_table()
    indexer.index(write("2", LATER))

    assert indexer.counts(write("1")) == {"stale": 1}
    assert total_of(indexer) == 2


def test_trap_13_within_a_batch_the_instants_decide_and_not_the_arrival():
    indexer = without_table()

    assert indexer.counts(write("2", LATER), write("1", position=2)) == {"superseded": 1, "indexed": 1}
    assert total_of(indexer) == 2


def test_trap_13_a_late_write_does_not_bring_back_a_removed_item():
    indexer = without_table()
    indexer.index(remove(LATER))

    assert indexer.counts(write("1")) == {"stale": 1}
    assert indexer.engine.visible("orders") == {}


def test_a_record_that_comes_again_is_a_duplicate_and_the_table_is_not_read():
    indexer = without_table()
    indexer.index(write("1"))

    assert indexer.counts(write("1")) == {"duplicate": 1}


def test_a_record_that_is_twice_in_a_batch_counts_once_and_the_table_is_not_read():
    indexer = without_table()
    twin = write("1") | {"eventID": "shardId-000000000001:1"}

    assert indexer.counts(write("1"), twin) == {"superseded": 1, "indexed": 1}


def test_a_record_that_is_not_base64_is_a_dead_letter_and_its_neighbours_are_indexed():
    indexer = without_table()
    odd = kinesis_record(b"", position=2)
    odd["kinesis"]["data"] = "not base64!"

    assert indexer.counts(write("1"), odd, write("2", position=3, id_="o-2")) == {"indexed": 2, "dead_lettered": 1}


# -- what only the table decides --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("first", "second"), [("1", "2"), ("2", "1")])
@pytest.mark.parametrize("is_one_batch", [True, False])
def test_trap_13_of_two_changes_of_one_microsecond_the_one_in_the_table_wins(first, second, is_one_batch):
    indexer = indexer_of(order(total={"N": "2"}))
    records = [write(first), write(second, position=2)]

    for batch in [records] if is_one_batch else [[record] for record in records]:
        indexer.index(*batch)

    assert total_of(indexer) == 2


@pytest.mark.parametrize("is_one_batch", [True, False])
@pytest.mark.parametrize("is_write_first", [True, False])
@pytest.mark.parametrize("deletes", ["soft", "hard"])
@pytest.mark.parametrize(("items", "expected"), [([], set()), ([order()], {"o-1"})])
def test_trap_13_write_and_remove_of_one_microsecond_end_as_the_table(
    is_one_batch, is_write_first, deletes, items, expected
):
    indexer = indexer_of(*items, deletes=deletes)
    records = (
        [write("12.5", position=1), remove(position=2)] if is_write_first else [remove(), write("12.5", position=2)]
    )

    for batch in [records] if is_one_batch else [[record] for record in records]:
        indexer.index(*batch)

    assert set(indexer.engine.visible("orders")) == expected


def test_a_tie_that_the_table_settled_stays_settled_whatever_comes_again():
    indexer = indexer_of(order(total={"N": "2"}))
    records = [write("1"), write("2", position=2), write("3", position=3)]
    indexer.index(*records)

    for record in [*records, *reversed(records)]:
        indexer.index(record)

    assert total_of(indexer) == 2


def test_a_third_change_of_the_microsecond_asks_the_table_again():
    indexer = indexer_of(order(total={"N": "2"}))
    indexer.index(write("1"))
    indexer.index(write("2", position=2))
    indexer.items.tables["orders"] = [order(total={"N": "3"})]

    indexer.index(write("3", position=3))

    assert total_of(indexer) == 3


def test_a_change_after_a_settled_tie_is_indexed_as_any_other():
    indexer = indexer_of(order(total={"N": "2"}))
    indexer.index(write("1"))
    indexer.index(write("2", position=2))

    assert indexer.counts(write("3", LATER, position=3)) == {"indexed": 1}
    assert total_of(indexer) == 3


def test_a_newer_change_in_the_batch_makes_a_tie_before_it_harmless():
    indexer = indexer_of(order(total={"N": "3"}))

    assert indexer.counts(write("1"), write("2", position=2), write("3", LATER, 3)) == {"superseded": 2, "indexed": 1}
    assert total_of(indexer) == 3


def test_without_the_tables_word_both_changes_of_a_tie_come_again():
    indexer = without_table()

    report = indexer.index(write("0", id_="o-0"), write("1", position=2), write("2", position=3))

    assert report.as_response() == response(2)
    assert list(indexer.engine.visible("orders")) == ["o-0"]


def test_a_tie_is_settled_for_a_type_that_the_item_has_left():
    indexer = indexer_of(order(status={"S": "NEW"}), **TYPED)
    there = kinesis_change("MODIFY", new=order(status={"S": "PAID"}), old=order(status={"S": "NEW"}))
    back = kinesis_change("MODIFY", new=order(status={"S": "NEW"}), old=order(status={"S": "PAID"}), position=2)

    indexer.index(back, there)

    assert indexer.engine.visible("orders-paid") == {}
    assert list(indexer.engine.visible("orders-new")) == ["o-1"]


def test_an_insert_that_ties_with_its_removal_in_a_typed_table_is_no_dead_letter():
    indexer = indexer_of(**TYPED)

    assert indexer.counts(remove(), kinesis_change(position=2)) == {"superseded": 1, "deleted": 1}


@pytest.mark.parametrize("excluded", ["insert", "modify"])
def test_a_tie_is_settled_by_an_item_whatever_operations_are_left_out(excluded):
    kept = {"insert": "MODIFY", "modify": "INSERT"}[excluded]
    indexer = indexer_of(order(total={"N": "2"}), filter={"exclude_operations": [excluded]})

    indexer.index(remove(), write("1", position=2, op=kept))

    assert total_of(indexer) == 2


def test_a_tie_removes_nothing_where_removals_are_left_out():
    indexer = indexer_of(filter={"exclude_operations": ["remove"]})

    indexer.index(write("1"), write("2", position=2))

    assert list(indexer.engine.visible("orders")) == ["o-1"]


@pytest.mark.parametrize("is_coarse_first", [True, False])
def test_trap_10_a_unit_that_changes_live_is_compared_in_the_coarser_one(is_coarse_first):
    indexer = indexer_of(order(total={"N": "2"}))
    in_ms = kinesis_record(kinesis_payload(change_record(sequence=1), MICROSECOND // 1000, "MILLISECOND"))
    records = [in_ms, write("1", position=2)]

    indexer.index(*(records if is_coarse_first else reversed(records)))
    for record in records:
        indexer.index(record)

    assert total_of(indexer) == 2


@pytest.mark.parametrize("is_kinesis_first", [True, False])
@pytest.mark.parametrize("is_one_batch", [True, False])
def test_a_streams_record_and_a_kinesis_record_of_one_second_in_one_batch_or_after_it_are_settled_by_the_table(
    is_kinesis_first, is_one_batch
):
    indexer = indexer_of(order(total={"N": "2"}))
    streams = change_record("MODIFY", new=order(total={"N": "9"}), old=order())
    kinesis = write("1", at=1_763_726_400_000_000)
    records = [kinesis, streams] if is_kinesis_first else [streams, kinesis]

    for batch in [records] if is_one_batch else [[record] for record in records]:
        indexer.index(*batch)

    assert total_of(indexer) == 2


# -- the replicator's records -----------------------------------------------------------------------------------------


def replicated(total, sequence, position=1):
    record = change_record("MODIFY", new=order(total={"N": total}), old=order(), sequence=sequence)
    return kinesis_record(envelope(record), position)


def test_law_2_replicated_records_of_one_second_are_ordered_by_sequence_number_without_the_table():
    indexer = without_table()
    indexer.index(replicated("2", sequence=2))

    assert indexer.counts(replicated("1", sequence=1), replicated("3", sequence=3)) == {"superseded": 1, "indexed": 1}
    assert indexer.counts(replicated("2", sequence=2)) == {"stale": 1}
    assert total_of(indexer) == 3


def test_law_2_the_same_change_by_stream_and_by_replicator_is_a_duplicate():
    indexer = without_table()
    indexer.index(change_record("MODIFY", new=order(total={"N": "2"}), old=order(), sequence=2))

    assert indexer.counts(replicated("2", sequence=2)) == {"duplicate": 1}


def test_failure_81_a_failed_replicated_record_is_named_by_its_kinesis_position():
    indexer = without_table()
    indexer.engine.outage = 403

    assert indexer.index(replicated("1", sequence=1, position=8)).as_response() == response(8)


# -- dead letters -----------------------------------------------------------------------------------------------------


def letters_of(indexer):
    return [orjson.loads(body) for body in indexer.letters.letters.values()]


def test_a_dead_letter_of_a_kinesis_record_names_table_stream_shard_and_position():
    indexer = without_table()

    indexer.index(kinesis_change(eventName="TRUNCATE", position=4))

    [(key, letter)] = [(key, orjson.loads(body)) for key, body in indexer.letters.letters.items()]
    assert key.startswith("dead-letters/orders/")
    assert (letter["table"], letter["reason"]) == ("orders", "undecodable")
    assert letter["source"] == {
        "kind": "kinesis",
        "arn": "arn:aws:kinesis:us-east-1:000000000000:stream/changes",
        "shard": "shardId-000000000000",
        "sequence_number": kinesis_position(4),
        "event_id": f"shardId-000000000000:{kinesis_position(4)}",
    }
    assert letter["record"] == kinesis_change(eventName="TRUNCATE", position=4)


def test_a_dead_letter_of_garbage_has_no_table_and_not_the_streams_name_for_one():
    indexer = without_table()

    indexer.index(kinesis_record(b"hello"))

    assert [letter["table"] for letter in letters_of(indexer)] == ["unknown"]


def test_a_replicated_change_that_comes_twice_has_one_dead_letter_of_the_tables_stream():
    indexer = without_table()
    poison = change_record(new=order(total={"N": "many"}), sequence=5)

    indexer.index(kinesis_record(envelope(poison), 1))
    indexer.index(kinesis_record(envelope(poison), 2))

    [letter] = letters_of(indexer)
    assert letter["source"]["kind"] == "replicator"
    assert letter["source"]["sequence_number"] == poison["dynamodb"]["SequenceNumber"]


# -- any delivery -----------------------------------------------------------------------------------------------------

STATES = st.sampled_from([None, "NEW", "PAID", "SHIPPED"])
HISTORIES = st.lists(st.tuples(st.sampled_from(["a", "b"]), STATES, st.integers(0, 2)), min_size=1, max_size=9)


def tell(history):
    """The records of a history of (id, status or removal, µs since the last change), and the table it leaves."""
    records, items, at = [], {}, MICROSECOND
    for number, (id_, status, pause) in enumerate(history, start=1):
        at += pause
        old, new = items.get(id_), status and order(id_, status={"S": status}, total={"N": str(number)})
        if old is None and new is None:
            continue
        op = "REMOVE" if new is None else "INSERT" if old is None else "MODIFY"
        records.append(kinesis_change(op, new, old, at=at, position=number))
        items = {key: item for key, item in (items | {id_: new}).items() if item}
    return records, items


@settings(max_examples=150, deadline=None)
@given(HISTORIES, st.data())
def test_law_2_in_whatever_order_batches_and_repetition_kinesis_delivers_the_index_ends_as_the_table(history, data):
    records, items = tell(history)
    indexer = indexer_of(*items.values(), **TYPED)
    again = data.draw(st.lists(st.sampled_from(records), max_size=4)) if records else []
    delivered = data.draw(st.permutations([*records, *again]))
    while delivered:
        size = data.draw(st.integers(1, len(delivered)))
        assert indexer.index(*delivered[:size]).account.as_dict()["failed"] == 0
        delivered = delivered[size:]

    found = [
        (alias, id_, document["total"])
        for alias in ("orders-new", "orders-paid", "orders-shipped", "orders-default")
        for id_, document in indexer.engine.visible(alias).items()
    ]
    expected = [(f"orders-{i['status']['S'].lower()}", id_, int(i["total"]["N"])) for id_, i in items.items()]
    assert sorted(found) == sorted(expected)
