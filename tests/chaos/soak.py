"""A thousand schedules of faults on a real engine; prints seed, schedules, what struck, and what was wrong.

Invariant: the seed names the run, so that the same command runs the same schedules again, and one seed runs one.
"""

import argparse
import secrets
import sys
import time

from chaos.campaign import Campaign, Verdicts, replay_command
from tailrace_local.engine import Engine, choose_engine

SCHEDULES = 1_000
MAX_REPORTS = 5
COUNTED = (
    "changes", "invocations", "records_in", "indexed", "deleted", "stale", "duplicate", "superseded", "filtered",
    "dead_lettered", "failed", "parked", "replayed", "retries", "settle_reads", "circuit_openings", "quarantined",
)  # fmt: skip


def main() -> int:
    """Run, print, and answer 1 when anything was wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m chaos.soak", description="schedules of faults against a real OpenSearch"
    )
    parser.add_argument("--seed", type=int, default=None, help="the first schedule's seed; random by default")
    parser.add_argument("--schedules", type=int, default=SCHEDULES)
    options = parser.parse_args()
    first = secrets.randbelow(10**9) if options.seed is None else options.seed
    started = time.monotonic()
    with choose_engine() as engine, Campaign(engine.url, engine if isinstance(engine, Engine) else None) as campaign:
        verdicts = campaign.run(range(first, first + options.schedules), show_progress)
    print_verdicts(verdicts, first, time.monotonic() - started)
    return 1 if verdicts.wrong else 0


def show_progress(verdicts: Verdicts) -> None:
    """One line that counts up, for people alone."""
    if sys.stderr.isatty():
        told = f"\r{verdicts.schedules:,} schedules, {len(verdicts.wrong)} wrong"
        print(told, end="", file=sys.stderr, flush=True)


def print_verdicts(verdicts: Verdicts, first: int, seconds: float) -> None:
    """The result, one figure in a line: the run, what the functions did, and how often each fault struck."""
    figures = {
        "schedules": verdicts.schedules,
        **{name: verdicts.counts[name] for name in COUNTED},
        **{f"fault: {kind}": count for kind, count in sorted(verdicts.strikes.items())},
        "faults": verdicts.strikes.total(),
        "seconds": round(seconds),
        "divergences": len(verdicts.wrong),
    }
    sys.stdout.write(f"{'seed':29} {first}\n")
    for name, figure in figures.items():
        sys.stdout.write(f"{name:29} {figure:,}\n")
    for seed, text in list(verdicts.wrong.items())[:MAX_REPORTS]:
        sys.stdout.write(f"{replay_command(seed)}\n{text}\n")


if __name__ == "__main__":
    sys.exit(main())
