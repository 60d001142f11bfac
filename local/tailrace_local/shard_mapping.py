"""The event source mapping of one shard as a pure state machine: it decides, somebody else reads, invokes and waits.

It knows records, batches and answers, not where they come from, so that every kind of stream can use it. Time is an
argument (epoch seconds), there are no threads, and a caller performs the actions and reports back.

Invariant: the checkpoint never passes a record that is not settled (succeeded, filtered out or discarded), and no two
records of one item are ever in flight at the same time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from zlib import crc32

from tailrace_local.deliveries import Discard, Failed, Invoke, NotInvoked, Outcome, Reported, StreamRecord, Succeeded

MAX_PAYLOAD_BYTES = 6 * 1024 * 1024  # Lambda quota: 6 MB of event JSON per synchronous invocation
ENVELOPE_BYTES = len('{"Records":[]}')
POLL_RECORDS = 1000  # the most that one GetRecords call returns


@dataclass(frozen=True, slots=True)
class RetryPacing:
    """Waits between attempts, in seconds. AWS publishes "exponential backoff" without numbers: these are ours."""

    first: float = 0.5
    factor: float = 2.0
    ceiling: float = 10.0

    def delay(self, failures: int) -> float:
        """The wait after this many failures in a row; none after 0 (a split or an advance is not a retry)."""
        return min(self.ceiling, self.first * self.factor ** min(failures - 1, 32)) if failures else 0.0


@dataclass(frozen=True, slots=True)
class MappingPolicy:
    """The settings of an event source mapping, with Lambda's defaults; -1 means without bound."""

    batch_size: int = 100
    window_seconds: float = 0
    parallelization: int = 1
    bisects: bool = False
    max_retries: int = -1
    max_age_seconds: int = -1
    reports_item_failures: bool = False
    payload_bytes: int = MAX_PAYLOAD_BYTES
    pacing: RetryPacing = RetryPacing()

    def allows_another(self, failures: int) -> bool:
        """Whether a batch that failed this many times since the checkpoint moved is tried again."""
        return self.max_retries < 0 or failures <= self.max_retries


@dataclass(slots=True)
class MappingCounters:
    """What was done so far. Records: polled, filtered, delivered, discarded, on_failure (those of the discarded that
    reached the destination), undeliverable (those that did not). The rest counts calls; the age is the last batch's.
    """

    polled: int = 0
    filtered: int = 0
    delivered: int = 0
    discarded: int = 0
    on_failure: int = 0
    undeliverable: int = 0
    invocations: int = 0
    failures: int = 0
    retries: int = 0
    bisects: int = 0
    throttles: int = 0
    read_errors: int = 0
    iterator_age_ms: int = 0


@dataclass(slots=True)
class _Entry:
    record: StreamRecord
    arrived: float
    is_settled: bool = False


@dataclass(slots=True)
class _Work:
    entries: list[_Entry]
    failures: int = 0
    throttles: int = 0
    answer: Failed | None = None
    exhausted: bool = False

    @property
    def records(self) -> tuple[StreamRecord, ...]:
        return tuple(entry.record for entry in self.entries)


@dataclass(slots=True)
class _Lane:
    queue: deque[_Entry] = field(default_factory=deque)
    work: list[_Work] = field(default_factory=list)  # a stack: what was split off earlier waits below
    is_busy: bool = False
    not_before: float = 0.0
    window_opened: float = 0.0

    def gather(self, policy: MappingPolicy, now: float, is_closing: bool) -> None:
        count, is_full = _batch_length(self.queue, policy)
        if count and (is_full or is_closing or now >= self.window_ends(policy)):
            self.work.append(_Work([self.queue.popleft() for _ in range(count)]))

    def window_ends(self, policy: MappingPolicy) -> float:
        return max(self.queue[0].arrived, self.window_opened) + policy.window_seconds


def _batch_length(queue: Iterable[_Entry], policy: MappingPolicy) -> tuple[int, bool]:
    size = ENVELOPE_BYTES
    count = 0
    for count, entry in enumerate(queue):
        size += len(entry.record.body) + (count > 0)
        if count == policy.batch_size or (count and size > policy.payload_bytes):
            return count, True
        count += 1
    return count, count == policy.batch_size


