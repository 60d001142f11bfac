"""An event source mapping at work: it reads the shards of a stream, parents before children, and invokes a function.

Every decision is `shard_mapping`'s; here are threads and the shards' lineage.

Invariant: a child is not read before its parent is settled; what a thread dies of is kept, shown and raised by `drain`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, fields
from threading import Condition

from tailrace.errors import TailraceError
from tailrace_local.on_failure import OnFailureDestination
from tailrace_local.shard_mapping import MappingCounters, MappingPolicy
from tailrace_local.shard_workers import IDLE_POLL_SECONDS, Delivery, Invocable, ShardWorker
from tailrace_local.stream_sources import Shard, SourceError, StreamGoneError, StreamSource

DISCOVERY_SECONDS = 10.0
FIRST_DISCOVERY_SECONDS = 0.5
MOST_THREADS = 1000
READY_LAG_SECONDS = 60.0


class UndeliveredError(TailraceError):
    """A stream was not delivered to its end in the time given; the message says by which mapping and how much."""


@dataclass(frozen=True, slots=True)
class MappingSpec:
    """One mapping: its function, its policy, where it starts, and what takes what it gives up (made for a shard)."""

    name: str
    function: Invocable
    policy: MappingPolicy
    starting_position: str
    on_failure: Callable[[str], OnFailureDestination] | None = None
    idle_poll_seconds: float = IDLE_POLL_SECONDS


@dataclass(frozen=True, slots=True)
class MappingStatus:
    """What a mapping is doing; `state` is `running`, `stopped`, `stream gone`, or `failed: …`.

    `lag_seconds` is the age of the oldest change that was read and is not settled, 0 without one; `applied_at` is when
    the function last took records to their end (seconds since the epoch), None before the first.
    """

    name: str
    state: str
    shards: int
    pending: int
    lag_seconds: float
    applied_at: float | None
    counters: MappingCounters

    @property
    def is_ready(self) -> bool:
        """Whether what it feeds is up to date: it works, and nothing waits longer than READY_LAG_SECONDS."""
        return self.state == "running" and self.lag_seconds <= READY_LAG_SECONDS


class StreamMapping:
    """A running mapping: `start()`, `stop()`, `join()`; `status()` and `drain()` from any thread."""

    def __init__(self, spec: MappingSpec, source: StreamSource) -> None:
        self.spec = spec
        self._source = source
        self._changed = Condition()
        self._workers: dict[str, ShardWorker] = {}
        self._passed_over: set[str] = set()
        self._awaits_shards = True
        self._seen_finished: set[str] = set()
        self._threads = ThreadPoolExecutor(MOST_THREADS, thread_name_prefix=spec.name)
        self._running: list[Future[None]] = []
        self._is_gone = False
        self._is_stopping = False
        self._own_counters = MappingCounters()

    def start(self) -> None:
        """Begin to read."""
        self._run(self._follow_shards)

    def ask_to_stop(self) -> None:
        """Read no more, and do not wait for anything."""
        with self._changed:
            self._is_stopping = True
            self._changed.notify_all()
            for worker in self._workers.values():
                worker.stop()

    def stop(self, grace_seconds: float) -> None:
        """Read no more; wait so long for invocations that are under way, then leave them to their function's end."""
        deadline = time.monotonic() + grace_seconds
        self.ask_to_stop()
        wait(self._running, timeout=grace_seconds)
        for worker in self._workers.values():
            worker.wait_for_calls(deadline - time.monotonic())

    def join(self) -> None:
        """Wait for the last thread. After `stop`, and after the function was closed."""
        self._threads.shutdown(wait=True)

    def drain(self, timeout_seconds: float) -> None:
        """Return when everything that was in the stream at the time of the call is settled. Raises `UndeliveredError`.

        Raises what a thread of this mapping died of, too.
        """
        asked = time.monotonic()
        with self._changed:
            for worker in self._workers.values():
                worker.nudge()
            if not self._changed.wait_for(lambda: self._is_drained(asked), timeout_seconds):
                raise UndeliveredError(f"{self.spec.name}: {self.status().pending} records are read but not settled")

    def status(self) -> MappingStatus:
        """The sums over all shards so far."""
        mappings = [worker.mapping for worker in self._workers.values()]
        waiting = [since for each in mappings if (since := each.waiting_since) is not None]
        return MappingStatus(
            name=self.spec.name,
            state=self._state(),
            shards=len(mappings),
            pending=sum(each.pending for each in mappings),
            lag_seconds=max(0.0, time.time() - min(waiting)) if waiting else 0.0,
            applied_at=max((at for each in mappings if (at := each.applied_at) is not None), default=None),
            counters=sum_counters([self._own_counters, *(each.counters for each in mappings)]),
        )

    def _state(self) -> str:
        for future in self._running:
            if (error := _error_of(future)) is not None:
                return f"failed: {error}"
        return "stopped" if self._is_stopping else "stream gone" if self._is_gone else "running"

    def _run(self, work: Callable[[], None]) -> None:
        future = self._threads.submit(work)
        self._running.append(future)
        future.add_done_callback(lambda _: self._tell())

    def _tell(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _is_drained(self, since: float) -> bool:
        for future in self._running:
            if (error := _error_of(future)) is not None:
                raise error
        workers = self._workers.values()
        is_settled = all(worker.is_finished or worker.caught_up_at >= since for worker in workers)
        return is_settled and (self._is_gone or (not self._awaits_shards and self._seen_finished == self._finished()))

    def _follow_shards(self) -> None:
        while not (self._is_stopping or self._is_gone):
            seen = self._finished()
            self._discover()
            with self._changed:
                self._seen_finished = seen
                self._changed.notify_all()
                self._changed.wait_for(
                    self._has_news, FIRST_DISCOVERY_SECONDS if self._awaits_shards else DISCOVERY_SECONDS
                )

    def _has_news(self) -> bool:
        return self._is_stopping or self._is_gone or self._finished() != self._seen_finished

    def _discover(self) -> None:
        try:
            self._start_ready(self._source.shards())
        except SourceError:
            self._own_counters.read_errors += 1
        except StreamGoneError:
            self._is_gone = True

    def _start_ready(self, shards: Sequence[Shard]) -> None:
        is_first = not self._workers and not self._passed_over
        if is_first and self.spec.starting_position == "LATEST":
            self._passed_over.update(shard.id for shard in shards if shard.is_closed)
        position = self.spec.starting_position if is_first else "TRIM_HORIZON"
        new = [shard for shard in shards if shard.id not in self._workers and shard.id not in self._passed_over]
        ready = [shard for shard in new if self._is_ready(shard, shards)]
        for shard in ready:
            self._start_worker(shard.id, position)
        self._awaits_shards = not shards or len(ready) < len(new)

    def _is_ready(self, shard: Shard, shards: Sequence[Shard]) -> bool:
        done = self._finished() | self._passed_over
        return all(other.id in done for other in shards if other.id in shard.parents)

    def _finished(self) -> set[str]:
        return {name for name, worker in self._workers.items() if worker.is_finished}

    def _start_worker(self, shard_id: str, position: str) -> None:
        spec = self.spec
        destination = None if spec.on_failure is None else spec.on_failure(shard_id)
        reader = self._source.reader(shard_id, position)
        delivery = Delivery(spec.function, spec.policy, destination, spec.idle_poll_seconds)
        with self._changed:
            if self._is_stopping:
                return
            worker = self._workers[shard_id] = ShardWorker(spec.name, reader, delivery, self._tell)
        self._run(worker.run)


def sum_counters(counters: Iterable[MappingCounters]) -> MappingCounters:
    """The sum of each counter; of ages, the highest."""
    parts = list(counters)
    total = MappingCounters(
        **{each.name: sum(getattr(part, each.name) for part in parts) for each in fields(MappingCounters)}
    )
    total.iterator_age_ms = max(part.iterator_age_ms for part in parts)
    return total


def _error_of(future: Future[None]) -> BaseException | None:
    return future.exception() if future.done() and not future.cancelled() else None
