"""Kinesis records on a real OpenSearch: repeated, reordered, tied, and by way of the replicator."""

import pytest
from builders import Indexer, change_record, event, order
from kinesis_builders import MICROSECOND, kinesis_change, kinesis_record

from tailrace.adapters.memory import ManualClock, MemoryDeadLetters
from tailrace.adapters.memory_kinesis import MemoryChangeStream
from tailrace.decoding import decode_event
from tailrace.replication import Replicator
from tailrace.tables import load_tables

pytestmark = [pytest.mark.slow, pytest.mark.both_engines]


@pytest.fixture
def specs(corner):
    return load_tables(
        {"defaults": {"index_prefix": corner}, "tables": {"orders": {"key": ["id"], "source": "kinesis"}}}
    )


@pytest.fixture
def indexer(opensearch, specs):
    return Indexer(tables=specs, engine=opensearch)


def write(total, at=MICROSECOND, position=1):
    return kinesis_change("MODIFY", new=order(total={"N": total}), old=order(), at=at, position=position)


def totals(indexer, corner):
    """What the read alias shows: totals by id."""
    indexer.engine.request("POST", f"/{corner}orders/_refresh")
    hits = indexer.engine.request("POST", f"/{corner}orders/_search", {"size": 10})["hits"]["hits"]
    return {hit["_id"]: hit["_source"]["total"] for hit in hits}


def test_trap_13_reordered_changes_end_as_the_table_without_asking_it(indexer, corner):
    indexer.items.is_down = True
    removal = kinesis_change("REMOVE", at=MICROSECOND + 1, position=2)

    assert indexer.counts(write("3", MICROSECOND + 2, 3)) == {"indexed": 1}
    assert indexer.counts(write("1"), removal) == {"superseded": 1, "stale": 1}
    assert totals(indexer, corner) == {"o-1": 3}


def test_a_repeated_change_is_known_by_its_event_id(indexer, corner):
    indexer.items.is_down = True
    indexer.index(write("1"))

    assert indexer.counts(write("1")) == {"duplicate": 1}


@pytest.mark.parametrize(("first", "second"), [("1", "2"), ("2", "1")])
def test_trap_13_a_tie_across_batches_ends_as_the_table(indexer, corner, first, second):
    indexer.items.tables["orders"] = [order(total={"N": "2"})]

    indexer.index(write(first))
    indexer.index(write(second, position=2))
    indexer.index(write(first))

    assert totals(indexer, corner) == {"o-1": 2}


def test_trap_13_a_tie_that_ended_in_a_removal_hides_the_item(indexer, corner):
    indexer.index(write("1"))
    indexer.index(kinesis_change("REMOVE", position=2))

    assert totals(indexer, corner) == {}


def test_law_2_stream_and_replicator_at_once_end_as_the_table(indexer, specs, corner):
    stream = MemoryChangeStream()
    records = [change_record("MODIFY", new=order(total={"N": str(n)}), old=order(), sequence=n) for n in range(1, 5)]
    replicator = Replicator(specs, stream, MemoryDeadLetters(), ManualClock())
    replicator.process(decode_event(event(*records)), deadline=2_000_000_000)
    replicated = [kinesis_record(entry.data, n) for n, entry in enumerate(stream.entries)]

    indexer.index(*records[:2])
    indexer.index(*replicated)
    assert indexer.counts(*records) == {"superseded": 3, "duplicate": 1}

    assert totals(indexer, corner) == {"o-1": 4}
