"""`python -m reindexing.killing`: a reindex whose process is killed again and again, and resumed; prints its figures.

A load writes each document at the version of its job, so one that is loaded twice is written once: the engine's own
counter tells. Invariant: it answers 1 unless the end is that of an undisturbed run, each item written once and none
sent more than twice.
"""

import argparse
import random
import sys
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from reindexing.clients import connect
from reindexing.live_table import NAME
from reindexing.scenes import Scene, scene
from reindexing.under_load import print_figures, stages, verify
from tailrace.adapters.letters import S3LetterBox
from tailrace.jobs import Job, JobStore

ITEMS = 60_000
KILLS = 20
RATE = 2_000
FENCE_SECONDS = 1.0
SEGMENTS = 4
PAGE_BYTES = 65_536
SOONEST_SECONDS = 0.3
SIGKILL = -9


@dataclass(frozen=True, slots=True)
class Ending:
    """`written` and `sent_again` are what the engine counts for the built generations, `read` what the checkpoints do;
    `moves` is how many items changed their type since the export, each of which is written to two indices; `phases` how
    often the job was killed in each phase; `problems` sentences.
    """

    items: int
    read: int
    written: int
    sent_again: int
    moves: int
    phases: Mapping[str, int]
    differences: int
    problems: list[str]


def kill_and_resume(stage: Scene, items: int, kills: int, source: str, longest: float, seed: int = 1) -> Ending:
    """Fill, reindex, kill at random moments up to `longest` seconds after a start, resume until it is done."""
    chained = stage.control("fill", items=items, is_past=source == "incremental")
    stage.wait_until_drained()
    chance, phases = random.Random(seed), Counter[str]()
    begin = ["--from", source, *(["--export", chained["export"]] if chained else [])]
    jobs = JobStore(S3LetterBox(connect("s3", stage.s3_url), stage.bucket))
    problems = []
    for _ in range(kills):
        status, complaint = _run_for(stage, jobs, begin, chance.uniform(SOONEST_SECONDS, longest))
        if status > 0:
            problems.append(complaint)
        job = jobs.read(NAME)
        phases[job.phase.value if job else "before it"] += status == SIGKILL
    status, _, complaint = stage.run("reindex", *_options(jobs, begin))
    job = jobs.read(NAME)
    assert job is not None
    problems += [complaint] if status else []
    problems += _wrong_aliases(stage, job)
    checkpoints = jobs.find_checkpoints(job).values()
    told = stage.control("status")
    counters = [_read_counters(stage, move.built) for move in job.moves]
    return Ending(
        items=told["items"],
        read=sum(each.read for each in checkpoints),
        written=sum(each["index_total"] for each in counters),
        sent_again=sum(each["index_failed"] for each in counters),
        moves=told["changes"].get("move", 0),
        phases=dict(phases),
        differences=verify(stage),
        problems=problems,
    )


def _options(jobs: JobStore, begin: list[str]) -> list[str]:
    """A job that was killed before it was written down is begun again."""
    always = ["--rate", str(RATE), "--segments", str(SEGMENTS), "--fence", str(FENCE_SECONDS)]
    return [*always, "--resume"] if jobs.read(NAME) else [*always, *begin]


def _run_for(stage: Scene, jobs: JobStore, begin: list[str], seconds: float) -> tuple[int, str]:
    process = stage.start("reindex", *_options(jobs, begin), "--json")
    try:
        ends_at = time.monotonic() + seconds
        while process.poll() is None and time.monotonic() < ends_at:
            time.sleep(0.01)
    finally:
        process.kill()
    _, complaint = process.communicate()
    return process.returncode, complaint.decode()


def _read_counters(stage: Scene, generation: str) -> dict[str, int]:
    """`index_total` counts what was written, `index_failed` what was refused, as is an equal version."""
    answer = stage.ask("GET", f"/{generation}/_stats/indexing").json()
    counters: dict[str, int] = answer["_all"]["primaries"]["indexing"]
    return counters


def _wrong_aliases(stage: Scene, job: Job) -> list[str]:
    """Where an alias does not name exactly what a reindex leaves behind."""
    answer = stage.ask("GET", f"/{stage.prefix}*/_alias").json()
    found = {index: sorted(told["aliases"]) for index, told in answer.items()}
    expected = {move.built: [move.alias] for move in job.moves}
    expected |= {move.left: [f"{move.alias}@previous"] for move in job.moves}
    return [] if found == expected else [f"the aliases are {found}"]


def judge(ending: Ending) -> list[str]:
    """What is not as after an undisturbed run."""
    problems = list(ending.problems)
    if ending.differences:
        problems.append(f"verify finds {ending.differences} differences")
    if ending.written > ending.read + ending.moves:
        problems.append(f"{ending.written} documents were written for {ending.read} items")
    if ending.sent_again > ending.read:
        problems.append(f"{ending.sent_again} documents were sent again")
    return problems


def main(arguments: list[str]) -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(prog="python -m reindexing.killing")
    parser.add_argument("--items", type=int, default=ITEMS)
    parser.add_argument("--kills", type=int, default=KILLS)
    parser.add_argument("--longest", type=float, default=6.0, help="seconds after which a job is killed at the latest")
    parser.add_argument("--source", choices=["scan", "export", "incremental"], default="scan")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args(arguments)
    with stages() as urls, scene(*urls, "--page-bytes", str(PAGE_BYTES)) as stage:
        ending = kill_and_resume(stage, given.items, given.kills, given.source, given.longest, given.seed)
    problems = judge(ending)
    phases = {f"killed while {phase}": count for phase, count in sorted(ending.phases.items())}
    print_figures(
        {
            "source": given.source,
            "items": ending.items,
            **phases,
            "items read, by checkpoints": ending.read,
            "of them with two types": ending.moves,
            "documents written, by the engine": ending.written,
            "documents sent again": ending.sent_again,
            "differences": ending.differences,
        }
    )
    for problem in problems:
        sys.stdout.write(f"WRONG {problem}\n")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
