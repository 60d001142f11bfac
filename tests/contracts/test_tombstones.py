"""One suite for the sweeper's port, for the in-memory twin and for the real adapter alike."""

import orjson
import pytest
from builders import tables

from tailrace.actions import Action
from tailrace.adapters.memory import MemoryEngine
from tailrace.adapters.memory_tombstones import MemoryTombstones
from tailrace.adapters.tombstones import OpenSearchTombstones
from tailrace.bulk import pack
from tailrace.generations import build_index_request
from tailrace.outcomes import Outcome
from tailrace.swapping import build_next_request
from tailrace.sweeping import Generation

MAY, JUNE, JULY = "2026-05-01T00:00:00Z", "2026-06-01T00:00:00.123456789Z", "2026-07-01T00:00:00Z"


@pytest.fixture(params=["twin", pytest.param("real", marks=pytest.mark.both_engines)])
def engine(request):
    return MemoryEngine() if request.param == "twin" else request.getfixturevalue("opensearch")


@pytest.fixture
def prefix(engine, request):
    return "" if isinstance(engine, MemoryEngine) else request.getfixturevalue("corner")


@pytest.fixture
def store(engine):
    return MemoryTombstones(engine) if isinstance(engine, MemoryEngine) else OpenSearchTombstones(engine)


@pytest.fixture
def alias(engine, prefix):
    alias = f"{prefix}orders"
    engine.ensure_index(alias, build_index_request(tables().spec("orders"), alias))
    return alias


@pytest.fixture
def index(alias):
    return f"{alias}@000001"


def put(engine, alias, id_, version=10, table="orders", **bookkeeping):
    source = orjson.dumps({"ddb": {"table": table, "changed_at": JUNE, **bookkeeping}})
    [body] = pack([Action(alias, id_, version, None, source, Outcome.DELETED, 0)], max_bytes=10_000)
    [result] = engine.bulk(body.content, 1)
    return result.status


def refresh(engine, index):
    if not isinstance(engine, MemoryEngine):
        engine.request("POST", f"/{index}/_refresh")


def find(engine, store, index, before=JULY, count=10, table="orders"):
    refresh(engine, index)
    return store.find_tombstones(index, table, before, count)


def remove(store, index, tombstones):
    return [result.status for result in store.remove_tombstones(index, tombstones)]


def test_generations_are_found_by_their_prefix_with_the_table_they_are_of(store, prefix, alias, index):
    assert store.list_generations(prefix) == [Generation(index, "orders")]
    assert store.list_generations(f"{prefix}no-such-prefix") == []


def test_a_shared_index_is_of_no_table(engine, store, prefix):
    spec = tables(index="all").spec("orders")
    engine.ensure_index(f"{prefix}all", build_index_request(spec, f"{prefix}all"))

    assert store.list_generations(prefix) == [Generation(f"{prefix}all@000001", None)]


def build_next(engine, alias):
    if isinstance(engine, MemoryEngine):
        engine.aliases.add(f"{alias}@next")
    else:
        request = build_next_request(tables().spec("orders"), alias, "job-1")
        engine.request("PUT", f"/{alias}@000002", request)


def test_failure_2_tombstones_of_a_generation_under_construction_are_left_alone(engine, store, prefix, alias, index):
    build_next(engine, alias)

    assert store.list_generations(prefix) == [Generation(index, "orders")]


def test_tombstones_older_than_the_horizon_are_found_oldest_first(engine, store, alias, index):
    put(engine, alias, "june", deleted=True)
    put(engine, alias, "may", deleted=True, changed_at=MAY)
    put(engine, alias, "july", deleted=True, changed_at=JULY)

    assert [tombstone.id for tombstone in find(engine, store, index)] == ["may", "june"]
    assert [tombstone.id for tombstone in find(engine, store, index, count=1)] == ["may"]


def test_a_document_is_no_tombstone_and_another_tables_tombstone_is_not_ours(engine, store, alias, index):
    put(engine, alias, "document")
    put(engine, alias, "kept", deleted=False)
    put(engine, alias, "other", table="invoices", deleted=True)

    assert find(engine, store, index) == []
    assert [tombstone.id for tombstone in find(engine, store, index, table="invoices")] == ["other"]


def test_a_removed_tombstone_is_gone_at_once(engine, store, alias, index):
    put(engine, alias, "a", deleted=True)
    found = find(engine, store, index)

    assert remove(store, index, found) == [200]
    assert engine.read_stored([(alias, "a")]) == [None]
    assert store.find_tombstones(index, "orders", JULY, 10) == []


@pytest.mark.parametrize("bookkeeping", [{}, {"deleted": True}], ids=["inserted", "deleted"])
def test_what_was_written_since_is_not_removed(engine, store, alias, index, bookkeeping):
    put(engine, alias, "a", deleted=True)
    put(engine, alias, "b", deleted=True)
    found = find(engine, store, index)
    put(engine, alias, "a", version=11, **bookkeeping)

    assert sorted(remove(store, index, found)) == [200, 409]
    assert engine.read_stored([(alias, "a")])[0].version == 11
    assert engine.read_stored([(alias, "b")]) == [None]


def test_a_tombstone_is_removed_once(engine, store, alias, index):
    put(engine, alias, "a", deleted=True)
    found = find(engine, store, index)

    assert remove(store, index, found) == [200]
    assert remove(store, index, found)[0] in (404, 409)


@pytest.mark.parametrize("id_", ["ORDER#1", "a/b?c", "50%+&", "größe", "a|b\\|c"])
def test_failure_85_any_id_is_removed(engine, store, alias, index, id_):
    put(engine, alias, id_, deleted=True)

    assert remove(store, index, find(engine, store, index)) == [200]


def test_an_item_may_come_back_after_its_tombstone_is_swept(engine, store, alias, index):
    put(engine, alias, "a", deleted=True)
    remove(store, index, find(engine, store, index))

    assert put(engine, alias, "a", version=1_000) == 201
