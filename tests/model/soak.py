"""`make soak`: thousands of histories on a real engine; prints seed, histories, operations and divergences.

Invariant: the seed names the run, so that `python -m model.soak --seed N` shows the same histories again.
"""

import argparse
import secrets
import sys
import time

import requests

from model.judging import history_of, judge_on_twin
from model.real_judge import RealJudge, Verdicts
from model.steps import History, shrink
from tailrace.adapters.opensearch import OpenSearchEngine
from tailrace_local.engine import choose_engine

HISTORIES = 10_000
MAX_REPORTS = 5
COUNTED = (
    "operations", "invocations", "records_in", "superseded", "stale", "duplicate", "dead_lettered", "settle_reads",
    "item_reads", "crashes", "swept",
)  # fmt: skip


def report_divergence(judge: RealJudge, seed: int, text: str) -> str:
    """What was wrong, with the smallest history that shows it: shrunk on the twin where it shows there, too."""
    history = history_of(seed)
    if judge_on_twin(history) is not None:
        small = shrink(history, lambda steps: judge_on_twin(steps) is not None)
    else:
        small = shrink(history, lambda steps: judge.judge_one(steps) is not None)
    return f"seed {seed}: {text}\n" + _written_out(small)


def _written_out(history: History) -> str:
    return "\n".join(f"    {step!r}," for step in history)


def main() -> int:
    """Run, print, and answer 1 when anything diverged."""
    parser = argparse.ArgumentParser(prog="make soak", description="histories against a real OpenSearch")
    parser.add_argument("--seed", type=int, default=None, help="the first history's seed; random by default")
    parser.add_argument("--histories", type=int, default=HISTORIES)
    options = parser.parse_args()
    first = secrets.randbelow(10**9) if options.seed is None else options.seed
    with choose_engine() as engine, requests.Session() as session:
        judge = RealJudge(OpenSearchEngine(engine.url, session=session), f"soak-{secrets.token_hex(4)}-")
        try:
            return _run(judge, first, options.histories)
        finally:
            judge.delete_indices()


def _run(judge: RealJudge, first: int, count: int) -> int:
    started = time.monotonic()
    verdicts = judge.judge({seed: history_of(seed) for seed in range(first, first + count)}, show_progress)
    seconds = time.monotonic() - started
    print_verdicts(verdicts, first, seconds)
    for seed, text in list(verdicts.divergences.items())[:MAX_REPORTS]:
        sys.stdout.write(report_divergence(judge, seed, text) + "\n")
    return 1 if verdicts.divergences else 0


def show_progress(verdicts: Verdicts) -> None:
    """One line that counts up, for people alone."""
    if sys.stderr.isatty():
        told = f"\r{verdicts.histories:,} histories, {len(verdicts.divergences)} divergences"
        print(told, end="", file=sys.stderr, flush=True)


def print_verdicts(verdicts: Verdicts, first: int, seconds: float) -> None:
    """The result, one figure in a line."""
    figures = {
        "histories": verdicts.histories,
        **{name: verdicts.counts[name] for name in COUNTED},
        "seconds": round(seconds),
        "histories per second": round(verdicts.histories / max(seconds, 0.001)),
        "divergences": len(verdicts.divergences),
    }
    sys.stdout.write(f"{'seed':21} {first}\n")
    for name, figure in figures.items():
        sys.stdout.write(f"{name:21} {figure:,}\n")


if __name__ == "__main__":
    sys.exit(main())
