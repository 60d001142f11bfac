"""The steps of a reindex, taken one by one as the state machine takes them, on a real engine."""

import json
import time
from itertools import count

import pytest
from builders import order
from reindex_builders import ListSlice, ListSource, World

from tailrace import reindex_steps
from tailrace.adapters.index_pages import OpenSearchIndex
from tailrace.errors import UserError
from tailrace.failures import EngineError
from tailrace.jobs import JobStore, Phase
from tailrace.loading import LoadError
from tailrace.reindex_steps import DifferencesError, take_step
from tailrace.sources import NotYetError
from tailrace.tables import load_tables

pytestmark = pytest.mark.slow
LATER = 10_000.0  # seconds: more than a step of a test takes


def specs(corner, **orders):
    return load_tables({"defaults": {"index_prefix": corner}, "tables": {"orders": {"key": ["id"]} | orders}})


@pytest.fixture
def world(opensearch, corner):
    return World(specs(corner), opensearch, OpenSearchIndex(opensearch))


def fill(world, items):
    for number in range(items):
        world.write(order(f"o-{number:03d}"))


def take(reindexer, step, seconds=LATER, **event):
    return take_step(reindexer, {"step": step, "table": "orders"} | event, time.time() + seconds)


def begin(reindexer, **asked):
    return take(reindexer, "begin", job="run-1", input={"table": "orders", "segments": 2} | asked)


def slices(world, answer):
    return [each["slice"] for each in json.loads(world.box.letters[answer["slices"]])]


def phase(world):
    return JobStore(world.box).read("orders").phase


def load_all(world, reindexer):
    begin(reindexer)
    for name in slices(world, take(reindexer, "prepare")):
        assert take(reindexer, "load", slice=name) == {"is_done": True}


def searched(world, corner):
    [generation] = world.engine.request("GET", f"/_alias/{corner}orders")
    return generation.removeprefix(corner)


def test_the_steps_lead_from_the_announcement_to_the_swap(world, corner):
    fill(world, 5)
    reindexer = world.reindexer()

    load_all(world, reindexer)
    gate = take(reindexer, "finish_load")
    take(reindexer, "verify")
    end = take(reindexer, "swap")

    assert gate == {"is_done": True, "is_small": True}
    assert (end["phase"], end["read"], end["slices"], end["slices_done"], end["is_over"]) == ("swapped", 5, 2, 2, True)
    assert searched(world, corner) == "orders@000002"


def test_every_step_may_be_taken_twice(world, corner):
    fill(world, 5)
    reindexer = world.reindexer()

    assert begin(reindexer) == begin(reindexer)
    assert take(reindexer, "prepare") == take(reindexer, "prepare")
    for _ in "twice":
        assert take(reindexer, "load", slice="part-0") == {"is_done": True}
        assert take(reindexer, "load", slice="part-1") == {"is_done": True}
    assert take(reindexer, "finish_load") == take(reindexer, "finish_load")
    assert take(reindexer, "verify")["phase"] == take(reindexer, "verify")["phase"] == "swapping"
    assert take(reindexer, "swap") == take(reindexer, "swap")
    assert take(reindexer, "load", slice="part-0") == {"is_done": True}
    assert searched(world, corner) == "orders@000002"


def test_a_slice_that_is_longer_than_an_invocation_is_gone_on_with_where_it_was(world):
    world.table.items = [order(f"o-{number:03d}") for number in range(250)]
    reindexer = world.reindexer()
    begin(reindexer, segments=1)
    take(reindexer, "prepare")

    answers = [take(reindexer, "load", seconds=0, slice="part-0")["is_done"] for _ in range(3)]

    assert answers == [False, False, True]
    assert take(reindexer, "status")["read"] == 250


def test_writers_that_have_not_heard_are_waited_for_without_a_process(world):
    reindexer = world.reindexer()
    begin(reindexer)
    jobs = JobStore(world.box)
    jobs.write(jobs.read("orders").entering(Phase.FENCING, fence_until=time.time() + 100))

    answer = take(reindexer, "prepare")

    assert (answer["is_ready"], answer["slices"]) == (False, "")
    assert 90 < answer["seconds"] <= 100
    assert phase(world) is Phase.FENCING


class SlowSource(ListSource):
    """Asks for an export first, which is there at the second look."""

    looks = count(1)

    def begin(self, job):
        if not job.exports:
            return job.entering(job.phase, exports=("s3://bucket/export",))
        if next(self.looks) == 1:
            raise NotYetError("it is being written", 30)
        return job


def test_an_export_is_asked_for_once_written_down_and_looked_for_later(world):
    reindexer = world.reindexer(source=SlowSource(world.table))
    begin(reindexer)

    first = take(reindexer, "prepare")
    asked = JobStore(world.box).read("orders")
    second = take(reindexer, "prepare")

    assert (first["is_ready"], first["seconds"]) == (False, 30)
    assert (asked.phase, asked.exports) == (Phase.FENCING, ("s3://bucket/export",))
    assert second["is_ready"] is True


class BrokenSlice(ListSlice):
    """Cannot be read."""

    def pages(self, position):
        raise EngineError(503, "the engine went away")


class BrokenSource(ListSource):
    """Its last slice cannot be read."""

    def slices(self, job):
        *sound, last = super().slices(job)
        return [*sound, BrokenSlice(last.table, last.number, last.total, last.instant_ns)]


