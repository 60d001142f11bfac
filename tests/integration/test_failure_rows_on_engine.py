"""Failures of other systems that only a real engine can show."""

import pytest
from builders import Indexer, change_record, order

from tailrace.tables import load_tables

pytestmark = [pytest.mark.slow, pytest.mark.both_engines]


@pytest.mark.parametrize("deletes", ["soft", "hard"])
def test_failure_38_an_empty_id_is_a_dead_letter_and_its_neighbours_are_indexed(opensearch, corner, deletes):
    specs = load_tables(
        {"defaults": {"index_prefix": corner, "deletes": deletes}, "tables": {"orders": {"key": ["id"]}}}
    )
    indexer = Indexer(tables=specs, engine=opensearch)

    counts = indexer.counts(
        change_record(new=order("a"), sequence=1),
        change_record(new=order(""), sequence=2),
        change_record(new=order("b"), sequence=3),
        change_record("REMOVE", old=order("c"), sequence=4),
    )
    removal = indexer.counts(
        change_record("REMOVE", old=order(""), sequence=5), change_record(new=order("d"), sequence=6)
    )

    assert counts == {"indexed": 2, "dead_lettered": 1, "deleted": 1}
    assert removal == {"indexed": 1, "dead_lettered": 1}
    assert sorted(letter[-5:] for letter in indexer.letters.letters) == [".json", ".json"]


def test_failure_9_an_id_of_two_kilobytes_is_hashed_and_its_neighbours_are_indexed(opensearch, corner):
    specs = load_tables({"defaults": {"index_prefix": corner}, "tables": {"orders": {"key": ["id"]}}})
    indexer = Indexer(tables=specs, engine=opensearch)

    counts = indexer.counts(change_record(new=order("k" * 2048), sequence=1), change_record(new=order("b"), sequence=2))

    assert counts == {"indexed": 2}
    opensearch.request("POST", f"/{corner}orders/_refresh")
    hits = opensearch.request("POST", f"/{corner}orders/_search", {"sort": ["id"]})["hits"]["hits"]
    assert [(hit["_id"][:7], hit["_source"]["ddb"]["key"]) for hit in hits] == [
        ("b", {"id": {"S": "b"}}),
        ("sha256:", {"id": {"S": "k" * 2048}}),
    ]
