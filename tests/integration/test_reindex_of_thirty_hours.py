"""A load that takes longer than a stream keeps its records: thirty hours of a virtual clock, on a real engine.

Each page takes an hour. What changes meanwhile is indexed within that hour, and each hour the sweeper runs, with a
horizon of one day: shorter than the load.
"""

import pytest
from builders import order
from reindex_builders import SnapshotSource, World

from tailrace.adapters.index_pages import OpenSearchIndex
from tailrace.adapters.memory import ManualClock
from tailrace.adapters.tombstones import OpenSearchTombstones
from tailrace.failures import EngineError
from tailrace.jobs import JobStore, Phase
from tailrace.sweeping import Sweeper
from tailrace.tables import load_tables

pytestmark = pytest.mark.slow

HOUR = 3_600
PAGES = 30
PAGE = 100
NEVER_READ = "o-2999"  # the last item that the load comes to


@pytest.fixture
def world(opensearch, corner):
    specs = load_tables(
        {"defaults": {"index_prefix": corner, "tombstone_days": 1}, "tables": {"orders": {"key": ["id"]}}}
    )
    world = World(specs, opensearch, OpenSearchIndex(opensearch), clock=ManualClock())
    world.table.items = [order(f"o-{number:04d}") for number in range(PAGES * PAGE)]
    return world


class Hours:
    """What happens in each hour of the load."""

    def __init__(self, world, corner):
        self.world, self.corner = world, corner
        self.hour = self.swept = 0

    def on_page(self, _name, _checkpoint):
        """The page took an hour: an item of a page that is long done, and one of a page still to come, change."""
        self.world.clock.seconds += HOUR
        self.hour += 1
        for number in (self.hour, PAGES * PAGE - 2 - self.hour):
            self.world.write(order(f"o-{number:04d}", status={"S": f"HOUR {self.hour}"}))
        self.world.write(order(f"new-{self.hour:02d}"))
        self.world.remove(f"o-{PAGE + self.hour:04d}")
        self.world.engine.request("POST", f"/{self.corner}*/_refresh")
        sweeper = Sweeper(self.world.specs, OpenSearchTombstones(self.world.engine), self.world.clock)
        self.swept += sweeper.sweep(self.world.clock.now() + 30).as_dict()["removed"]


def ids(world, index):
    world.engine.request("POST", f"/{index}/_refresh")
    answer = world.engine.request("POST", f"/{index}/_search", {"size": 10_000})
    return {hit["_id"]: hit["_source"] for hit in answer["hits"]["hits"]}


def test_failure_1_a_backfill_of_thirty_hours_loses_nothing(world, corner):
    hours = Hours(world, corner)
    reindexer = world.reindexer(source=SnapshotSource(world.table), on_page=hours.on_page)
    began_at = world.clock.now()

    certificate = reindexer.run(reindexer.begin("job-1", segments=1))

    assert certificate.is_clean, certificate.as_dict()
    assert world.clock.now() - began_at >= 30 * HOUR
    found = ids(world, f"{corner}orders")
    assert len(found) == len(world.table.items) == 3_000
    assert sorted(source["status"] for source in found.values() if source["status"] != "PAID") == sorted(
        2 * [f"HOUR {hour}" for hour in range(1, 31)]
    )


def test_failure_1_what_changed_in_the_first_hour_is_searched_in_the_first_hour(world, corner):
    """Nothing waits for the end of the load: by then a stream would have let go of it."""
    world.write(order("o-0000"))  # the searched generation
    seen = []

    def on_page(_name, _checkpoint):
        world.clock.seconds += HOUR
        if not seen:
            world.write(order("new"))
            seen.append("new" in ids(world, f"{corner}orders"))

    reindexer = world.reindexer(on_page=on_page)
    reindexer.run(reindexer.begin("job-1", segments=1))

    assert seen == [True]


def test_failure_2_an_item_removed_before_the_load_reached_it_stays_away_after_a_sweep(world, corner):
    hours = Hours(world, corner)

    def on_phase(job):
        if job.phase is Phase.LOADING:
            forgetful = {"index": {"gc_deletes": "0s"}}  # as after the minute that an engine remembers what it deleted
            world.engine.request("PUT", f"/{corner}orders@000002/_settings", forgetful)
            world.write(order(NEVER_READ, status={"S": "IN THE OLD ONE, TOO"}))
            world.remove(NEVER_READ)

    source = SnapshotSource(world.table)  # as an export: read before the removal
    reindexer = world.reindexer(source=source, on_page=hours.on_page, on_phase=on_phase)
    certificate = reindexer.run(reindexer.begin("job-1", segments=1))

    assert NEVER_READ in {item["id"]["S"] for item in reindexer.source.table.items}
    assert certificate.is_clean
    assert hours.swept > 0
    assert NEVER_READ not in ids(world, f"{corner}orders@previous")
    assert NEVER_READ not in ids(world, f"{corner}orders")
    assert ids(world, f"{corner}orders@000002")[NEVER_READ]["ddb"]["deleted"] is True


def test_failure_55_a_load_that_is_stopped_after_a_day_goes_on_where_it_was(world, corner):
    hours = Hours(world, corner)

    def on_page(name, checkpoint):
        hours.on_page(name, checkpoint)
        if hours.hour == 25:
            raise EngineError(503, "stopped")

    reindexer = world.reindexer(on_page=on_page)
    with pytest.raises(EngineError):
        reindexer.run(reindexer.begin("job-1", segments=1))
    job = JobStore(world.box).read("orders")
    read_before = reindexer.checkpoints(job)["part-0"].read

    certificate = world.reindexer(on_page=hours.on_page).run(job)

    assert certificate.is_clean
    assert read_before == 25 * PAGE
    assert len(ids(world, f"{corner}orders")) == len(world.table.items)
