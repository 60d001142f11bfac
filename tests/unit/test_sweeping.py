"""The sweeper on the in-memory twin; tests/integration/test_sweeper_on_engine.py races it on the real engine."""

import pytest
from builders import SECOND, Indexer, change_record, order
from builders import tables as one_table
from hypothesis import given, settings
from hypothesis import strategies as st

from tailrace.adapters.memory_tombstones import MemoryTombstones
from tailrace.failures import EngineError
from tailrace.ports import ItemResult
from tailrace.sweeping import Sweeper, SweepError
from tailrace.tables import load_tables

DAY = 86_400


def indexer_at(day, **more):
    """An indexer whose clock stands so many days after the time of the records."""
    indexer = Indexer(**more)
    indexer.clock.seconds = SECOND + day * DAY
    return indexer


def sweep(indexer, store=None, seconds=30.0, page_size=1_000):
    store = store or MemoryTombstones(indexer.engine)
    report = Sweeper(indexer.tables, store, indexer.clock, page_size).sweep(indexer.clock.now() + seconds)
    return {name: count for name, count in report.as_dict().items() if count}


def remove(id_="o-1", sequence=9, second=SECOND, table="orders"):
    return change_record("REMOVE", old=order(id_), sequence=sequence, second=second, table=table)


def ids(indexer):
    return sorted(id_ for _, id_ in indexer.engine.documents)


def test_a_tombstone_past_its_horizon_is_removed():
    indexer = indexer_at(day=15)
    indexer.index(remove())

    assert sweep(indexer) == {"indices": 1, "removed": 1, "is_finished": True}
    assert ids(indexer) == []


def test_a_tombstone_within_its_horizon_is_kept():
    indexer = indexer_at(day=14)
    indexer.index(remove())

    assert sweep(indexer) == {"indices": 1, "is_finished": True}
    assert ids(indexer) == ["o-1"]


def test_each_table_has_its_own_horizon():
    specs = load_tables(
        {"tables": {"orders": {"tombstone_days": 3}, "invoices": {"tombstone_days": 30}, "planes": {"index": "shared"}}}
    )
    indexer = indexer_at(day=15, tables=specs)
    indexer.index(*(remove(table, n, table=table) for n, table in enumerate(("orders", "invoices", "planes"), 1)))

    assert sweep(indexer)["removed"] == 2
    assert [id_.rpartition("|")[2] for id_ in ids(indexer)] == ["invoices"]


def test_tables_that_share_an_index_keep_their_horizons():
    specs = load_tables(
        {
            "tables": {
                "orders": {"index": "all", "tombstone_days": 3},
                "invoices": {"index": "all", "tombstone_days": 30},
            }
        }
    )
    indexer = indexer_at(day=15, tables=specs)
    indexer.index(remove("x", 1, table="orders"), remove("x", 2, table="invoices"))

    assert sweep(indexer)["removed"] == 1
    assert ids(indexer) == ["invoices|x"]


def test_a_table_that_is_not_declared_has_the_default_horizon():
    indexer = indexer_at(day=15)
    indexer.index(remove(table="unheard-of"))

    assert sweep(indexer)["removed"] == 1


def test_an_index_of_a_table_that_is_refused_is_left_alone():
    indexer = indexer_at(day=15)
    indexer.index(remove(table="unheard-of"))
    indexer.tables = load_tables({"defaults": {"unknown_tables": "refuse"}, "tables": {"orders": {}}})

    assert sweep(indexer) == {"is_finished": True}
    assert ids(indexer) == ["o-1"]


def test_an_index_of_another_deployment_is_left_alone():
    indexer = indexer_at(day=15, tables=load_tables({"defaults": {"index_prefix": "test-"}, "tables": {"orders": {}}}))
    indexer.index(remove())
    indexer.tables = one_table()

    assert sweep(indexer) == {"is_finished": True}
    assert ids(indexer) == ["o-1"]


def test_every_type_of_a_table_is_swept():
    indexer = indexer_at(day=15, tables=one_table(type_attribute="status"))
    for number, status in enumerate(("NEW", "PAID", "CLOSED")):
        indexer.index(change_record("REMOVE", old=order(f"o-{number}", status={"S": status}), sequence=number + 1))

    assert sweep(indexer) == {"indices": 3, "removed": 3, "is_finished": True}


