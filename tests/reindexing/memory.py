"""`python -m reindexing.memory`: the memory of a load of an export that is made while it is read, in its own process.

The engine is one that takes everything at once; the load is the real one, four files side by side. Invariant: the peak
is the kernel's own for that process, imports included.
"""

import argparse
import multiprocessing
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.instant_engine import instant_engine
from benchmarks.reindex import load_export
from benchmarks.samples import BATCH
from benchmarks.synthetic_exports import SyntheticExport, lines_of

from reindexing.under_load import print_figures
from tailrace.adapters.collector import slow_down_collector

GIGABYTES = 5.0
MOST_MIB = 256.0
WORKERS = 4
ITEMS_PER_FILE = 50_000
MEMBERS = 4
PADDING = 3_500
PATIENCE_SECONDS = 3_600


@dataclass(frozen=True, slots=True)
class Peak:
    """`lines_bytes` is the size of all lines that were read; `mib` the most memory that the process had."""

    items: int
    lines_bytes: int
    mib: float
    seconds: float


def measure(gigabytes: float, padding: int = PADDING, items_per_file: int = ITEMS_PER_FILE) -> Peak:
    """Load an export of so many bytes of lines."""
    per_member = sum(len(lines_of(number, padding)) for number in range(MEMBERS)) / MEMBERS
    files = max(1, round(gigabytes * 1e9 / per_member * BATCH / items_per_file))
    export = SyntheticExport(files, items_per_file, MEMBERS, padding)
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    with instant_engine() as url:
        process = context.Process(target=_load, args=(export, url, results))
        process.start()
        mib, seconds = results.get(timeout=PATIENCE_SECONDS)
        process.join()
    return Peak(files * items_per_file, int(files * items_per_file / BATCH * per_member), mib, seconds)


def _load(export: SyntheticExport, url: str, results: Any) -> None:
    slow_down_collector()
    began_at = time.monotonic()
    load_export(export, url, WORKERS, lambda *_: None)
    results.put((_peak_mib(), time.monotonic() - began_at))


def _peak_mib() -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    [told] = [line.split()[1] for line in lines if line.startswith("VmHWM:")]
    return int(told) / 1024


def main(arguments: list[str]) -> int:
    """The exit status: 1 where it took more than 256 MiB."""
    parser = argparse.ArgumentParser(prog="python -m reindexing.memory")
    parser.add_argument("--gigabytes", type=float, default=GIGABYTES)
    parser.add_argument("--padding", type=int, default=PADDING, help="bytes that each item has beyond its 420")
    given = parser.parse_args(arguments)
    peak = measure(given.gigabytes, given.padding)
    figures = {
        "items": peak.items,
        "GB of lines": round(peak.lines_bytes / 1e9, 2),
        "seconds": round(peak.seconds),
        "items a second": round(peak.items / peak.seconds),
        "peak MiB": round(peak.mib),
    }
    print_figures(figures)
    return 1 if peak.mib > MOST_MIB else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
