"""Readiness (failure 55): a mapping is ready when it works and nothing waits, never just because it runs."""

import pytest
from mapping_builders import NOON, VirtualShard, record, records

from tailrace_cli.local import _readiness
from tailrace_local.deliveries import Failed, Reported
from tailrace_local.event_sources import READY_LAG_SECONDS, MappingStatus
from tailrace_local.shard_mapping import MappingCounters, MappingPolicy


def fail(_):
    return Failed()


def refuse_the_second(action):
    return Reported(action.records[1].sequence_number)


def status(**settings):
    defaults = {"name": "Orders", "state": "running", "shards": 1, "pending": 0, "lag_seconds": 0.0, "applied_at": NOON}
    return MappingStatus(**{**defaults, "counters": MappingCounters(), **settings})


def test_failure_55_lag_is_the_age_of_the_oldest_change_that_is_not_settled():
    shard = VirtualShard(function=fail).offer(record(1, at=NOON - 90), record(2, at=NOON - 7)).run(invocations=3)

    assert shard.mapping.waiting_since == NOON - 90


def test_failure_55_what_is_settled_waits_no_more():
    shard = VirtualShard().offer(record(1, at=NOON - 90)).run()

    assert shard.mapping.waiting_since is None
    assert shard.mapping.applied_at == NOON


def test_failure_55_an_attempt_that_failed_applied_nothing():
    shard = VirtualShard(function=fail).offer(*records(1, 2)).run(invocations=5)

    assert shard.mapping.applied_at is None


def test_failure_55_a_batch_that_was_settled_in_part_was_applied():
    shard = VirtualShard(MappingPolicy(reports_item_failures=True), refuse_the_second).offer(*records(1, 2))
    shard.run(invocations=1)

    assert shard.mapping.applied_at == NOON


@pytest.mark.parametrize(
    ("settings", "is_ready"),
    [
        ({}, True),
        ({"applied_at": None}, True),  # nothing was there to apply
        ({"lag_seconds": READY_LAG_SECONDS}, True),
        ({"lag_seconds": READY_LAG_SECONDS + 1}, False),
        ({"state": "stopped"}, False),
        ({"state": "failed: no route"}, False),
    ],
)
def test_failure_55_running_is_not_ready(settings, is_ready):
    assert status(**settings).is_ready is is_ready


@pytest.mark.parametrize(
    ("mappings", "told"),
    [
        ([], "yes"),
        ([{"name": "Orders", "ready": True}], "yes"),
        (
            [{"name": "Orders", "ready": False}, {"name": "Planes", "ready": True}],
            "no, these do not keep up: Orders",
        ),
    ],
)
def test_failure_55_status_names_what_does_not_keep_up(mappings, told):
    assert _readiness(mappings) == told
