"""A campaign: schedules one after the other on one real engine, each in indices of its own, each judged.

Invariant: a schedule leaves nothing behind: no index, no block, no exchange under way.
"""

import itertools
import os
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import requests
from model.tables import model_document

from chaos.aws import LoopbackAws
from chaos.director import Director, KillableEngine
from chaos.judging import find_wrong, find_wrong_letter, list_indices
from chaos.processes import KilledFunction, running_indexer
from chaos.proxy import FaultProxy, pass_on
from chaos.schedules import FIELDS, Schedule, schedule_of
from chaos.world import World
from tailrace.adapters.opensearch import OpenSearchEngine

PROCESS_SECONDS = 20  # the function's timeout; its margin leaves 1.5 s of work
LEAST_BULK_BYTES = 1_024  # what TAILRACE_MAX_BULK_BYTES takes
_numbers = itertools.count(1)


@dataclass(slots=True)
class Verdicts:
    """What a campaign came to. `strikes` counts faults that struck, `wrong` maps a seed to what was wrong."""

    schedules: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    strikes: Counter[str] = field(default_factory=Counter)
    wrong: dict[int, str] = field(default_factory=dict)


Progress = Callable[[Verdicts], None]


def say_nothing(_verdicts: Verdicts) -> None:
    """No progress to be seen."""


class Campaign:
    """Runs schedules on the engine at `url`; `engine` is its handle where schedules may kill it. A context manager."""

    def __init__(self, url: str, engine: KillableEngine | None = None) -> None:
        self._url, self._engine = url, engine
        self._proxy = FaultProxy(url)
        self._session = requests.Session()
        self._direct = OpenSearchEngine(url, session=self._session)
        self.verdicts = Verdicts()

    def __enter__(self) -> "Campaign":
        self._proxy.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._session.close()
        self._proxy.__exit__(*error)

    def run(self, seeds: Iterable[int], progress: Progress = say_nothing) -> Verdicts:
        """Run and judge the schedules of the seeds: the verdicts over all so far, which `progress` hears of, too."""
        for seed in seeds:
            if (wrong := self.judge(schedule_of(seed))) is not None:
                self.verdicts.wrong[seed] = wrong
            progress(self.verdicts)
        return self.verdicts

    def judge(self, schedule: Schedule) -> str | None:
        """Run one schedule; what is wrong in the end, None when nothing is."""
        prefix = f"chaos{os.getpid()}x{next(_numbers)}-"
        director = Director(schedule.faults, self._url, prefix, self._engine)
        self._proxy.interfere = director.interfere
        try:
            with _sessions(self._proxy.url, len(schedule.batch_sizes)) as engines:
                world = World(schedule, engines.__next__, director, prefix)
                with self._process(world) as world.process:
                    return self._run(world)
        finally:
            director.stop()
            self._proxy.await_quiet()
            self._proxy.interfere = pass_on
            self._delete_indices(prefix)
            self.verdicts.schedules += 1
            self.verdicts.strikes += director.strikes

    def _run(self, world: World) -> str | None:
        try:
            world.run()
            if wrong := find_wrong_letter(world):
                return wrong
            world.replay()
            self._proxy.await_quiet()
            return find_wrong(world, self._direct)
        except Exception:  # noqa: BLE001 - whatever it is, it is the verdict
            return traceback.format_exc()
        finally:
            self.verdicts.strikes += world.troubles.strikes
            self.verdicts.counts += world.counts

    @contextmanager
    def _process(self, world: World) -> Iterator[KilledFunction | None]:
        """The function as a process, where the schedule kills it."""
        schedule = world.schedule
        if not any(fault.kind == "process killed" for fault in schedule.faults):
            yield None
            return
        tables = model_document(world.prefix, schedule.on_type_conflict, FIELDS)
        variables = {
            "TAILRACE_MAX_BULK_BYTES": str(max(schedule.max_bulk_bytes, LEAST_BULK_BYTES)),
            "TAILRACE_TIME_MARGIN_MS": str(1_000 * PROCESS_SECONDS - 1_500),
        }
        with (
            TemporaryDirectory(prefix="tailrace-chaos-") as folder,
            LoopbackAws(world.bucket.letters, world.read_item) as aws,
            running_indexer(self._proxy.url, Path(folder), tables, aws.url, PROCESS_SECONDS, variables) as function,
        ):
            yield KilledFunction(function, schedule.seed)

    def _delete_indices(self, prefix: str) -> None:
        if names := list_indices(self._direct, prefix):
            self._direct.request("DELETE", f"/{','.join(names)}")


@contextmanager
def _sessions(url: str, count: int) -> Iterator[Iterator[OpenSearchEngine]]:
    """An engine for each function, with a connection of its own."""
    sessions = [requests.Session() for _ in range(count)]
    try:
        yield (OpenSearchEngine(url, session=session) for session in sessions)
    finally:
        for session in sessions:
            session.close()


def replay_command(seed: int) -> str:
    """The one line that runs one schedule again."""
    return f"PYTHONPATH=tests .venv/bin/python -m chaos.soak --seed {seed} --schedules 1"
