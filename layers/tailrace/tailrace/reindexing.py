"""Reindexing: a new generation is built beside the searched one, filled, proved equal to the table, and swapped in.

The steps: create and announce the generation (`<alias>@next`), wait until every writer writes to both, load the table
at a version below every change that is still to come, verify, swap all aliases in one step. Invariant: until the swap
nothing that is searched changes, after it everything that is searched was proved; each step may be done again after a
crash at any line.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from threading import Event

from tailrace.certificates import Certificate
from tailrace.errors import TailraceError, UserError
from tailrace.failures import EngineError
from tailrace.generations import alias_name, next_alias, previous_alias, spec_fingerprint
from tailrace.jobs import Checkpoint, Job, JobStore, Move, Phase, refuse_other_spec
from tailrace.loading import IsStopped, Loader, LoadError, Slice, never
from tailrace.ports import Clock
from tailrace.sides import IndexSide
from tailrace.sources import NotYetError, Source, lengthen_fence
from tailrace.swapping import (
    GenerationStore,
    build_next_request,
    choose_generation,
    roll_back_aliases,
    searching_settings,
    swap_aliases,
    turn_searches,
)
from tailrace.tables import TableSpec

MARGIN_SECONDS = 60.0  # semantics 5.3: clocks differ, and the time of an export is true to a minute
MOST_SWAPS = 5
LONGEST_PAUSE_SECONDS = 30.0  # while exports are written
SHOWN = 3


@dataclass(frozen=True, slots=True)
class Reindexer:
    """One table's reindex. `fence_seconds` is the longest time for which a writer may not have seen the announcement;
    `open_loader` opens a loader for a slice of a job; `verify` compares the table with the given generations,
    by alias.
    """

    spec: TableSpec
    index: IndexSide
    generations: GenerationStore
    jobs: JobStore
    source: Source
    clock: Clock
    fence_seconds: float
    open_loader: Callable[[Job, Slice], AbstractContextManager[Loader]]
    verify: Callable[[Mapping[str, str]], Certificate]
    watch: Callable[[Job], None]
    workers: int = 4

    def begin(self, job_id: str, segments: int, exports: Sequence[str] = ()) -> Job:
        """Write down a new job, and end one that was done. Raises UserError while another one is under way."""
        if (last := self._last_job()) is not None:
            self.finish(last)
        job = Job(job_id, self.spec.name, self.source.kind, spec_fingerprint(self.spec), self.clock.now())
        return self._enter(job, Phase.ANNOUNCING, segments=segments, exports=tuple(exports))

    def run(self, job: Job) -> Certificate | None:
        """Take a job to its end from wherever it is. Answers the certificate of the verification before the swap;
        when it is not clean, the job stays in `verifying`, and nothing is swapped.

        Raises UserError when the spec has changed since, EngineError, LoadError, LetterBoxError, ItemReadError,
        DeadLetterStoreError: then it may be run again.
        """
        refuse_other_spec(job, spec_fingerprint(self.spec))
        certificate = None
        if job.phase is Phase.ANNOUNCING:
            job = self.announce(job)
        if job.phase is Phase.FENCING:
            job = self._wait_until_open(job)
        if job.phase is Phase.LOADING:
            job = self._load(job)
        if job.phase is Phase.VERIFYING:
            certificate = self.prove(job)
            if not certificate.is_clean:
                return certificate
            job = self.pass_verification(job)
        if job.phase is Phase.SWAPPING:
            self.swap(job)
        return certificate

    def plan(self) -> tuple[Move, ...]:
        """What a reindex would build, and leave. Writes nothing. Raises EngineError, UserError."""
        last = self._last_job()
        known = {name for move in (last.moves if last else ()) for name in (move.built, move.left)}
        return tuple(map(self._see_what_is_left, self._plan_moves(known)))

    def checkpoints(self, job: Job) -> dict[str, Checkpoint]:
        """How far each slice of the load is; none before it has begun. Raises LetterBoxError."""
        if not job.read_from:
            return {}
        return self.jobs.read_checkpoints(job, [part.name for part in self.source.slices(job)])

    def roll_back(self, job: Job) -> Job:
        """Search the generation again that a swap left; it has taken every write since. Raises EngineError, UserError.

        Rolling back a rolled back job brings the built generation back.
        """
        if job.phase not in (Phase.SWAPPED, Phase.ROLLED_BACK):
            raise UserError(f"the reindex of {job.table} has not swapped anything yet: give it up with --abort")
        if not any(move.left for move in job.moves):
            raise UserError(f"there was no index of {job.table} before this reindex, so there is none to go back to")
        there = [move for move in job.moves if move.left]
        back = [Move(move.alias, move.left, move.built) for move in there]
        if job.phase is Phase.SWAPPED:
            turn_searches(self.generations, self.spec, back, roll_back_aliases(there))
            return self._enter(job, Phase.ROLLED_BACK)
        turn_searches(self.generations, self.spec, there, roll_back_aliases(back))
        return self._enter(job, Phase.SWAPPED)

    def abort(self, job: Job) -> None:
        """Drop what was built, and the job. Raises UserError once it is swapped in, EngineError, LetterBoxError."""
        if job.phase in (Phase.SWAPPED, Phase.ROLLED_BACK):
            raise UserError(f"the reindex of {job.table} is done: go back with --rollback, or end it with --finish")
        if job.phase is Phase.SWAPPING:  # killed there, it left the searched generation held
            self.generations.change_settings(
                [move.left for move in job.moves if move.left], searching_settings(self.spec)
            )
        for move in job.moves:
            self._drop(job, move.built, shadow=next_alias(move.alias))
        self.jobs.forget(job)

    def finish(self, job: Job) -> None:
        """Drop the generations that are not searched any more, and the job. Raises UserError, EngineError."""
        if job.phase not in (Phase.SWAPPED, Phase.ROLLED_BACK):
            raise UserError(f"the reindex of {job.table} is not done: go on with --resume")
        for move in job.moves:
            kept, dropped = (move.built, move.left) if job.phase is Phase.SWAPPED else (move.left, move.built)
            if kept and dropped:
                self._drop(job, dropped, shadow=previous_alias(move.alias))
        self.jobs.forget(job)

    def announce(self, job: Job) -> Job:
        """Make the generations that take every write from now on. Raises EngineError, UserError.

        The names are written down before anything is made under them, so that nothing is made that nobody knows.
        """
        if not job.moves:
            job = self._enter(job, Phase.ANNOUNCING, moves=tuple(self._plan_moves()))
        for move in job.moves:
            self.generations.create(move.built, build_next_request(self.spec, move.alias, job.id))
        fence = lengthen_fence(self.fence_seconds, self.source.kind)
        return self._enter(job, Phase.FENCING, fence_until=self.clock.now() + fence)

    def _last_job(self) -> Job | None:
        job = self.jobs.read(self.spec.name)
        if job is None or job.phase in (Phase.SWAPPED, Phase.ROLLED_BACK):
            return job
        raise UserError(
            f"a reindex of {job.table} is under way ({job.phase.value}): go on with --resume, or give it up with "
            "--abort"
        )

    def _plan_moves(self, known: Collection[str] = ()) -> Iterator[Move]:
        """One for each alias of the table; a table without types has one even before its first document."""
        aliases = {place.alias for place in self.index.places(self.spec)}
        if self.spec.type_attribute is None:
            aliases.add(alias_name(self.spec, ""))
        for alias in sorted(aliases):
            found = self.generations.read_aliases(alias)
            shadows = {next_alias(alias), previous_alias(alias)}
            if taken := sorted(name for name, named in found.items() if named & shadows and name not in known):
                raise UserError(
                    f"{', '.join(taken)} already takes the writes of {alias}, and no job knows why: remove its alias"
                )
            yield Move(alias, choose_generation(alias, list(found)))

    def open_load(self, job: Job) -> Job:
        """The job, loading: every writer writes to both generations, and what there is to read is there.

        Raises NotYetError while it is not so, and what the source raises.
        """
        if (left := job.fence_until - self.clock.now()) > 0:
            # An invocation that began before the announcement does not know of it; it ends within the fence.
            raise NotYetError("some writers may not have heard of the new generation", left)
        if not job.read_from:
            job = self._enter(job, Phase.FENCING, read_from=self.clock.now())
        while (asked := self.source.begin(job)) != job:
            job = self._enter(asked, Phase.FENCING)
        return self._enter(job, Phase.LOADING)

    def load_slice(
        self,
        job: Job,
        part: Slice,
        checkpoint: Checkpoint,
        deadline: float | None = None,
        is_stopped: IsStopped = never,
    ) -> Checkpoint:
        """Load one slice from its checkpoint to its end, until the deadline, or until stopped; where it got to.

        What keeps it from its end is noted in its checkpoint. Raises what `Loader.load` raises.
        """
        try:
            with self.open_loader(job, part) as loader:
                return loader.load(part, checkpoint, deadline, is_stopped)
        except TailraceError as error:
            reached = self.jobs.read_checkpoints(job, [part.name])[part.name]
            self.jobs.write_checkpoint(job, part.name, replace(reached, problem=str(error)))
            raise

    def finish_load(self, job: Job) -> Job:
        """Make what was loaded searchable, as the spec wants it. Raises LoadError unless every slice is done."""
        checkpoints = self.checkpoints(job)
        if missing := {name: each.problem for name, each in checkpoints.items() if not each.is_done}:
            told = [f"{name} ({problem or 'not at its end'})" for name, problem in sorted(missing.items())[:SHOWN]]
            raise LoadError(
                f"{len(missing)} of {len(checkpoints)} slices of {job.table} are not loaded: {', '.join(told)}"
            )
        built = [move.built for move in job.moves]
        self.generations.change_settings(built, searching_settings(self.spec))
        made = [place.generation for place in self.index.places(self.spec)]  # some by the load, for new types
        self.generations.make_searchable(sorted({*built, *made}))
        return self._enter(job, Phase.VERIFYING)

    def prove(self, job: Job) -> Certificate:
        """Compare the table with the built generations. Raises EngineError, ItemReadError."""
        return self.verify({move.alias: move.built for move in job.moves})

    def pass_verification(self, job: Job) -> Job:
        """The job, swapping, since its verification was clean."""
        return self._enter(job, Phase.SWAPPING)

    def swap(self, job: Job) -> Job:
        """Let every alias name what was built for it, in one step. Raises EngineError.

        What is left is looked up each time: a live writer may have made the first generation of an alias since.
        """
        for attempt in range(MOST_SWAPS):
            job = self._enter(job, Phase.SWAPPING, moves=tuple(map(self._see_what_is_left, job.moves)))
            try:
                turn_searches(self.generations, self.spec, job.moves, swap_aliases(job.moves))
                break
            except EngineError:
                if attempt == MOST_SWAPS - 1:
                    raise
        return self._enter(job, Phase.SWAPPED)

    def _wait_until_open(self, job: Job) -> Job:
        while True:
            try:
                return self.open_load(job)
            except NotYetError as error:
                self.watch(job)
                self.clock.sleep(min(error.seconds, LONGEST_PAUSE_SECONDS))
            job = self.jobs.read(job.table) or job

    def _load(self, job: Job) -> Job:
        slices, known, stopping = self.source.slices(job), self.checkpoints(job), Event()
        with ThreadPoolExecutor(self.workers) as pool:
            is_stopped = stopping.is_set
            loads = [pool.submit(self.load_slice, job, each, known[each.name], None, is_stopped) for each in slices]
            try:
                for load in as_completed(loads):
                    load.result()
            except BaseException:
                stopping.set()  # else the others would go on to their ends before anybody hears of it
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        return self.finish_load(job)

    def _see_what_is_left(self, move: Move) -> Move:
        searched = [
            name for name, aliases in self.generations.read_aliases(move.alias).items() if move.alias in aliases
        ]
        return move._replace(left=next((name for name in searched if name != move.built), move.left))

    def _drop(self, job: Job, generation: str, shadow: str) -> None:
        """The shadow goes first: a write that meets an alias without an index goes to the read alias."""
        if shadow in self.generations.read_aliases(shadow.rpartition("@")[0]).get(generation, frozenset()):
            try:
                self.generations.change_aliases([{"remove": {"index": generation, "alias": shadow}}])
            except EngineError as error:
                if error.error_type != "cluster_block_exception":  # a full disk: only the drop is let through
                    raise
        self.generations.drop(generation)

    def _enter(self, job: Job, phase: Phase, **changes: object) -> Job:
        job = job.entering(phase, **changes)
        self.jobs.write(job)
        self.watch(job)
        return job
