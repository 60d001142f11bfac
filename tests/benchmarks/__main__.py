"""`make bench`: every figure that README and docs name, as ratios in one run."""

import platform
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks import decoding, imports, throughput, verify_speed
from tailrace_local.emulator import Emulator
from tailrace_local.engine import choose_engine

CONSOLE = Console()


def print_decoding() -> None:
    """Decode → bulk body."""
    table = Table("decode → bulk body, one core", "records/s", "Tailrace is", title_justify="left")
    results = decoding.measure()
    for name, rate in results.items():
        table.add_row(name, f"{rate:,.0f}", "" if name == "tailrace" else f"{results['tailrace'] / rate:.2f} ×")
    CONSOLE.print(table)


def print_throughput(url: str) -> None:
    """Documents per second against the raw ceiling."""
    table = Table("real engine, batches of 1,000", "connections", "documents/s", "client CPU ms per 1,000", "share")
    for connections in (1, 2):
        result = throughput.measure(url, connections)
        raw, ours = result["raw"], result["tailrace"]
        table.add_row("raw _bulk, rendered before", str(connections), *_figures(raw), "1.00")
        table.add_row("tailrace pipeline", str(connections), *_figures(ours), f"{result['share']:.2f}")
    CONSOLE.print(table)


def print_order_cost(url: str) -> None:
    """What versions and tombstones cost."""
    table = Table("20,000 insertions and 1,900 removals, rendered before, one connection", "share")
    table.add_row("plain: no versions, plain deletes", "1.00")
    table.add_row("external versions and tombstones", f"{throughput.measure_order_cost(url):.2f}")
    CONSOLE.print(table)


def print_verify(url: str) -> None:
    """Items per second of `tailrace verify`."""
    with Emulator() as emulator:
        results = verify_speed.measure(url, emulator.url)
    table = Table("tailrace verify, 100,000 equal items", "items/s", "of client CPU", "peak MiB")
    for name, speed in results.items():
        figures = (f"{speed.items_per_second:,.0f}", f"{speed.of_the_client:,.0f}", f"{speed.peak_mib:.0f}")
        table.add_row(name, *figures)
    CONSOLE.print(table)


def _figures(result: throughput.Throughput) -> tuple[str, str]:
    return f"{result.documents_per_second:,.0f}", f"{result.cpu_ms_per_1000:.1f}"


def print_imports() -> None:
    """Cold start."""
    with tempfile.TemporaryDirectory() as scratch:
        result = imports.measure(Path(scratch))
    table = Table("runtime client start to first request", "ms")
    table.add_row("empty handler", f"{result['empty']:.0f}")
    table.add_row("indexer", f"{result['indexer']:.0f}")
    table.add_row("more by importing the indexer", f"{result['more']:.0f}")
    CONSOLE.print(table)


def main() -> None:
    """All benchmarks, one after another."""
    CONSOLE.print(f"Python {platform.python_version()}, {platform.machine()}")
    print_decoding()
    print_imports()
    with choose_engine() as engine:
        print_throughput(engine.url)
        print_order_cost(engine.url)
        print_verify(engine.url)


if __name__ == "__main__":
    main()
