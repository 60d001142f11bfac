"""The pipeline on a real OpenSearch: the laws where they count."""

import threading

import pytest
import requests
from builders import SECOND, Indexer, change_record, order

from tailrace.tables import load_tables

pytestmark = [pytest.mark.slow, pytest.mark.both_engines]


@pytest.fixture
def indexer(opensearch, corner):
    specs = load_tables(
        {
            "defaults": {"index_prefix": corner},
            "tables": {"orders": {"key": ["id"]}, "planes": {"key": ["id"], "type_attribute": "status"}},
        }
    )
    return Indexer(tables=specs, engine=opensearch)


def search(indexer, alias, **query):
    """What the read alias shows, by id."""
    indexer.engine.request("POST", f"/{alias}/_refresh")
    answer = indexer.engine.request("POST", f"/{alias}/_search", {"size": 1000, **query})
    return {hit["_id"]: hit["_source"] for hit in answer["hits"]["hits"]}


def test_insert_modify_and_remove_reach_the_alias(indexer, corner):
    counts = indexer.counts(
        change_record(new=order("a"), sequence=1),
        change_record(new=order("b"), sequence=2),
        change_record("MODIFY", new=order("a", total={"N": "7"}), old=order("a"), sequence=3),
        change_record("REMOVE", old=order("b"), sequence=4),
    )

    assert counts == {"superseded": 2, "indexed": 1, "deleted": 1}
    found = search(indexer, f"{corner}orders")
    assert list(found) == ["a"]
    assert found["a"]["total"] == 7


def test_trap_1_changes_of_one_second_in_many_batches_end_with_the_last(indexer, corner):
    for sequence in range(1, 8):
        indexer.index(change_record("MODIFY", new=order(total={"N": str(sequence)}), old=order(), sequence=sequence))

    assert search(indexer, f"{corner}orders")["o-1"]["total"] == 7


def test_redelivery_of_everything_in_any_batching_changes_nothing(indexer, corner):
    records = [
        change_record(new=order(total={"N": "1"}), sequence=1),
        change_record("REMOVE", old=order(), sequence=2),
        change_record(new=order(total={"N": "3"}), sequence=3, second=SECOND + 1),
        change_record("MODIFY", new=order(total={"N": "4"}), old=order(), sequence=4, second=SECOND + 1),
    ]
    indexer.index(*records)

    for start in range(4):
        indexer.index(*records[start:])
    for record in records:
        indexer.index(record)

    assert search(indexer, f"{corner}orders")["o-1"]["total"] == 4


def test_a_removed_item_never_comes_back(indexer, corner):
    indexer.index(change_record(sequence=1))
    indexer.index(change_record("REMOVE", sequence=2))

    assert indexer.counts(change_record(sequence=1)) == {"stale": 1}
    assert search(indexer, f"{corner}orders") == {}


def test_a_typed_item_moves_between_indices(indexer, corner):
    indexer.index(change_record(new=order("p", status={"S": "Glider"}), table="planes", sequence=1))
    moved = change_record(
        "MODIFY",
        new=order("p", status={"S": "Jet"}),
        old=order("p", status={"S": "Glider"}),
        table="planes",
        sequence=2,
    )

    assert indexer.counts(moved) == {"indexed": 1}
    assert search(indexer, f"{corner}planes-glider") == {}
    assert list(search(indexer, f"{corner}planes-jet")) == ["p"]


@pytest.mark.parametrize(
    "digits",
    ["12345678901234567890123456789012345678", "0.12345678901234567890123456789012345678", "9" * 38 + "0" * 88],
)
def test_law_4_digits_are_exact_in_source_and_searchable_as_text(indexer, corner, digits):
    indexer.index(change_record(new=order(amount={"N": digits})))

    body = {"size": 1, "query": {"term": {"amount.exact": digits}}}
    indexer.engine.request("POST", f"/{corner}orders/_refresh")
    response = requests.post(f"{indexer.engine.url}/{corner}orders/_search", json=body, timeout=10)

    assert f'"amount":{digits},'.encode() in response.content


def test_a_document_the_engine_refuses_is_a_dead_letter_and_its_neighbours_are_indexed(opensearch, corner):
    orders = {"key": ["id"], "on_type_conflict": "dead_letter"}
    specs = load_tables({"defaults": {"index_prefix": corner}, "tables": {"orders": orders}})
    indexer = Indexer(tables=specs, engine=opensearch)
    indexer.index(change_record(new=order("a", shape={"M": {"x": {"N": "1"}}}), sequence=1))

    counts = indexer.counts(
        change_record(new=order("b"), sequence=2),
        change_record(new=order("c", shape={"S": "a scalar where the index has an object"}), sequence=3),
        change_record(new=order("d"), sequence=4),
    )

    assert counts == {"indexed": 2, "dead_lettered": 1}
    assert set(search(indexer, f"{corner}orders")) == {"a", "b", "d"}


def test_two_functions_that_meet_a_missing_index_create_it_once(opensearch, corner):
    specs = load_tables({"defaults": {"index_prefix": corner}, "tables": {"orders": {"key": ["id"]}}})
    reports = []

    def run(number):
        indexer = Indexer(tables=specs, engine=opensearch)
        reports.append(indexer.counts(change_record(new=order(f"o-{number}"), sequence=number)))

    threads = [threading.Thread(target=run, args=(number,)) for number in range(1, 7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert reports == [{"indexed": 1}] * 6
    assert len(search(Indexer(engine=opensearch), f"{corner}orders")) == 6


def test_hard_deletes_take_the_document_away(opensearch, corner):
    specs = load_tables(
        {"defaults": {"index_prefix": corner, "deletes": "hard"}, "tables": {"orders": {"key": ["id"]}}}
    )
    indexer = Indexer(tables=specs, engine=opensearch)
    indexer.index(change_record(sequence=1))

    assert indexer.counts(change_record("REMOVE", sequence=2)) == {"deleted": 1}
    assert search(indexer, f"{corner}orders") == {}


def test_names_the_engine_refuses_are_escaped_and_indexed(indexer, corner):
    odd = {".a": {"S": "1"}, "a..b": {"S": "2"}, " ": {"S": "3"}, "_id": {"S": "4"}, "": {"S": "5"}, "x.": {"S": "6"}}

    assert indexer.counts(change_record(new=order() | odd)) == {"indexed": 1}
    found = search(indexer, f"{corner}orders")["o-1"]
    assert {found[name] for name in ("%2Ea", "a%2E%2Eb", "%20", "%5Fid", "%", "x%2E")} == set("123456")
