"""The demo's writes: repeatable, legal for DynamoDB, and of every kind that a pipeline may get wrong."""

from random import Random

import pytest

from tailrace.attributes import ImageReader, canonical_json
from tailrace_local.demo.data import key_of
from tailrace_local.demo.edge_values import LONGEST_NUMBER, describe_airline
from tailrace_local.demo.workload import (
    Batch,
    Update,
    build_workload,
    burst,
    change_flights,
    enrich_airlines,
    load,
    retype_planes,
)


def flights(count):
    return [{"id": {"S": f"f-{n}"}, "carrier": {"S": "UA"}, "dep_delay": {"N": str(n)}} for n in range(count)]


def planes(count):
    return [{"tailnum": {"S": f"N{n}"}, "type": {"S": "Glider"}} for n in range(count)]


def weather(count):
    return [{"origin": {"S": "EWR"}, "time_hour": {"S": f"h-{n}"}, "wind_gust": {"N": "9"}} for n in range(count)]


@pytest.fixture
def items():
    return {
        "airlines": [{"carrier": {"S": code}} for code in ("9E", "AA", "UA")],
        "airports": [{"faa": {"S": "JFK"}}],
        "planes": planes(100),
        "weather": weather(100),
        "flights": flights(600),
    }


def steps_of(workload):
    return [step for lane in workload.lanes for step in lane]


def test_a_workload_repeats_with_its_seed(items):
    assert build_workload(items, 1) == build_workload(items, 1)
    assert build_workload(items, 1) != build_workload(items, 2)


def test_every_item_is_put_once_by_the_load_or_as_a_probe(items):
    workload = build_workload(items, 1)
    put = {item["id"]["S"] for step in steps_of(workload) if step.table == "flights" for item in step.puts}

    assert len(workload.probes) == 60
    assert put | {item["id"]["S"] for item in workload.probes} == {f"f-{n}" for n in range(600)}
    assert put.isdisjoint({item["id"]["S"] for item in workload.probes})


def test_no_batch_is_over_25_writes_or_names_a_key_twice(items):
    batches = [step for step in steps_of(build_workload(items, 1)) if isinstance(step, Batch)]
    keys = [[str(key_of(b.table, item)) for item in b.puts] + [str(key) for key in b.deletes] for b in batches]

    assert max(batch.writes for batch in batches) == 25
    assert all(len(set(named)) == len(named) for named in keys)


def test_no_key_is_written_by_two_lanes(items):
    first, second = build_workload(items, 1).lanes

    assert {step.table for step in first} == {"flights"}
    assert {step.table for step in second} == {"airlines", "airports", "planes", "weather"}


def test_the_number_of_items_at_the_end_is_known_beforehand(items):
    assert build_workload(items, 1).items_after() == {
        "airlines": 3, "airports": 1, "planes": 100, "weather": 95, "flights": 573,
    }  # fmt: skip


def test_writes_that_change_nothing_are_known_as_such(items):
    workload = build_workload(items, 1)

    assert workload.writes - workload.changes == {"weather": 2}.get("weather")


def test_a_load_puts_25_items_at_a_time():
    assert [len(step.puts) for step in load("flights", flights(60))] == [25, 25, 10]


def test_a_reinstated_flight_is_deleted_and_at_once_put_again():
    steps = change_flights(flights(120), Random(1))
    again = next(n for n, step in enumerate(steps) if step.puts and "reinstated" in step.puts[0])

    assert steps[again - 1].deletes == tuple(key_of("flights", item) for item in steps[again].puts)


def test_a_burst_is_300_updates_of_one_key_within_one_lane():
    updates = list(burst({"carrier": {"S": "9E"}, "name": {"S": "Endeavor"}}))

    assert len(updates) == 300
    assert updates[0] == Update("airlines", {"carrier": {"S": "9E"}}, {"bookings": {"N": "1"}})
    assert {str(update.key) for update in updates} == {"{'carrier': {'S': '9E'}}"}


def test_one_plane_leaves_its_type_and_returns_and_one_loses_it():
    steps = retype_planes(planes(100), Random(1))

    assert [(step.sets.get("type"), step.removes) for step in steps] == [
        ({"S": "Rotorcraft"}, ()),
        ({"S": "Glider"}, ()),
        ({"S": "Museum piece"}, ()),
        (None, ("type",)),
    ]


def test_null_and_missing_both_occur():
    updates = list(enrich_airlines([{"carrier": {"S": "9E"}}, {"carrier": {"S": "AA"}}]))

    assert updates[0].sets["alliance"] == {"NULL": True}
    assert updates[2] == Update("airlines", {"carrier": {"S": "AA"}}, {}, removes=("alliance", "logo"))


def test_an_airline_gets_every_type_that_dynamodb_has():
    kinds = {kind for value in describe_airline(0, "9E").values() for kind in value}

    assert kinds == {"S", "N", "B", "BOOL", "NULL", "SS", "NS", "BS", "M", "L"}


@pytest.mark.parametrize("number", range(16))
def test_every_edge_value_is_legal_in_dynamodb(number):
    assert canonical_json(ImageReader().read(describe_airline(number, "9E")))


def test_the_first_airline_has_flown_the_longest_number_of_miles():
    assert describe_airline(0, "9E")["miles_ever_flown"] == {"N": LONGEST_NUMBER}
    assert len(LONGEST_NUMBER) == 38