class ShardMapping:
    """Batches, retries and checkpoint of one shard. Single-threaded: its owner calls it from one thread only.

    `waiting_since` is the time of the oldest change beyond the checkpoint, `applied_at` when the function last took
    records to their end; each is None where there is none. Any thread may look at these two.
    """

    def __init__(self, policy: MappingPolicy) -> None:
        self.policy = policy
        self.counters = MappingCounters()
        self.checkpoint: str | None = None
        self.waiting_since: float | None = None
        self.applied_at: float | None = None
        self._lanes = [_Lane() for _ in range(policy.parallelization)]
        self._order: deque[_Entry] = deque()
        self._held_bytes = 0
        self._is_closing = False

    @property
    def pending(self) -> int:
        """Records beyond the checkpoint."""
        return len(self._order)

    @property
    def has_room(self) -> bool:
        """Whether more records should be read: at most two batches a lane are held, and a page."""
        policy = self.policy
        return (
            len(self._order) < 2 * policy.batch_size * policy.parallelization + POLL_RECORDS
            and self._held_bytes < policy.payload_bytes * (policy.parallelization + 1)
        )

    def offer(self, records: Iterable[StreamRecord], now: float) -> None:
        """Take records that were read from the shard, in the shard's order."""
        for record in records:
            entry = _Entry(record, now, is_settled=not record.is_wanted)
            self.counters.polled += 1
            self.counters.filtered += entry.is_settled
            self._order.append(entry)
            self._held_bytes += len(record.body)
            if not entry.is_settled:
                self._lanes[self._lane_of(record)].queue.append(entry)
        self._advance()

    def close(self) -> None:
        """Say that no record will come any more (the shard has ended): a window no longer waits for company."""
        self._is_closing = True

    def actions(self, now: float) -> list[Invoke | Discard]:
        """What is to be done now, at most one action a lane; each must be reported back."""
        free = [n for n, lane in enumerate(self._lanes) if not lane.is_busy and now >= lane.not_before]
        actions = [action for number in free if (action := self._next(number, now)) is not None]
        for action in actions:
            self._lanes[action.lane].is_busy = True
        return actions

    def invoked(self, number: int, outcome: Outcome, now: float) -> None:
        """Take in what came of an `Invoke` on this lane."""
        lane = self._release(number, now)
        work = lane.work.pop()
        delivered = self.counters.delivered
        if isinstance(outcome, Succeeded):
            self.counters.delivered += self._settle(work.entries)
        elif isinstance(outcome, NotInvoked):
            self.counters.throttles += 1
            work.throttles += 1
            self._retry(lane, work, now)
        else:
            self.counters.failures += 1
            self._failed(lane, work, outcome, now)
        if self.counters.delivered > delivered:
            self.applied_at = now

    def discarded(self, number: int, now: float) -> None:
        """Take in that a `Discard` on this lane was carried out."""
        self.counters.discarded += self._settle(self._release(number, now).work.pop().entries)

    def wake_at(self) -> float | None:
        """The next instant at which `actions` may yield something although nothing was reported in between."""
        instants = [instant for lane in self._lanes if (instant := self._lane_wakes(lane)) is not None]
        return min(instants, default=None)

    def _lane_wakes(self, lane: _Lane) -> float | None:
        if lane.is_busy or not (lane.work or lane.queue):
            return None
        return lane.not_before if lane.work else lane.window_ends(self.policy)

    def _lane_of(self, record: StreamRecord) -> int:
        return crc32(record.item) % len(self._lanes)

    def _next(self, number: int, now: float) -> Invoke | Discard | None:
        lane = self._lanes[number]
        if not lane.work:
            lane.gather(self.policy, now, self._is_closing)
        if not lane.work:
            return None
        work = lane.work[-1]
        if work.exhausted:
            return Discard(number, work.records, "RetryAttemptsExhausted", work.failures, work.answer)
        if expired := self._expired(work, now):
            lane.work[-1:] = [_Work(work.entries[expired:], work.failures)] if expired < len(work.entries) else []
            lane.work.append(_Work(work.entries[:expired], work.failures))
            return Discard(number, lane.work[-1].records, "RecordAgeExceeded", max(1, work.failures), None)
        return self._invoke(number, work, now)

    def _invoke(self, number: int, work: _Work, now: float) -> Invoke:
        counters = self.counters
        counters.invocations += 1
        counters.retries += work.failures > 0
        counters.iterator_age_ms = max(0, int((now - work.entries[-1].record.at) * 1000))
        return Invoke(number, work.records)

    def _expired(self, work: _Work, now: float) -> int:
        limit = self.policy.max_age_seconds
        if limit < 0:
            return 0
        is_fresh = (index for index, entry in enumerate(work.entries) if now - entry.record.at <= limit)
        return next(is_fresh, len(work.entries))

    def _failed(self, lane: _Lane, work: _Work, outcome: Reported | Failed, now: float) -> None:
        if isinstance(outcome, Reported):
            self._cut(lane, work, outcome.sequence_number, now)
        elif self.policy.bisects and len(work.entries) > 1:
            self.counters.bisects += 1
            middle = len(work.entries) // 2
            lane.work += [_Work(work.entries[middle:], work.failures), _Work(work.entries[:middle], work.failures)]
        else:
            self._consume(lane, work, outcome, now)

    def _cut(self, lane: _Lane, work: _Work, sequence_number: str, now: float) -> None:
        at = next(i for i, entry in enumerate(work.entries) if entry.record.sequence_number == sequence_number)
        if at == 0:
            self._consume(lane, work, Failed(None), now)
            return
        self.counters.bisects += self.policy.bisects
        self.counters.delivered += self._settle(work.entries[:at])
        lane.work.append(_Work(work.entries[at:]))

    def _consume(self, lane: _Lane, work: _Work, answer: Failed, now: float) -> None:
        work.failures += 1
        work.answer = answer
        work.exhausted = not self.policy.allows_another(work.failures)
        self._retry(lane, work, now)

    def _retry(self, lane: _Lane, work: _Work, now: float) -> None:
        lane.work.append(work)
        if not work.exhausted:
            lane.not_before = now + self.policy.pacing.delay(work.failures + work.throttles)

    def _release(self, number: int, now: float) -> _Lane:
        lane = self._lanes[number]
        lane.is_busy = False
        lane.window_opened = now
        return lane

    def _settle(self, entries: list[_Entry]) -> int:
        for entry in entries:
            entry.is_settled = True
        self._advance()
        return len(entries)

    def _advance(self) -> None:
        while self._order and self._order[0].is_settled:
            record = self._order.popleft().record
            self.checkpoint = record.sequence_number
            self._held_bytes -= len(record.body)
        self.waiting_since = self._order[0].record.at if self._order else None
