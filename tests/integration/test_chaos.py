"""Delivery under fire on an engine of its own: fifty schedules of faults, and faults that only a process can have.

What each kind of fault does by itself is in tests/chaos.
"""

import json
import os
import time
from dataclasses import replace

import pytest
from builders import Indexer, change_record, event, order
from chaos.campaign import Campaign, replay_command
from chaos.observing import batch, shown
from chaos.processes import running_indexer
from chaos.proxy import FaultProxy, pass_on
from chaos.schedules import FAULTS, RARE_FAULTS

from tailrace.delivery import DeliveryPolicy
from tailrace.tables import load_tables
from tailrace_local.engine import Engine
from tailrace_local.engine_flags import choose_spec

pytestmark = pytest.mark.slow

FIRST_SEED, SCHEDULES = 1, 50
SMALL_TYPES = {"http.max_content_length": "10mb"}  # AWS: the cap of small instance types
MEBIBYTE = 1024 * 1024


@pytest.fixture(scope="module")
def engine():
    """It is killed, and takes 10 MiB at most: not the one that the whole run shares."""
    with Engine(replace(choose_spec(os.environ), settings=SMALL_TYPES)) as running:
        yield running


@pytest.fixture
def engine_url(engine):
    """What the fixtures of the whole run take for the engine."""
    return engine.url


@pytest.mark.timeout(600)
def test_failures_31_35_schedules_of_faults_end_with_the_table_in_the_index_or_a_dead_letter(engine):
    with Campaign(engine.url, engine) as campaign:
        verdicts = campaign.run(range(FIRST_SEED, FIRST_SEED + SCHEDULES))

    assert {replay_command(seed): text for seed, text in verdicts.wrong.items()} == {}
    assert verdicts.schedules == SCHEDULES
    assert set(verdicts.strikes) == {*FAULTS, *RARE_FAULTS}
    assert min(verdicts.counts[name] for name in ("indexed", "deleted", "dead_lettered", "failed", "replayed")) > 0


def test_failure_27_an_engine_that_takes_10_mib_gets_halves(opensearch, corner):
    specs = load_tables({"defaults": {"index_prefix": corner}, "tables": {"orders": {"key": ["id"]}}})
    indexer = Indexer(tables=specs, engine=opensearch, policy=DeliveryPolicy(max_bulk_bytes=100 * MEBIBYTE))
    ids = [f"{n:02}" for n in range(40)]

    assert indexer.counts(*batch(*ids, note={"S": "x" * 390_000})) == {"indexed": 40}
    assert shown(opensearch, corner) == ids


def test_failure_53_an_invocation_that_lambda_ends_in_the_middle_of_a_bulk_is_repeated_without_harm(
    engine, opensearch, corner, tmp_path
):
    document = {"defaults": {"index_prefix": corner}, "tables": {"orders": {"key": ["id"]}}}
    no_margin = {"TAILRACE_TIME_MARGIN_MS": "0"}

    def hang(exchange):
        exchange.forward()
        time.sleep(5.0)
        exchange.reset()

    with (
        FaultProxy(engine.url) as proxy,
        running_indexer(proxy.url, tmp_path, document, "http://127.0.0.1:9", 3, no_margin) as function,
    ):
        function.invoke(event(change_record(new=order("before"), sequence=100)))
        proxy.interfere = hang
        ended = function.invoke(event(*batch("a", "b")))
        proxy.interfere = pass_on
        repeated = function.invoke(event(*batch("a", "b")))

    assert json.loads(ended.payload)["errorType"] == "Sandbox.Timedout"
    assert json.loads(repeated.payload) == {"batchItemFailures": []}
    assert shown(opensearch, corner) == ["a", "b", "before"]
