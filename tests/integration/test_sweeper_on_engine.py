"""The sweeper on a real OpenSearch: races, generations, and what no sweep may touch."""

import threading

import pytest
from builders import SECOND, Indexer, change_record, order

from tailrace.adapters.composition import build_sweeper
from tailrace.adapters.opensearch import OpenSearchEngine
from tailrace.adapters.tombstones import OpenSearchTombstones
from tailrace.generations import build_index_request
from tailrace.settings import read_settings
from tailrace.sweeping import Sweeper
from tailrace.tables import load_tables

pytestmark = [pytest.mark.slow, pytest.mark.both_engines]
DAY = 86_400


@pytest.fixture
def indexer(opensearch, corner):
    specs = load_tables(
        {
            "defaults": {"index_prefix": corner},
            "tables": {"orders": {"key": ["id"]}, "planes": {"key": ["id"], "type_attribute": "status"}},
        }
    )
    indexer = Indexer(tables=specs, engine=opensearch)
    indexer.clock.seconds = SECOND + 15 * DAY
    return indexer


def sweep(indexer, store=None, page_size=1_000):
    refresh(indexer)
    sweeper = Sweeper(indexer.tables, store or OpenSearchTombstones(indexer.engine), indexer.clock, page_size)
    return sweeper.sweep(indexer.clock.now() + 30)


def refresh(indexer):
    indexer.engine.request("POST", f"/{indexer.tables.defaults.index_prefix}*/_refresh")


def remove(id_="o-1", sequence=1, second=SECOND, **more):
    return change_record("REMOVE", old=order(id_), sequence=sequence, second=second, **more)


def everything(indexer, index):
    """The ids in a concrete index, tombstones too."""
    refresh(indexer)
    answer = indexer.engine.request("POST", f"/{index}/_search", {"size": 10_000, "_source": False})
    return {hit["_id"] for hit in answer["hits"]["hits"]}


def test_old_tombstones_go_and_all_else_stays(indexer, corner):
    indexer.index(remove("old", 1), remove("young", 2, second=SECOND + 2 * DAY))
    indexer.index(change_record(new=order("item"), sequence=3))
    indexer.index(change_record(new=order("looks", deleted={"BOOL": True}, ddb={"M": {"deleted": {"BOOL": True}}})))

    report = sweep(indexer)

    assert report.as_dict() == {"indices": 1, "removed": 1, "kept": 0, "failed": 0, "is_finished": True}
    assert everything(indexer, f"{corner}orders@000001") == {"young", "item", "looks"}


def test_every_generation_of_every_type_is_swept_behind_whatever_alias_but_one_under_construction(indexer, corner):
    for number, status in enumerate(("NEW", "PAID"), 1):
        record = change_record("REMOVE", old=order("p", status={"S": status}), sequence=number, table="planes")
        indexer.index(record)
    spec = indexer.tables.spec("orders")
    indexer.index(remove("first"))
    for number, alias in ((2, "orders@next"), (3, "detached")):
        request = build_index_request(spec, f"{corner}{alias}")
        indexer.engine.request("PUT", f"/{corner}orders@00000{number}", request)
    for number in (2, 3):
        tombstone = {"ddb": {"table": "orders", "deleted": True, "changed_at": "2025-01-01T00:00:00Z"}}
        indexer.engine.request("PUT", f"/{corner}orders@00000{number}/_doc/x", tombstone)

    report = sweep(indexer)

    assert [(each.index.removeprefix(corner), each.removed) for each in report.swept] == [
        ("orders@000001", 1),
        ("orders@000003", 1),
        ("planes-new@000001", 1),
        ("planes-paid@000001", 1),
    ]


def test_an_index_that_is_not_tailraces_by_name_and_meta_is_never_touched(indexer, corner):
    spec = indexer.tables.spec("orders")
    tombstone = {"ddb": {"table": "orders", "deleted": True, "changed_at": "2025-01-01T00:00:00Z"}}
    indices = {
        "orders@000001": {},
        "orders": {},
        "orders@copy": build_index_request(spec, f"{corner}orders@one"),
        "refunds@000001": build_index_request(spec, f"{corner}orders@two"),
    }
    for name, request in indices.items():
        indexer.engine.request("PUT", f"/{corner}{name}", request)
        indexer.engine.request("PUT", f"/{corner}{name}/_doc/x", tombstone)

    assert sweep(indexer).swept == ()
    assert [everything(indexer, f"{corner}{name}") for name in indices] == [{"x"}] * 4


