"""The thread of one shard: it reads, lets the state machine decide, has its decisions carried out, and waits.

Invariant: the state machine is touched by the shard's own thread alone; what other threads have to say comes through
its inbox, errors included.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from queue import Empty, SimpleQueue
from typing import Protocol

from botocore.exceptions import BotoCoreError, ClientError

from tailrace_local.deliveries import Discard, Failed, Invoke, NotInvoked, Outcome, build_event
from tailrace_local.functions import FunctionStoppedError, InvokeResult, ThrottledError
from tailrace_local.on_failure import OnFailureDestination
from tailrace_local.partial_responses import read_response
from tailrace_local.processes import StartError
from tailrace_local.shard_mapping import MappingPolicy, RetryPacing, ShardMapping
from tailrace_local.stream_sources import ShardReader, SourceError, StreamGoneError

IDLE_POLL_SECONDS = 0.25  # published: Lambda polls a shard of DynamoDB Streams 4 times a second
READ_PACING = RetryPacing(first=0.25, ceiling=5.0)


class Invocable(Protocol):
    """A function, as far as a mapping uses it."""

    def invoke(self, event: object) -> InvokeResult:
        """Invoke with JSON bytes. Raises `ThrottledError` where no instance is free."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """Where a shard's records go: the function, its policy, what takes the records that it gives up; and how long
    to wait (seconds) before an empty shard is read again.
    """

    function: Invocable
    policy: MappingPolicy
    on_failure: OnFailureDestination | None = None
    idle_poll_seconds: float = IDLE_POLL_SECONDS


class ShardWorker:
    """One shard's mapping at work. `run()` in a thread of its own, everything else from any thread.

    `caught_up_at` is the monotonic instant before which everything in the shard was settled; `changed` is called
    whenever it moved, and at the end.
    """

    def __init__(self, name: str, reader: ShardReader, delivery: Delivery, changed: Callable[[], None]) -> None:
        self.mapping = ShardMapping(delivery.policy)
        self.caught_up_at = -1.0
        self.is_finished = False
        self._delivery = delivery
        self._reader = reader
        self._changed = changed
        self._inbox: SimpleQueue[Callable[[], None]] = SimpleQueue()
        lanes = delivery.policy.parallelization
        self._callers = ThreadPoolExecutor(max_workers=lanes, thread_name_prefix=f"{name} caller")
        self._calls: set[Future[Callable[[float], None]]] = set()
        self._next_poll = 0.0
        self._read_failures = 0
        self._end_seen_at: float | None = None
        self._is_ended = False
        self._is_stopping = False

    def run(self) -> None:
        """Work until the shard has ended and everything is settled, or until `stop()`."""
        try:
            while not self._is_stopping and not self.is_finished:
                self._poll()
                for action in self.mapping.actions(time.time()):
                    self._carry_out(action)
                self.is_finished = self._is_ended and self.mapping.pending == 0
                if not self.is_finished:
                    self._wait_for_news()
        finally:
            self._callers.shutdown(wait=False, cancel_futures=True)
            self._changed()

    def stop(self) -> None:
        """Let `run()` return soon; what is under way is left to itself."""
        self._is_stopping = True
        self.nudge()

    def nudge(self) -> None:
        """Poll now."""
        self._inbox.put(self._poll_soon)

    def wait_for_calls(self, seconds: float) -> None:
        """Wait at most so long for what is under way."""
        wait(set(self._calls), timeout=max(0.0, seconds))

    def _poll_soon(self) -> None:
        if not self._read_failures:
            self._next_poll = 0.0

    def _poll(self) -> None:
        now, asked = time.time(), time.monotonic()
        if self._is_ended or now < self._next_poll or not self.mapping.has_room:
            return
        try:
            page = self._reader.read(now)
        except SourceError:
            self._read_failures += 1
            self.mapping.counters.read_errors += 1
            self._next_poll = now + READ_PACING.delay(self._read_failures)
            return
        except StreamGoneError:
            self._end()
            return
        self._read_failures = 0
        self._next_poll = 0.0 if page.records else now + self._delivery.idle_poll_seconds
        self.mapping.offer(page.records, now)
        if page.is_end:
            self._end()
        self._end_seen_at = None if page.records else asked
        self._note_progress()

    def _note_progress(self) -> None:
        if self._end_seen_at is not None and not self.mapping.pending and self.caught_up_at < self._end_seen_at:
            self.caught_up_at = self._end_seen_at
            self._changed()

    def _end(self) -> None:
        self._is_ended = True
        self.mapping.close()

    def _carry_out(self, action: Invoke | Discard) -> None:
        if isinstance(action, Invoke):
            call = self._callers.submit(self._invoke, action)
        else:
            call = self._callers.submit(self._discard, action)
        self._calls.add(call)
        call.add_done_callback(lambda done: self._inbox.put(partial(self._take_in, done)))

    def _take_in(self, call: Future[Callable[[float], None]]) -> None:
        self._calls.discard(call)
        call.result()(time.time())
        self._note_progress()

    def _wait_for_news(self) -> None:
        try:
            self._inbox.get(timeout=self._patience())()
            while True:
                self._inbox.get_nowait()()
        except Empty:
            return

    def _patience(self) -> float | None:
        reads = not self._is_ended and self.mapping.has_room
        instants = [self._next_poll if reads else None, self.mapping.wake_at()]
        soonest = min((instant for instant in instants if instant is not None), default=None)
        return None if soonest is None else max(0.0, soonest - time.time())

    def _invoke(self, action: Invoke) -> Callable[[float], None]:
        return partial(self.mapping.invoked, action.lane, self._outcome(action))

    def _outcome(self, action: Invoke) -> Outcome:
        policy = self._delivery.policy
        try:
            result = self._delivery.function.invoke(build_event(action.records))
        except (ThrottledError, StartError, FunctionStoppedError):
            return NotInvoked()
        if result.function_error is not None:
            return Failed(result.function_error)
        numbers = {record.sequence_number for record in action.records}
        return read_response(result.payload, numbers, policy.reports_item_failures)

    def _discard(self, action: Discard) -> Callable[[float], None]:
        is_kept = self._send(action)
        return partial(self._discarded, action, is_kept)

    def _send(self, action: Discard) -> bool:
        if self._delivery.on_failure is None:
            return False
        try:
            self._delivery.on_failure.send(action, time.time())
        except (BotoCoreError, ClientError):
            # As on AWS: what the destination does not take is lost, and a metric says so.
            return False
        return True

    def _discarded(self, action: Discard, is_kept: bool, now: float) -> None:
        counters = self.mapping.counters
        counters.on_failure += len(action.records) if is_kept else 0
        counters.undeliverable += 0 if is_kept else len(action.records)
        self.mapping.discarded(action.lane, now)
