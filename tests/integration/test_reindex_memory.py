"""What a load takes: memory that does not grow with the export, and most of what the engine takes at all.

`python -m reindexing.memory` and `make bench ARGS=reindex` measure at full size.
"""

import pytest
from benchmarks import reindex
from reindexing import memory

pytestmark = pytest.mark.slow


def test_failure_47_an_export_of_200_megabytes_is_loaded_in_a_fraction_of_the_memory():
    peak = memory.measure(0.2)

    assert peak.lines_bytes >= 190_000_000
    assert peak.mib < 160


def test_a_load_keeps_near_the_ceiling_of_the_engine(engine_url):
    [speed] = reindex.measure(engine_url, rounds=1, connections=(1,), pages=10)

    # Timings are noisy where other work runs: `make bench` shows 0.85 and more.
    assert speed.share > 0.3
    assert speed.ours.cpu_ms_per_1000 < 150
