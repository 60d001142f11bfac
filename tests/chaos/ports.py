"""The function's other dependencies, and its death: dead letters and table that are down for a while, calls it dies in.

Invariant: a letter that `put` stored is stored whatever the function hears about it; a function that dies between two
lines leaves behind what it did before, and nothing else.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from random import Random
from typing import Any

from chaos.schedules import Fault
from tailrace.failures import DeadLetterStoreError, ItemReadError
from tailrace.ports import DeadLetterStore, IndexFields, ItemResult, SearchEngine, StoredDocument


class Killed(BaseException):
    """The end of the process: nothing catches it, nothing is answered."""


class HurriedClock:
    """The machine's time, but sleeping takes no longer than `longest_sleep` seconds: what is missing is skipped."""

    def __init__(self, seed: int, longest_sleep: float = 0.001) -> None:
        self._random = Random(seed)
        self._longest = longest_sleep
        self._skipped = 0.0
        self._lock = threading.Lock()

    def now(self) -> float:
        """See `ports.Clock.now`."""
        return time.time() + self._skipped

    def sleep(self, seconds: float) -> None:
        """See `ports.Clock.sleep`."""
        waited = min(seconds, self._longest)
        time.sleep(waited)
        with self._lock:
            self._skipped += seconds - waited

    def jitter(self) -> float:
        """See `ports.Clock.jitter`."""
        return self._random.random()


class Troubles:
    """The faults that strike at calls of ports and at invocations, counted over all functions of a schedule."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self._faults = faults
        self._counters: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._is_stopped = False
        self.strikes: Counter[str] = Counter()

    def stop(self) -> None:
        """No faults from here on."""
        self._is_stopped = True

    def find(self, what: str, kinds: Sequence[str]) -> Fault | None:
        """The fault of one of the `kinds` that strikes now; `what` is counted on."""
        with self._lock:
            number = self._counters[what]
            self._counters[what] += 1
            if self._is_stopped:
                return None
            for fault in self._faults:
                if fault.kind in kinds and fault.at <= number < fault.at + fault.span:
                    self.strikes[fault.kind] += 1
                    return fault
        return None


class MortalPorts:
    """Engine, table and dead-letter store of one function. Every call may be its last."""

    def __init__(
        self,
        engine: SearchEngine,
        read_item: Callable[[str, Any], Any],
        letters: DeadLetterStore,
        troubles: Troubles,
    ) -> None:
        self._engine, self._read_item, self._letters, self._troubles = engine, read_item, letters, troubles

    def bulk(self, body: bytes, count: int, **limits: Any) -> Sequence[ItemResult]:
        """See `ports.SearchEngine.bulk`."""
        results: Sequence[ItemResult] = self._call(lambda: self._engine.bulk(body, count, **limits))
        return results

    def read_stored(self, documents: Sequence[tuple[str, str]], **limits: Any) -> Sequence[StoredDocument | None]:
        """See `ports.SearchEngine.read_stored`."""
        stored: Sequence[StoredDocument | None] = self._call(lambda: self._engine.read_stored(documents, **limits))
        return stored

    def ensure_index(self, alias: str, request: Mapping[str, Any], **limits: Any) -> bool:
        """See `ports.SearchEngine.ensure_index`."""
        created: bool = self._call(lambda: self._engine.ensure_index(alias, request, **limits))
        return created

    def read_shadows(self, aliases: Collection[str], **limits: Any) -> frozenset[str]:
        """See `ports.SearchEngine.read_shadows`."""
        shadows: frozenset[str] = self._call(lambda: self._engine.read_shadows(aliases, **limits))
        return shadows

    def read_fields(self, alias: str, **limits: Any) -> IndexFields:
        """See `ports.SearchEngine.read_fields`."""
        fields: IndexFields = self._call(lambda: self._engine.read_fields(alias, **limits))
        return fields

    def read(self, table: str, keys: Any) -> Any:
        """See `ports.ItemReader.read`."""
        if self._troubles.find("reads", ("table down",)):
            raise ItemReadError("no answer")
        return self._call(lambda: self._read_item(table, keys))

    def put(self, key: str, body: bytes) -> None:
        """See `ports.DeadLetterStore.put`."""
        fault = self._troubles.find("letters", ("letters down", "letters stored unheard"))
        if fault is None or fault.kind == "letters stored unheard":
            self._call(lambda: self._letters.put(key, body))
        if fault is not None:
            raise DeadLetterStoreError("not stored")

    def _call(self, call: Callable[[], Any]) -> Any:
        fault = self._troubles.find("calls", ("killed before", "killed after"))
        if fault is not None and fault.kind == "killed before":
            raise Killed
        answer = call()
        if fault is not None:
            raise Killed
        return answer