def test_thousands_of_tombstones_go_page_by_page(indexer, corner):
    indexer.index(*(remove(f"o-{number}", number) for number in range(1, 3_001)))

    assert sweep(indexer, page_size=700).as_dict()["removed"] == 3_000
    assert everything(indexer, f"{corner}orders@000001") == set()


def test_failure_78_an_item_inserted_between_the_search_and_the_removal_stays(indexer, corner):
    indexer.index(remove("a", 1), remove("b", 2))

    class Racing(OpenSearchTombstones):
        def remove_tombstones(self, index, tombstones):
            indexer.index(change_record(new=order("a"), sequence=3, second=SECOND + 15 * DAY))
            return super().remove_tombstones(index, tombstones)

    report = sweep(indexer, Racing(indexer.engine))

    assert report.as_dict() == {"indices": 1, "removed": 1, "kept": 1, "failed": 0, "is_finished": True}
    assert everything(indexer, f"{corner}orders@000001") == {"a"}


def test_a_sweep_beside_a_storm_of_inserts_removes_no_item(indexer, corner):
    indexer.index(*(remove(f"o-{number}", number) for number in range(1, 1_001)))
    refresh(indexer)
    stopped = threading.Event()

    def insert_again():
        storm = Indexer(tables=indexer.tables, engine=OpenSearchEngine(indexer.engine.url))
        for start in range(1, 1_001, 20):
            batch = range(start, start + 20, 2)
            storm.index(
                *(change_record(new=order(f"o-{n}"), sequence=10_000 + n, second=SECOND + 15 * DAY) for n in batch)
            )
        stopped.set()

    thread = threading.Thread(target=insert_again)
    thread.start()
    while not stopped.is_set():
        sweep(indexer, page_size=50)
    thread.join()
    sweep(indexer, page_size=50)

    assert everything(indexer, f"{corner}orders@000001") == {f"o-{number}" for number in range(1, 1_001, 2)}


def test_two_sweepers_at_once_do_no_harm(indexer, corner):
    indexer.index(*(remove(f"o-{number}", number) for number in range(1, 501)))
    indexer.index(change_record(new=order("item"), sequence=900))
    refresh(indexer)
    reports = []

    def run():
        reports.append(sweep(indexer, OpenSearchTombstones(OpenSearchEngine(indexer.engine.url)), page_size=50))

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sweep(indexer)

    assert everything(indexer, f"{corner}orders@000001") == {"item"}
    assert sum(report.as_dict()["removed"] for report in reports) <= 500


def test_an_item_that_comes_back_after_the_sweep_is_indexed(indexer, corner):
    indexer.index(remove("a", 1))
    sweep(indexer)

    again = change_record(new=order("a"), sequence=2, second=SECOND + 15 * DAY)
    assert indexer.counts(again) == {"indexed": 1}
    assert everything(indexer, f"{corner}orders@000001") == {"a"}


def test_the_environment_makes_a_sweeper_that_sweeps(indexer, corner, tmp_path):
    tables_file = tmp_path / "tables.yaml"
    tables_file.write_text(f'defaults: {{index_prefix: "{corner}"}}\ntables: {{orders: {{key: [id]}}}}\n')
    environment = {
        "TAILRACE_TABLES": str(tables_file),
        "OPENSEARCH_URL": indexer.engine.url,
        "OPENSEARCH_SERVICE": "none",
        "DEAD_LETTER_BUCKET": "letters",
    }
    indexer.index(remove(second=SECOND - 400 * DAY))
    refresh(indexer)

    report = build_sweeper(read_settings(environment)).sweep(deadline=2**40)

    assert report.as_dict() == {"indices": 1, "removed": 1, "kept": 0, "failed": 0, "is_finished": True}
