"""A reindex on a real engine: what is searched is right before, during and after it."""

import pytest
import requests
from builders import order
from reindex_builders import SnapshotSource, World

from tailrace.adapters.index_pages import OpenSearchIndex
from tailrace.errors import UserError
from tailrace.failures import EngineError
from tailrace.jobs import JobStore, Phase
from tailrace.tables import load_tables

pytestmark = pytest.mark.slow


def specs(corner, **orders):
    return load_tables(
        {"defaults": {"index_prefix": corner}, "tables": {"orders": {"key": ["id"]} | orders}},
    )


@pytest.fixture
def world(opensearch, corner):
    return World(specs(corner), opensearch, OpenSearchIndex(opensearch))


def run(world, reindexer=None, job_id="job-1"):
    reindexer = reindexer or world.reindexer()
    certificate = reindexer.run(reindexer.begin(job_id, segments=2))
    assert certificate.is_clean, certificate.as_dict()
    return reindexer


def aliases(world, corner):
    answer = requests.get(f"{world.engine.url}/{corner}*/_alias?expand_wildcards=all", timeout=10).json()
    return {index.removeprefix(corner): sorted(a.removeprefix(corner) for a in told["aliases"])
            for index, told in answer.items()}  # fmt: skip


def search(world, alias, **query):
    world.engine.request("POST", f"/{alias}/_refresh")
    answer = world.engine.request("POST", f"/{alias}/_search", {"size": 1000, **query})
    return {hit["_id"]: hit["_source"] for hit in answer["hits"]["hits"]}


def fill(world, count):
    for number in range(count):
        world.write(order(f"o-{number:03d}"))


def test_a_reindex_builds_the_next_generation_and_swaps_it_in(world, corner):
    fill(world, 5)

    run(world)

    assert aliases(world, corner) == {"orders@000001": ["orders@previous"], "orders@000002": ["orders"]}
    assert sorted(search(world, f"{corner}orders")) == ["o-000", "o-001", "o-002", "o-003", "o-004"]


def test_a_new_mapping_holds_after_the_swap(world, corner, opensearch):
    fill(world, 3)
    scaled = specs(corner, fields={"total": {"type": "number", "format": "scaled_float", "scaling_factor": 100}})

    run(world, world.reindexer(scaled))

    answer = opensearch.request("GET", f"/{corner}orders/_mapping")
    [told] = answer.values()
    assert told["mappings"]["properties"]["total"]["type"] == "scaled_float"
    settings = opensearch.request("GET", f"/{corner}orders/_settings")[f"{corner}orders@000002"]["settings"]["index"]
    assert (settings["refresh_interval"], settings["auto_expand_replicas"]) == ("1s", "0-1")


def test_the_first_load_of_a_table_is_the_same_job_without_an_old_generation(world, corner):
    world.table.items = [order(f"o-{number:03d}") for number in range(250)]

    run(world)

    assert aliases(world, corner) == {"orders@000002": ["orders"]}
    assert len(search(world, f"{corner}orders")) == 250


def test_failure_1_changes_during_the_load_reach_both_generations(world, corner):
    world.table.items = [order(f"o-{number:03d}") for number in range(300)]
    changed = []

    def on_page(name, checkpoint):
        if not changed:
            changed.append(name)
            world.write(order("o-000", status={"S": "CHANGED"}))
            world.write(order("o-299", status={"S": "CHANGED"}))
            world.write(order("o-new"))
            world.remove("o-001")

    run(world, world.reindexer(on_page=on_page))

    found = search(world, f"{corner}orders")
    assert len(found) == 300
    assert {id_ for id_, source in found.items() if source["status"] == "CHANGED"} == {"o-000", "o-299"}
    assert "o-001" not in found


def test_failure_2_an_item_removed_after_it_was_read_stays_away(world, corner):
    fill(world, 50)

    def on_phase(job):
        if job.phase is Phase.LOADING:
            world.remove("o-007")

    reindexer = world.reindexer(source=SnapshotSource(world.table), on_phase=on_phase)
    certificate = reindexer.run(reindexer.begin("job-1", segments=1))

    assert certificate.is_clean
    assert "o-007" not in search(world, f"{corner}orders")


