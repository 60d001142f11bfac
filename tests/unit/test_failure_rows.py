"""Failures of other systems that no other file of tests names: each one happens here, to no effect."""

import pytest
from builders import SECOND, Indexer, change_record, order, tables
from model.wires import scan_record
from verification_builders import Sides, found

from tailrace.adapters.memory import ManualClock
from tailrace.pipeline import Pipeline

HOUR = 3_600
DAY = 24 * HOUR


def modify(total, second=SECOND, sequence=1, id_="o-1"):
    return change_record(
        "MODIFY", new=order(id_, total={"N": total}), old=order(id_), second=second, sequence=sequence
    )  # fmt: skip


def backfill(indexer, *items, began=SECOND):
    """One invocation of a backfill that began to read its items at `began`; the outcomes that are not zero."""
    records = [scan_record("orders", {"id": item["id"]}, item, began * 1_000_000, 1) for item in items]
    pipeline = Pipeline(indexer.tables, indexer.engine, indexer.letters, indexer.items, indexer.clock)
    account = pipeline.process(records, indexer.clock.now() + 30).account.as_dict()
    return {name: count for name, count in account.items() if count and name != "records_in"}


def totals(indexer, alias="orders"):
    return {id_: document["total"] for id_, document in indexer.engine.visible(alias).items()}


def test_failure_1_changes_are_indexed_at_once_while_a_backfill_takes_thirty_hours():
    indexer = Indexer(clock=ManualClock(SECOND))
    seen = []

    for hour in range(1, 31):
        indexer.clock.seconds += HOUR
        indexer.items.tables["orders"] = [order("o-1", total={"N": str(hour)})]
        indexer.index(modify(str(hour), SECOND + hour * HOUR, hour))
        backfill(indexer, order("o-1", total={"N": "0"}), order(f"old-{hour}"))
        seen.append((totals(indexer)["o-1"], len(totals(indexer)) - 1))

    assert seen == [(hour, hour) for hour in range(1, 31)]


def test_failures_2_78_a_backfill_neither_overwrites_a_newer_change_nor_revives_a_removed_item():
    indexer = Indexer()
    indexer.items.tables["orders"] = [order("o-1", total={"N": "9"})]
    indexer.index(modify("9"), change_record("REMOVE", old=order("o-2"), sequence=2))

    backfill(indexer, order("o-1", total={"N": "1"}), order("o-2"), order("o-3", total={"N": "3"}), began=SECOND - HOUR)

    assert totals(indexer) == {"o-1": 9, "o-3": 3}


@pytest.mark.parametrize("second", [-1, 10**10, "soon", None, float("nan")])
def test_failure_10_an_illegal_version_is_one_dead_letter_and_never_reaches_the_engine(second):
    indexer = Indexer()

    counts = indexer.counts(
        modify("1", sequence=1, id_="a"), modify("2", second, 2, "b"), modify("3", sequence=3, id_="c")
    )

    assert counts == {"indexed": 2, "dead_lettered": 1}
    assert len(indexer.letters.letters) == 1
    assert totals(indexer) == {"a": 1, "c": 3}
    assert not any(b'"_id":"b"' in body for body in indexer.engine.bodies)


@pytest.mark.parametrize("deletes", ["soft", "hard"])
def test_failure_23_creation_and_removal_in_one_batch_end_with_the_last_of_them(deletes):
    indexer = Indexer(tables=tables(deletes=deletes))

    indexer.index(change_record(sequence=1), change_record("REMOVE", sequence=2))
    assert totals(indexer) == {}
    indexer.items.tables["orders"] = [order()]
    indexer.index(change_record("REMOVE", sequence=2), change_record(sequence=3))

    assert list(totals(indexer)) == ["o-1"]


def test_failure_52_an_event_that_is_replayed_after_three_days_reaches_the_index_of_its_table():
    indexer = Indexer(clock=ManualClock(SECOND + 3 * DAY))

    indexer.index(modify("5"))

    assert indexer.engine.aliases == {"orders"}
    assert indexer.engine.visible("orders")["o-1"]["ddb"]["changed_at"] == "2025-11-21T12:00:00Z"


def test_failure_63_a_removal_that_nobody_heard_of_is_found_and_repaired():
    sides = Sides()
    sides.put(order("kept"), order("removed"))
    sides.table.items.remove(order("removed"))

    assert found(sides.verify(repair=True)) == {"orphan": 1}
    assert found(sides.verify(deep=True)) == {}
    assert list(sides.engine.visible("orders")) == ["kept"]
