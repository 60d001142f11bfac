"""The memory of the indexer's process over a million records: it must not grow.

The process is the real one, runtime client included; the engine is one that takes everything at once.

Invariant: every record has a key of its own, so that whatever is kept for each would show.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from benchmarks.instant_engine import instant_engine
from benchmarks.invoking import invoke, process_id, running_function
from benchmarks.line_up import tailrace_function
from benchmarks.readings import resident_mib
from benchmarks.samples import BATCH, event

RECORDS = 1_000_000
WARM_UP = 50_000
SAMPLE_BATCHES = 10


@dataclass(frozen=True, slots=True)
class Memory:
    """Resident MiB of the process: after the warm-up, the most seen from then on, at the end."""

    records: int
    settled_mib: float
    peak_mib: float
    end_mib: float


def measure(records: int = RECORDS, warm_up: int = WARM_UP) -> Memory:
    """Send so many records, the first `warm_up` included; both multiples of 10,000."""
    with instant_engine() as url, tailrace_function() as launch, running_function(launch, url) as function:
        samples = []
        for batch in range(records // BATCH):
            invoke(function, orjson.dumps(event(batch * BATCH)))
            if batch % SAMPLE_BATCHES == SAMPLE_BATCHES - 1:
                samples.append(resident_mib(process_id(function)))
    return summarize(records, samples, warm_up // (BATCH * SAMPLE_BATCHES))


def summarize(records: int, samples: Sequence[float], warm: int) -> Memory:
    """`warm` is the number of samples of the warm-up."""
    return Memory(records, samples[warm - 1], max(samples[warm:]), samples[-1])