def test_a_rollback_finds_everything_that_was_written_since_the_swap(world, corner):
    fill(world, 3)
    reindexer = run(world)
    world.write(order("o-late"))
    world.remove("o-001")

    job = reindexer.roll_back(JobStore(world.box).read("orders"))

    assert job.phase is Phase.ROLLED_BACK
    assert aliases(world, corner) == {"orders@000001": ["orders"], "orders@000002": ["orders@previous"]}
    assert sorted(search(world, f"{corner}orders")) == ["o-000", "o-002", "o-late"]


def test_a_rollback_may_be_rolled_back(world, corner):
    fill(world, 2)
    reindexer = run(world)
    reindexer.roll_back(JobStore(world.box).read("orders"))
    world.write(order("o-late"))

    reindexer.roll_back(JobStore(world.box).read("orders"))

    assert aliases(world, corner) == {"orders@000001": ["orders@previous"], "orders@000002": ["orders"]}
    assert len(search(world, f"{corner}orders")) == 3


def test_finishing_drops_the_generation_that_is_not_searched(world, corner):
    fill(world, 2)
    reindexer = run(world)

    reindexer.finish(JobStore(world.box).read("orders"))

    assert aliases(world, corner) == {"orders@000002": ["orders"]}
    assert world.box.letters == {}


def test_the_next_reindex_finishes_the_one_before(world, corner):
    fill(world, 2)
    run(world)

    run(world, job_id="job-2")

    assert aliases(world, corner) == {"orders@000002": ["orders@previous"], "orders@000003": ["orders"]}


def test_an_abort_leaves_what_is_searched_as_it_was(world, corner):
    fill(world, 2)

    def on_page(name, checkpoint):
        raise EngineError(503, "killed")

    reindexer = world.reindexer(on_page=on_page)
    with pytest.raises(EngineError):
        reindexer.run(reindexer.begin("job-1", segments=2))
    world.write(order("o-late"))

    reindexer.abort(JobStore(world.box).read("orders"))
    world.write(order("o-later"))

    assert aliases(world, corner) == {"orders@000001": ["orders"]}
    assert len(search(world, f"{corner}orders")) == 4
    assert world.box.letters == {}


def test_a_second_reindex_is_refused_while_one_is_under_way(world):
    fill(world, 1)
    world.reindexer().begin("job-1", segments=1)

    with pytest.raises(UserError, match="a reindex of orders is under way \\(announcing\\): go on with --resume"):
        world.reindexer().begin("job-2", segments=1)


class Killed(BaseException):
    """What no handler catches."""


class DyingGenerations:
    """Dies before or after the n-th call."""

    def __init__(self, below, calls, is_after):
        self.below, self.left, self.is_after = below, calls, is_after

    def __getattr__(self, name):
        def call(*arguments):
            self.left -= 1
            if self.left == 0 and not self.is_after:
                raise Killed
            answer = getattr(self.below, name)(*arguments)
            if self.left == 0:
                raise Killed
            return answer

        return call


@pytest.mark.parametrize("is_after", [False, True])
@pytest.mark.parametrize("calls", range(1, 12))
def test_a_job_that_is_killed_between_any_two_steps_goes_on_to_the_same_end(world, corner, calls, is_after):
    from tailrace.adapters.generations import OpenSearchGenerations

    fill(world, 2)
    dying = world.reindexer(generations=DyingGenerations(OpenSearchGenerations(world.engine), calls, is_after))
    try:
        dying.run(dying.begin("job-1", segments=1))
    except Killed:
        world.write(order("o-between"))

    job = JobStore(world.box).read("orders")
    if job.phase is not Phase.SWAPPED:
        world.reindexer().run(job)

    assert aliases(world, corner) == {"orders@000001": ["orders@previous"], "orders@000002": ["orders"]}
    assert len(search(world, f"{corner}orders")) == len(world.table.items)
