"""A reindex while the table changes and searches go on, and one that is killed again and again: small ones of
`python -m reindexing.under_load` and `python -m reindexing.killing`.
"""

from concurrent.futures import ThreadPoolExecutor

import pytest
from reindexing.killing import PAGE_BYTES, judge, kill_and_resume
from reindexing.scenes import scene
from reindexing.under_load import reindex_under_load

from tailrace_local.emulator import Emulator

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def emulator():
    with Emulator() as running:
        yield running.url


def reindexed(engine_url, emulator, source):
    with scene(engine_url, emulator) as stage:
        return reindex_under_load(stage, items=3_000, rate=100, source=source, fence=5.0)


def killed(engine_url, emulator):
    with scene(engine_url, emulator, "--page-bytes", str(PAGE_BYTES)) as stage:
        return kill_and_resume(stage, items=3_000, kills=6, source="scan", longest=5.0)


@pytest.fixture(scope="module")
def outcomes(engine_url, emulator):
    """All of them side by side, since most of their time is a fence, or the lag of a verification."""
    with ThreadPoolExecutor() as pool:
        running = {s: pool.submit(reindexed, engine_url, emulator, s) for s in ("scan", "export", "incremental")}
        running["killed"] = pool.submit(killed, engine_url, emulator)
        return running


@pytest.mark.parametrize("source", ["scan", "export", "incremental"])
def test_failures_1_2_no_search_is_wrong_while_a_table_that_changes_is_reindexed(outcomes, source):
    result = outcomes[source].result()

    assert result.violations == []
    assert result.differences == [0, 0]
    assert result.figures["deleted items looked for"] > 50
    assert result.figures["changes meanwhile"] > 500


def test_failure_42_a_job_that_is_killed_again_and_again_ends_as_if_it_never_was(outcomes):
    ending = outcomes["killed"].result()

    assert judge(ending) == []
    assert ending.items == ending.read == ending.written
    assert sum(ending.phases.values()) >= 1  # a quick machine is done before the last ones
