"""A shard in virtual time: records with defaults, a function that answers by script, and what it was invoked with."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from tailrace_local.deliveries import Discard, Invoke, Outcome, StreamRecord, Succeeded
from tailrace_local.shard_mapping import MappingPolicy, ShardMapping

NOON = 1_763_726_400.0


def record(number: int, *, item: str = "", at: float = NOON, size: int = 2, is_wanted: bool = True) -> StreamRecord:
    """Record `number` of its shard, of an item of its own unless one is named."""
    body = b'"' + b"x" * (size - 2) + b'"'
    return StreamRecord(str(number), (item or f"item-{number}").encode(), at, body, is_wanted)


def records(first: int, last: int, **settings) -> list[StreamRecord]:
    """Records `first` to `last`, both included."""
    return [record(number, **settings) for number in range(first, last + 1)]


def numbers(batch: Iterable[StreamRecord]) -> list[int]:
    """The sequence numbers of a batch."""
    return [int(each.sequence_number) for each in batch]


def succeed(_: Invoke) -> Outcome:
    """The function that settles everything."""
    return Succeeded()


@dataclass
class VirtualShard:
    """Drives a `ShardMapping`: every invocation is answered at once, and waits take no time."""

    policy: MappingPolicy = field(default_factory=MappingPolicy)
    function: Callable[[Invoke], Outcome] = succeed
    now: float = NOON
    batches: list[list[int]] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    discards: list[Discard] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.mapping = ShardMapping(self.policy)

    def offer(self, *offered: StreamRecord) -> "VirtualShard":
        """Records as they are read at this instant."""
        self.mapping.offer(offered, self.now)
        return self

    def run(self, invocations: int = 100) -> "VirtualShard":
        """Carry out what is due, in virtual time, until nothing is or so many invocations were made."""
        while len(self.batches) < invocations and self.step():
            pass
        return self

    def step(self) -> bool:
        """Carry out what is due now, or pass on to the next instant; false when neither is there."""
        actions = self.mapping.actions(self.now)
        for action in actions:
            self._carry_out(action)
        if actions:
            return True
        wake_at = self.mapping.wake_at()
        self.now = self.now if wake_at is None else max(self.now, wake_at)
        return wake_at is not None

    def _carry_out(self, action: Invoke | Discard) -> None:
        if isinstance(action, Discard):
            self.discards.append(action)
            self.mapping.discarded(action.lane, self.now)
        else:
            self.batches.append(numbers(action.records))
            self.times.append(self.now - NOON)
            self.mapping.invoked(action.lane, self.function(action), self.now)
