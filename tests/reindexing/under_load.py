"""`python -m reindexing.under_load`: a reindex while the table changes and searches go on; prints its figures.

Invariant: it answers 1 unless every search was right all the time and `tailrace verify` finds no difference after the
swap, nor after the rollback.
"""

import argparse
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from benchmarks.roomy_engines import roomy_engine

from reindexing.scenes import Scene, read_events, scene
from reindexing.searching import Searcher
from tailrace_local.emulator import Emulator

ITEMS = 200_000
RATE = 500
FENCE_SECONDS = 15.0
AFTER_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Result:
    """`figures` are what there is to tell; `violations` sentences; `differences` those of both verifications."""

    figures: Mapping[str, Any]
    violations: list[str]
    differences: list[int]


def reindex_under_load(stage: Scene, items: int, rate: int, source: str, fence: float = FENCE_SECONDS) -> Result:
    """Fill, write, search, reindex, verify, roll back, verify."""
    chained = stage.control("fill", items=items, is_past=source == "incremental")
    stage.wait_until_drained()
    stage.refresh()
    searcher = Searcher(stage)
    searcher.prepare()
    options = ["--from", source, "--fence", str(fence)]
    options += ["--export", chained["export"]] if chained else []
    with searcher.searching():
        stage.control("write", rate=rate)
        time.sleep(AFTER_SECONDS / 2)
        before, began_at = stage.control("status")["changes"], time.monotonic()
        with stage.start("reindex", *options, "--json") as process:
            events, phases, complaint = _follow(process)
        seconds = time.monotonic() - began_at
        changes = stage.control("status")["changes"]
        time.sleep(AFTER_SECONDS)
        stage.control("write", rate=0)
        status = stage.wait_until_drained()
    if process.returncode:
        raise RuntimeError(f"the reindex ended with {process.returncode}: {complaint} {events[-1:]}")
    differences = [verify(stage), _roll_back_and_verify(stage)]
    during = {kind: changes[kind] - before.get(kind, 0) for kind in sorted(changes)}
    figures = {
        "source": source,
        "items": items,
        "seconds of the reindex": round(seconds, 1),
        **{f"seconds {name}": round(lasted, 1) for name, lasted in phases},
        **_tell_load(events[-1]),
        "changes meanwhile": sum(during.values()),
        **{f"of them {kind}s": count for kind, count in during.items()},
        "changes a second": round(sum(during.values()) / seconds),
        "items at the end": status["items"],
        "longest invocation s": round(status["longest"], 2),
        "dead letters of the indexer": status["letters"],
        **_tell_searches(searcher),
        "differences after the swap": differences[0],
        "differences after the rollback": differences[1],
    }
    return Result(figures, searcher.violations, differences)


def _tell_load(summary: Mapping[str, Any]) -> dict[str, Any]:
    names = {"read": "items read", "written": "items written", "stale": "items changed since"}
    return {told: summary[name] for name, told in names.items()} | {"dead letters": summary["dead_lettered"]}


def _tell_searches(searcher: Searcher) -> dict[str, Any]:
    quick = sorted(searcher.seconds)
    return {
        "searches": len(quick),
        "median search ms": round(quick[len(quick) // 2] * 1_000, 1),
        "slowest search ms": round(quick[-1] * 1_000, 1),
        "deleted items looked for": len(searcher.gone),
        "deleted items that came back": len(searcher.reborn),
        "violations": len(searcher.violations),
    }


def _follow(process: Any) -> tuple[list[dict[str, Any]], list[tuple[str, float]], str]:
    """The events of a reindex, and how long each phase lasted."""
    events: list[dict[str, Any]] = []
    phases: list[tuple[str, float]] = []
    for line in process.stdout:
        [told] = read_events(line)
        if told["event"] == "phase":
            phases.append((told["phase"], time.monotonic()))
        events.append(told)
    complaint = process.stderr.read().decode()
    process.wait()
    starts = [*phases, ("end", time.monotonic())]
    lasted = [(name, starts[n + 1][1] - at) for n, (name, at) in enumerate(phases)]
    return events, [each for each in lasted if each[0] != "swapped"], complaint


def _roll_back_and_verify(stage: Scene) -> int:
    status, _, complaint = stage.run("reindex", "--rollback")
    if status:
        raise RuntimeError(complaint)
    return verify(stage)


def verify(stage: Scene) -> int:
    """How many differences `tailrace verify` finds. Raises RuntimeError when it cannot tell."""
    status, printed, complaint = stage.run("verify")
    if not printed:
        raise RuntimeError(complaint)
    return max(sum(printed[0]["differences"].values()), status)


@contextmanager
def stages() -> Iterator[tuple[str, str]]:
    """URLs of an engine and of an emulator for the exercises."""
    with roomy_engine() as engine, Emulator() as emulator:
        yield engine.url, emulator.url


def print_figures(figures: Mapping[str, Any]) -> None:
    """One figure in a line."""
    width = max(map(len, figures))
    for name, value in figures.items():
        text = f"{value:,}" if isinstance(value, int) else str(value)
        sys.stdout.write(f"{name:<{width}}  {text}\n")


def main(arguments: list[str]) -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(prog="python -m reindexing.under_load")
    parser.add_argument("--items", type=int, default=ITEMS)
    parser.add_argument("--rate", type=int, default=RATE, help="changes a second")
    parser.add_argument("--source", choices=["scan", "export", "incremental"], default="scan")
    parser.add_argument("--fence", type=float, default=FENCE_SECONDS)
    given = parser.parse_args(arguments)
    with stages() as (engine_url, s3_url), scene(engine_url, s3_url) as stage:
        result = reindex_under_load(stage, given.items, given.rate, given.source, given.fence)
    print_figures(result.figures)
    for sentence in result.violations:
        sys.stdout.write(f"VIOLATION {sentence}\n")
    return 1 if result.violations or any(result.differences) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
