"""The sections of `make bench`: each measures one claim and makes one table of it.

Invariant: a section measures nothing but what it shows, and needs no other section to have run.
"""

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks import contestants, decoding, freshness, imports, memory, order_cost, poison, reindex, verify_speed
from benchmarks.contestants import Standing
from benchmarks.figures import Figures, count, hundredths, tenths
from benchmarks.line_up import IN_PROCESS, OURS
from benchmarks.plot import Bar, draw
from benchmarks.roomy_engines import roomy_engine
from benchmarks.servers import Servers
from tailrace_local.emulator import Emulator

DRAWING = "benchmarks.svg"

Section = Callable[[Servers], Figures]


def measure_decoding(_: Servers) -> Figures:
    """Decode → bulk body."""
    results = decoding.measure()
    ours = results["tailrace"]
    rows = [
        ("Tailrace", count(ours), "") if name == "tailrace" else (name, count(rate), hundredths(ours / rate, " ×"))
        for name, rate in results.items()
    ]
    return Figures("Decode → bulk body, one core", ("", "records/s", "Tailrace is"), tuple(rows))


def measure_cold_start(_: Servers) -> Figures:
    """Cold start."""
    with tempfile.TemporaryDirectory() as scratch:
        result = imports.measure(Path(scratch))
    rows = (
        ("empty handler", count(result["empty"])),
        ("indexer", count(result["indexer"])),
        ("more by importing the indexer", count(result["more"])),
    )
    return Figures("Runtime client's start to its first request", ("", "ms"), rows)


def measure_contestants(servers: Servers) -> Figures:
    """Tailrace beside what others build the same function from."""
    standings, missing = contestants.measure(servers.engine.url)
    floor = contestants.measure_floor()
    rows = [_contestant_row(standing) for standing in standings]
    rows.append(("the runtime client alone: a handler that does nothing", "1", "-", "-", tenths(floor), "-"))
    columns = (
        "",
        "connections",
        "documents/s",
        "of its raw `_bulk`",
        "client CPU ms per 1,000",
        "times Tailrace's CPU",
    )
    notes = (missing,) if missing else ()
    drawing = draw([_bar(each) for each in standings if each.connections == 1 and IN_PROCESS not in each.name])
    return Figures("The contest", columns, tuple(rows), notes, ((DRAWING, drawing),))


def _contestant_row(standing: Standing) -> tuple[str, ...]:
    speed = standing.speed
    return (
        standing.name,
        str(standing.connections),
        count(speed.documents_per_second),
        hundredths(standing.share),
        tenths(speed.cpu_ms_per_1000),
        hundredths(standing.cpu_ratio, " ×"),
    )


def _bar(standing: Standing) -> Bar:
    label, speed = standing.name.replace("`", ""), standing.speed
    return Bar(label, speed.documents_per_second, speed.cpu_ms_per_1000, is_ours=standing.name == OURS)


def measure_order_cost(servers: Servers) -> Figures:
    """What versions and tombstones cost."""
    rows = (
        ("plain: no versions, plain deletes", "1.00"),
        ("external versions and tombstones", hundredths(order_cost.measure(servers.engine.url))),
    )
    return Figures("20,000 insertions and 1,900 removals, one connection", ("", "share"), rows)


def measure_poison(servers: Servers) -> Figures:
    """What poison records cost the others."""
    cost = poison.measure(servers.engine.url)
    rows = (
        ("without", count(cost.without), "1.00"),
        ("with 1 % poison", count(cost.with_poison), hundredths(cost.share)),
    )
    return Figures("Poison records of 200 kinds among good ones", ("", "records/s", "share"), rows)


def measure_freshness(servers: Servers) -> Figures:
    """Write → searchable at a steady rate."""
    result = freshness.measure(servers.engine)
    seconds = (result.freshness.p50_seconds, result.freshness.p99_seconds, result.freshness.worst_seconds)
    row = (count(result.asked_per_second), count(result.written_per_second), hundredths(result.emulator_cores))
    probes = count(result.freshness.found)
    columns = ("changes/s asked for", "written/s", "emulator's cores", "probes", "p50 s", "p99 s", "worst s")
    return Figures("Write → searchable", columns, ((*row, probes, *map(hundredths, seconds)),))


def measure_memory(_: Servers) -> Figures:
    """The memory of the indexer's process."""
    result = memory.measure()
    figures = (result.settled_mib, result.peak_mib, result.end_mib)
    columns = ("records", "MiB after 50,000", "most MiB from then on", "MiB at the end")
    return Figures("Memory of the indexer's process", columns, ((count(result.records), *map(tenths, figures)),))


def measure_verify(servers: Servers) -> Figures:
    """Items per second of `tailrace verify`."""
    with Emulator() as emulator:
        results = verify_speed.measure(servers.engine.url, emulator.url)
    names = {"digests": "digests", "contents": "contents (`--deep`)"}
    rows = [
        (names[name], count(speed.items_per_second), count(speed.of_the_client), count(speed.peak_mib))
        for name, speed in results.items()
    ]
    return Figures("tailrace verify", ("", "items/s", "items/s of client CPU", "peak MiB"), tuple(rows))


def measure_reindex(_: Servers) -> Figures:
    """How fast a reindex loads an export."""
    with roomy_engine() as engine:
        speeds = reindex.measure(engine.url)
    rows = [
        (
            str(speed.connections),
            count(speed.ours.documents_per_second),
            count(speed.ceiling.documents_per_second),
            hundredths(speed.share),
            tenths(speed.ours.cpu_ms_per_1000),
            count(1_000_000 / speed.ours.cpu_ms_per_1000),
        )
        for speed in speeds
    ]
    columns = ("connections", "items/s", "raw `_bulk`", "share", "client CPU ms per 1,000", "items/s of one core")
    return Figures("Load of an export, beside raw _bulk of the same documents", columns, tuple(rows))


SECTIONS: Mapping[str, Section] = {
    "contestants": measure_contestants,
    "decoding": measure_decoding,
    "cold-start": measure_cold_start,
    "order": measure_order_cost,
    "poison": measure_poison,
    "freshness": measure_freshness,
    "memory": measure_memory,
    "verify": measure_verify,
    "reindex": measure_reindex,
}
