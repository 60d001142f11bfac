"""The time budget of an invocation: how long new work may begin, and how long a call that is begun may take.

Invariant: no call to the engine outlasts the deadline by more than the grace, which lies inside the margin that the
handler keeps for dead letters and its answer (failures 44, 58).
"""

from dataclasses import dataclass

from tailrace.ports import CALL_TIMEOUT_SECONDS, Clock

DEFAULT_GRACE_SECONDS = 2.0  # of the default margin of 5 s: the rest is for dead letters and the answer


@dataclass(frozen=True, slots=True)
class TimeBudget:
    """`deadline` is in seconds since the epoch on `clock`; `grace_seconds` is what a call may take beyond it."""

    clock: Clock
    deadline: float
    grace_seconds: float = DEFAULT_GRACE_SECONDS

    def is_over(self) -> bool:
        """Whether nothing new may begin."""
        return self.clock.now() >= self.deadline

    def allows_pause(self, seconds: float) -> bool:
        """Whether time is left after a pause."""
        return self.clock.now() + seconds < self.deadline

    def timeout(self) -> float:
        """Seconds that a call begun now may take in all."""
        return min(max(self.deadline - self.clock.now(), 0.0) + self.grace_seconds, CALL_TIMEOUT_SECONDS)