def test_many_pages_are_swept():
    indexer = indexer_at(day=15)
    indexer.index(*(remove(f"o-{number}", number) for number in range(1, 26)))

    assert sweep(indexer, page_size=10)["removed"] == 25


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.sampled_from("abcdef"), st.booleans(), st.integers(0, 30)), max_size=30),
    st.integers(1, 4),
)
def test_nothing_but_old_tombstones_is_ever_touched(changes, page_size):
    indexer = indexer_at(day=30)
    days = sorted(day for _, _, day in changes)
    for number, ((id_, is_removal, _), day) in enumerate(zip(changes, days, strict=True), 1):
        op, image = ("REMOVE", {"old": order(id_)}) if is_removal else ("INSERT", {"new": order(id_)})
        indexer.index(change_record(op, sequence=number, second=SECOND + day * DAY, **image))
    last = {id_: (is_removal, day) for (id_, is_removal, _), day in zip(changes, days, strict=True)}

    sweep(indexer, page_size=page_size)

    assert ids(indexer) == sorted(id_ for id_, (is_removal, day) in last.items() if not (is_removal and day < 16))


class Around:
    """The twin with a hook before each page is removed."""

    def __init__(self, indexer, before_removal=lambda: None, remove=None, find=None):
        self._twin = MemoryTombstones(indexer.engine)
        self._before_removal = before_removal
        self.list_generations = self._twin.list_generations
        self.find_tombstones = find or self._twin.find_tombstones
        self._remove = remove or self._twin.remove_tombstones

    def remove_tombstones(self, index, tombstones):
        self._before_removal()
        return self._remove(index, tombstones)


def test_an_item_inserted_between_the_search_and_the_removal_stays():
    indexer = indexer_at(day=15)
    indexer.index(remove("a", 1), remove("b", 2))
    again = change_record(new=order("a"), sequence=3, second=SECOND + 15 * DAY)

    assert sweep(indexer, Around(indexer, before_removal=lambda: indexer.index(again))) == {
        "indices": 1,
        "removed": 1,
        "kept": 1,
        "is_finished": True,
    }
    assert list(indexer.engine.visible("orders")) == ["a"]


def test_failure_58_no_page_is_begun_when_the_time_is_up():
    indexer = indexer_at(day=15)
    indexer.index(*(remove(f"o-{number}", number) for number in range(1, 26)))

    def wait():
        indexer.clock.seconds += 20

    assert sweep(indexer, Around(indexer, before_removal=wait), page_size=10) == {"indices": 1, "removed": 20}
    assert sweep(indexer) == {"indices": 1, "removed": 5, "is_finished": True}


def test_a_page_that_cannot_be_removed_ends_the_sweep_of_its_index():
    indexer = indexer_at(day=15)
    indexer.index(*(remove(f"o-{number}", number) for number in range(1, 26)))
    busy = Around(indexer, remove=lambda index, found: [ItemResult(429, "rejected_execution_exception")] * len(found))

    assert sweep(indexer, busy, page_size=10) == {"indices": 1, "failed": 10}


def test_failure_83_an_index_that_fails_is_told_and_the_others_are_swept():
    indexer = indexer_at(day=15)
    indexer.index(remove(table="orders"), remove(table="invoices", sequence=2))
    twin = MemoryTombstones(indexer.engine)

    def find(index, *rest):
        if index == "invoices@000001":
            raise EngineError(503, "no answer")
        return twin.find_tombstones(index, *rest)

    sweeper = Sweeper(indexer.tables, Around(indexer, find=find), indexer.clock)
    report = sweeper.sweep(indexer.clock.now() + 30)

    assert [(each.index, each.removed, each.reason) for each in report.swept] == [
        ("invoices@000001", 0, "http_503"),
        ("orders@000001", 1, ""),
    ]
    with pytest.raises(SweepError, match=r"^could not be swept: invoices@000001 \(http_503\)$"):
        report.raise_for_failures()


def test_indices_that_cannot_be_listed_are_an_error():
    indexer = indexer_at(day=15)
    indexer.engine.outage = 503

    with pytest.raises(EngineError):
        sweep(indexer)


def test_failure_2_an_older_write_within_the_horizon_stays_stale_after_a_sweep():
    indexer = indexer_at(day=13)
    indexer.index(remove(sequence=9, second=SECOND + 5))

    sweep(indexer)

    assert indexer.counts(change_record(sequence=1)) == {"stale": 1}
    assert indexer.engine.visible("orders") == {}
