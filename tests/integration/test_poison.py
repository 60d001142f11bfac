"""Law 5 at large: every kind of poison at once, on a real OpenSearch, by the pipeline and by the real handler."""

import json
import os
from contextlib import closing
from pathlib import Path

import pytest
from benchmarks import poison as poison_cost
from builders import Indexer
from function_builders import running
from poison.harmless import harmless_kinds
from poison.judging import (
    expected_account,
    expected_letters,
    expected_rejected,
    rejected_fields,
    tables_of,
    told,
    verified,
    verify,
)
from poison.kinds import mended_tables, poison_document, poison_tables
from poison.mixing import batches, kinds_in_json, mend, mixture, poison_kinds

from tailrace.adapters.clock import SystemClock
from tailrace.adapters.memory import MemoryItems
from tailrace.adapters.memory_letters import MemoryLetterBox
from tailrace.pipeline import Pipeline
from tailrace.replaying import Replayer
from tailrace.selections import Selection
from tailrace_local.clients import Clients
from tailrace_local.emulator import Emulator
from tailrace_local.function_environments import Surroundings
from tailrace_local.function_properties import Function

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
BUCKET = "poison-letters"

GOOD, BATCH = 10_000, 1_000


@pytest.mark.both_engines
def test_failures_10_14_35_36_39_43_every_kind_of_poison_among_ten_thousand_good_records_hurts_itself_alone(
    opensearch, corner
):
    specs = poison_tables(corner)
    indexer = Indexer(tables=specs, engine=opensearch, clock=SystemClock())
    entries = mixture(GOOD, [*poison_kinds(), *harmless_kinds()], seed=14)

    accounts = [indexer.counts(*(entry.record for entry in batch), seconds=300) for batch in batches(entries, BATCH)]

    assert accounts == [expected_account(batch) for batch in batches(entries, BATCH)]
    assert told(indexer.letters.letters.values()) == expected_letters(entries)
    assert rejected_fields(opensearch, corner) == expected_rejected(entries)
    assert verify(specs, opensearch, entries) == verified(entries)


def test_failure_49_what_looks_like_a_template_a_script_or_a_request_is_stored_as_it_is(opensearch, corner):
    specs = poison_tables(corner)
    indexer = Indexer(tables=specs, engine=opensearch, clock=SystemClock())
    entries = mixture(20, harmless_kinds(), seed=49)

    assert indexer.counts(*(entry.record for entry in entries), seconds=300) == {"indexed": len(entries)}

    assert rejected_fields(opensearch, corner) == {}
    assert verify(specs, opensearch, entries) == verified(entries)


@pytest.fixture(scope="module")
def cloud():
    """DynamoDB and S3, emulated, with a bucket for dead letters."""
    with Emulator() as emulator:
        clients = Clients(emulator.url)
        clients.s3.create_bucket(Bucket=BUCKET)
        yield clients


@pytest.fixture
def invoke(cloud, opensearch, corner, tmp_path):
    """Invokes the indexer of `functions/indexer` with records, by the real runtime client; gives its answer."""
    (tmp_path / "tables.json").write_text(json.dumps(poison_document(corner)))
    declared = Function(
        logical_id="IndexerFunction",
        name="indexer",
        code=ROOT / "functions/indexer",
        handler="app.lambda_handler",
        runtime="python3.13",
        timeout_seconds=120,
        layers=(ROOT / "layers/tailrace",),
        variables={
            "TAILRACE_TABLES": str(tmp_path / "tables.json"),
            "OPENSEARCH_URL": opensearch.url,
            "OPENSEARCH_SERVICE": "none",
            "DEAD_LETTER_BUCKET": BUCKET,
        },
    )
    with closing(running(tmp_path, declared, Surroundings(os.environ, cloud.endpoint_url))) as function:

        def invoke(records):
            result = function.invoke(json.dumps({"Records": records}).encode())
            assert result.function_error is None, result.log
            return json.loads(result.payload)

        yield invoke


def stored_letters(cloud):
    pages = cloud.s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix="dead-letters/")
    keys = [found["Key"] for page in pages for found in page.get("Contents", ())]
    return [cloud.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in keys]


def test_failures_14_35_the_real_handler_takes_every_kind_of_poison_to_its_end_and_stops_nowhere(
    invoke, cloud, opensearch, corner
):
    entries = mixture(500, kinds_in_json(), seed=35)

    answers = [invoke([entry.record for entry in batch]) for batch in batches(entries, 200)]

    assert answers == [{"batchItemFailures": []}] * len(answers)
    assert told(stored_letters(cloud)) == expected_letters(entries)
    assert rejected_fields(opensearch, corner) == expected_rejected(entries)
    assert verify(poison_tables(corner), opensearch, entries) == verified(entries)


def test_failure_32_a_replay_with_the_causes_mended_leaves_only_what_nothing_mends_and_no_difference(
    opensearch, corner
):
    box, clock = MemoryLetterBox(), SystemClock()
    entries = mixture(1_000, poison_kinds(), seed=32)
    first = Indexer(tables=poison_tables(corner), engine=opensearch, letters=box, clock=clock)
    for batch in batches(entries, BATCH):
        first.index(*(entry.record for entry in batch), seconds=300)
    specs = mended_tables(corner)
    items = MemoryItems(tables_of(mend(entries)))
    replayer = Replayer(Pipeline(specs, opensearch, box, items, clock), box)

    reports = [replayer.replay(Selection(), clock.now() + 300) for _ in range(2)]

    assert told(box.letters.values()) == expected_letters(mend(entries))
    assert [report.outcomes.get("failed", 0) for report in reports] == [0, 0]
    assert reports[0].outcomes["indexed"] == sum(entry.mended is not None for entry in entries) >= 200
    assert "indexed" not in reports[1].outcomes
    assert rejected_fields(opensearch, corner) == expected_rejected(mend(entries))
    assert verify(specs, opensearch, mend(entries)) == verified(mend(entries))


def test_one_percent_of_poison_costs_the_good_records_little(engine_url):
    # Timings are noisy where other work runs: `make bench` says the figure, a slip by far is noticed here.
    assert poison_cost.measure(engine_url, rounds=3, batches=4).share > 0.35
