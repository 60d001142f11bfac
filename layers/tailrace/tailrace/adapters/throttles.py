"""Throttles: a load stays below a number of items, or of read capacity units, a second.

Invariant: threads that share a throttle share its rate.
"""

from dataclasses import dataclass, field
from threading import Lock

from tailrace.ports import Clock


@dataclass(slots=True)
class RateThrottle:
    """Lets `per_second` items pass, smoothly, however many threads ask; 0 lets everything pass.

    With `counts_units` it is capacity units. A page's cost is known when it was read: what it was too much is paid by
    the pages after it.
    """

    per_second: float
    clock: Clock
    counts_units: bool = False
    _free_at: float = 0.0
    _lock: Lock = field(default_factory=Lock)

    def take(self, items: int, units: float = 0.0) -> None:
        """See `loading.Throttle.take`."""
        count = units if self.counts_units else items
        if not self.per_second or not count:
            return
        with self._lock:
            now = self.clock.now()
            starts_at = max(self._free_at, now)
            self._free_at = starts_at + count / self.per_second
        if starts_at > now:
            self.clock.sleep(starts_at - now)