def test_the_gate_refuses_a_load_with_a_missing_slice_and_says_why(world):
    fill(world, 5)
    reindexer = world.reindexer(source=BrokenSource(world.table))
    begin(reindexer)
    take(reindexer, "prepare")
    take(reindexer, "load", slice="part-0")
    with pytest.raises(EngineError):
        take(reindexer, "load", slice="part-1")
    failure = {"Error": "States.ExceedToleratedFailureThreshold", "Cause": "too many"}

    with pytest.raises(LoadError) as refusal:
        take(reindexer, "finish_load", redrives=0, redrives_before=0, failure=failure)

    assert str(refusal.value).startswith("1 of 2 slices of orders are not loaded: part-1 (")
    assert "the engine went away" in str(refusal.value)
    assert phase(world) is Phase.LOADING


def test_the_gate_tells_what_kept_the_map_from_beginning(world):
    reindexer = world.reindexer()
    begin(reindexer)
    take(reindexer, "prepare")

    with pytest.raises(LoadError, match=r"part-0 \(not at its end\).*; the map ended in States.ItemReaderFailed: no"):
        take(reindexer, "finish_load", failure={"Error": "States.ItemReaderFailed", "Cause": "no such key"})


def test_only_a_redriven_execution_is_led_back_to_the_map(world):
    reindexer = world.reindexer()
    begin(reindexer)
    take(reindexer, "prepare")

    assert take(reindexer, "finish_load", redrives=1, redrives_before=0) == {"is_done": False, "is_small": False}


def test_what_differs_from_its_table_is_not_swapped(world, corner):
    fill(world, 5)
    reindexer = world.reindexer()
    load_all(world, reindexer)
    take(reindexer, "finish_load")
    world.engine.request("DELETE", f"/{corner}orders@000002/_doc/o-001?refresh=true")

    with pytest.raises(DifferencesError, match=r"what was loaded differs from table orders \(1 missing\)"):
        take(reindexer, "verify")

    assert (phase(world), searched(world, corner)) == (Phase.VERIFYING, "orders@000001")


def test_a_table_too_large_for_an_invocation_is_left_to_the_command_which_ends_the_job(world, monkeypatch, corner):
    fill(world, 5)
    monkeypatch.setattr(reindex_steps, "MOST_ITEMS_TO_VERIFY", 4)
    reindexer = world.reindexer()
    load_all(world, reindexer)

    gate = take(reindexer, "finish_load")
    waiting = take(reindexer, "status")
    certificate = world.reindexer().run(JobStore(world.box).read("orders"))

    assert gate == {"is_done": True, "is_small": False}
    assert (waiting["phase"], waiting["is_over"]) == ("verifying", False)
    assert certificate.is_clean
    assert take(reindexer, "status")["is_over"] is True
    assert searched(world, corner) == "orders@000002"


def test_the_state_machine_goes_on_with_a_job_of_the_command(world, corner):
    fill(world, 5)
    reindexer = world.reindexer()
    reindexer.begin("by-hand", segments=2)

    begin(reindexer, resume=True)
    load_all_of_resumed(world, reindexer)

    assert JobStore(world.box).read("orders").id == "by-hand"
    assert searched(world, corner) == "orders@000002"


def load_all_of_resumed(world, reindexer):
    for name in slices(world, take(reindexer, "prepare")):
        take(reindexer, "load", slice=name)
    for step in ("finish_load", "verify", "swap"):
        take(reindexer, step)


def test_a_job_under_way_is_not_taken_over_unasked(world):
    reindexer = world.reindexer()
    reindexer.begin("by-hand", segments=2)

    with pytest.raises(UserError, match="a reindex of orders is under way"):
        begin(reindexer)


def test_a_job_whose_spec_has_changed_is_not_gone_on_with(world, corner):
    begin(world.reindexer())

    with pytest.raises(UserError, match="the spec of table orders has changed since its reindex began"):
        take(world.reindexer(specs(corner, fields={"total": {"type": "text"}})), "prepare")


def test_removed_items_that_the_filter_keeps_are_not_lost_unasked(world, corner):
    keeping = specs(corner, filter={"exclude_operations": ["remove"]})

    with pytest.raises(UserError, match='"without_removed": true gives them up'):
        begin(world.reindexer(keeping))

    assert begin(world.reindexer(keeping), without_removed=True)["phase"] == "fencing"


def test_an_abort_leaves_nothing_but_what_is_searched(world, corner):
    fill(world, 2)
    reindexer = world.reindexer()
    begin(reindexer)

    assert take(reindexer, "abort") == {"table": "orders", "phase": "none", "is_over": True}
    assert world.box.letters == {}
    assert searched(world, corner) == "orders@000001"


@pytest.mark.parametrize("step", ["prepare", "load", "finish_load", "verify", "swap"])
def test_a_step_without_a_job_says_so(world, step):
    with pytest.raises(UserError, match="there is no reindex of orders: it was given up, or finished"):
        take(world.reindexer(), step, slice="part-0")


@pytest.mark.parametrize("step", ["load", "finish_load", "verify", "swap"])
def test_a_step_before_its_time_is_refused(world, step):
    begin(world.reindexer())

    with pytest.raises(UserError, match="the reindex of orders is not as far as this step: it is fencing"):
        take(world.reindexer(), step, slice="part-0")


def test_an_unknown_slice_and_an_unknown_step_are_refused(world):
    reindexer = world.reindexer()
    begin(reindexer)
    take(reindexer, "prepare")

    with pytest.raises(UserError, match="the reindex of orders has no slice part-7"):
        take(reindexer, "load", slice="part-7")
    with pytest.raises(UserError, match="the event asks for step 'begun': it must be one of begin, prepare, load"):
        take(reindexer, "begun")
