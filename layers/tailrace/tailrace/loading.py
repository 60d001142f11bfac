"""Loading: the pages of a slice go into the generation under construction, and a checkpoint follows each of them.

A slice is a scan segment or a file of an export. Invariant: a page's checkpoint is written when each of its items is
durably indexed, known to be older than what stands there, or a dead letter; so a load that is killed repeats at most
the page it was at (failures 41, 42).
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from tailrace.errors import TailraceError
from tailrace.jobs import Checkpoint, Job, JobStore
from tailrace.pipeline import Pipeline
from tailrace.ports import Clock
from tailrace.records import ChangeRecord, Undecodable
from tailrace.reports import BatchReport

SECONDS_PER_PAGE = 300.0  # of retries with growing pauses, before the load stops and waits to be resumed


class Page(NamedTuple):
    """Some records of a slice, the position after them, and whether they are the last. `capacity` is what reading them
    cost, in units.
    """

    records: Sequence[ChangeRecord | Undecodable]
    position: Any
    is_last: bool
    capacity: float = 0.0


class Slice(Protocol):
    """A part of the table that is loaded by itself."""

    @property
    def name(self) -> str:
        """Unique within its job."""

    @property
    def backdated_ns(self) -> int:
        """How much older than its records its documents are versioned, in nanoseconds: less than any live change of
        the same instant may be.
        """

    def pages(self, position: Any) -> Iterator[Page]:
        """The pages from a position on, at least one; None is the start. Raises what its source raises."""


class Throttle(Protocol):
    """Keeps a load below a rate."""

    def take(self, items: int, units: float = 0.0) -> None:
        """Wait until a page of so many items, which cost so many capacity units to read, may be loaded."""


class LoadError(TailraceError):
    """A page could not be written in time; the load may be resumed where its checkpoint is."""


Watch = Callable[[str, Checkpoint], None]
IsStopped = Callable[[], bool]


def never() -> bool:
    """Nothing stops a load."""
    return False


@dataclass(frozen=True, slots=True)
class Loader:
    """What loads the slices of one job. One loader may load several slices at once; it keeps nothing of any."""

    job: Job
    jobs: JobStore
    pipeline: Pipeline
    clock: Clock
    throttle: Throttle
    watch: Watch
    seconds_per_page: float = SECONDS_PER_PAGE

    def load(
        self, part: Slice, checkpoint: Checkpoint, deadline: float | None = None, is_stopped: IsStopped = never
    ) -> Checkpoint:
        """Load a slice from its checkpoint to its end, until the deadline, or until stopped; where it got to.

        Raises LoadError when the engine does not take a page, DeadLetterStoreError when a checkpoint cannot be
        written, and whatever the slice's source raises.
        """
        if checkpoint.is_done:
            return checkpoint
        with closing(read_ahead(part.pages(checkpoint.position))) as pages:
            for page in pages:
                self.throttle.take(len(page.records), page.capacity)
                checkpoint = self._load_page(page, checkpoint)
                self.jobs.write_checkpoint(self.job, part.name, checkpoint)
                self.watch(part.name, checkpoint)
                if is_stopped() or (deadline is not None and self.clock.now() >= deadline):
                    break
        return checkpoint

    def _load_page(self, page: Page, checkpoint: Checkpoint) -> Checkpoint:
        report = self.pipeline.process(page.records, self.clock.now() + self.seconds_per_page)
        counts = report.account.as_dict()
        if counts["failed"]:
            raise LoadError(_explain(report, self.seconds_per_page))
        return Checkpoint(
            position=page.position,
            is_done=page.is_last,
            read=checkpoint.read + counts["records_in"],
            written=checkpoint.written + counts["indexed"] + counts["deleted"],
            stale=checkpoint.stale + counts["stale"] + counts["duplicate"] + counts["superseded"],
            filtered=checkpoint.filtered + counts["filtered"],
            dead_lettered=checkpoint.dead_lettered + counts["dead_lettered"],
            quarantined=checkpoint.quarantined + report.counts.get("quarantined", 0),
            capacity=checkpoint.capacity + page.capacity,
        )


def read_ahead(pages: Iterator[Page]) -> Generator[Page, None, None]:
    """The same pages, each read and decoded while the one before it is on the wire. Raises what `pages` raise."""
    with ThreadPoolExecutor(1) as reader:
        waiting = reader.submit(next, pages, None)
        while (page := waiting.result()) is not None:
            waiting = reader.submit(next, pages, None)
            yield page


def _explain(report: BatchReport, seconds: float) -> str:
    failed = [problem.reason for problem in report.problems if problem.outcome == "failed"]
    reasons = ", ".join(sorted(set(failed)))
    return (
        f"{len(failed)} documents of a page could not be written within {seconds:.0f} s ({reasons}): "
        "see whether OpenSearch answers, and has room on its disks"
    )
