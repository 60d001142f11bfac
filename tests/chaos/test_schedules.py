"""Schedules are what they promise: small, known by their seed, and all kinds of faults in any fifty of them."""

from chaos.kinds import KINDS
from chaos.schedules import FAULTS, MOST_CHANGES, MOST_FAULTS, PROXY_FAULTS, RARE_FAULTS, schedule_of

FIFTY = [schedule_of(seed) for seed in range(4_700, 4_750)]


def test_a_schedule_is_known_by_its_seed():
    assert schedule_of(4_711) == FIFTY[11]
    assert len(set(FIFTY)) == 50


def test_a_schedule_is_small():
    assert {5 <= schedule.changes <= MOST_CHANGES for schedule in FIFTY} == {True}
    assert {1 <= len(schedule.faults) <= MOST_FAULTS for schedule in FIFTY} == {True}


def test_fifty_seeds_in_a_row_hold_every_kind_of_fault_and_two_functions_at_once():
    assert {fault.kind for schedule in FIFTY for fault in schedule.faults} >= {*FAULTS, "process killed"}
    assert {len(schedule.batch_sizes) for schedule in FIFTY} == {1, 2}


def test_a_hundred_seeds_in_a_row_hold_the_death_of_the_engine():
    faults = {fault.kind for seed in range(100) for fault in schedule_of(seed).faults}

    assert faults == {*FAULTS, *RARE_FAULTS}


def test_the_proxy_knows_what_a_schedule_asks_of_it():
    assert {*PROXY_FAULTS, "engine killed"} == set(KINDS)
