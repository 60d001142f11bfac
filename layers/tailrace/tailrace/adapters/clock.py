"""The machine's clock and chance. Invariant: the only place of the layer that reads either."""

import random
import time


class SystemClock:
    """See `ports.Clock`."""

    def now(self) -> float:
        """See `ports.Clock.now`."""
        return time.time()

    def sleep(self, seconds: float) -> None:
        """See `ports.Clock.sleep`."""
        time.sleep(seconds)

    def jitter(self) -> float:
        """See `ports.Clock.jitter`."""
        return random.random()  # noqa: S311 - jitter, not a secret
