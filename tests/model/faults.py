"""Ports that fail on purpose: any call to the engine, the table or the dead-letter store, before or after its effect.

Invariant: a port without a fault at hand is the port it wraps, nothing more.
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tailrace.failures import DeadLetterStoreError, EngineError, ItemReadError
from tailrace.ports import CALL_TIMEOUT_SECONDS, IndexFields, ItemResult, SearchEngine, StoredDocument


class Crash(Exception):  # noqa: N818 - the death of a process is no error that anybody handles
    """The function dies here: nothing catches it, nothing is answered."""


@dataclass(slots=True)
class Moment:
    """What happens at the `at`-th call of one invocation, and how many calls there were."""

    fault: str
    at: int
    meanwhile: Callable[[], None]
    calls: int = 0

    def is_now(self) -> bool:
        """Whether the fault strikes at this call; what happens meanwhile has happened then."""
        self.calls += 1
        if self.calls - 1 != self.at:
            return False
        self.meanwhile()
        return True


@dataclass(slots=True)
class Ports:
    """Engine, item reader and dead-letter store of every instance of the function; `moments` is the stack of the
    invocations under way."""

    engine_below: SearchEngine
    read_item: Callable[[str, Any], Any]
    moments: list[Moment] = field(default_factory=list)
    letters: dict[str, bytes] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)

    def bulk(self, body: bytes, count: int, timeout: float = CALL_TIMEOUT_SECONDS) -> Sequence[ItemResult]:
        """See `ports.SearchEngine.bulk`."""
        moment = self.moments[-1]
        if moment.is_now() and moment.fault in ("throttled", "refused"):
            return self._bulk_in_part(body, count, moment.fault)
        return self._around(lambda: self.engine_below.bulk(body, count), EngineError(503, "an outage"))

    def read_stored(
        self, documents: Sequence[tuple[str, str]], timeout: float = CALL_TIMEOUT_SECONDS
    ) -> Sequence[StoredDocument | None]:
        """See `ports.SearchEngine.read_stored`."""
        self.moments[-1].is_now()
        return self._around(lambda: self.engine_below.read_stored(documents), EngineError(503, "an outage"))

    def ensure_index(self, alias: str, request: Mapping[str, Any], timeout: float = CALL_TIMEOUT_SECONDS) -> bool:
        """See `ports.SearchEngine.ensure_index`."""
        self.moments[-1].is_now()
        return self._around(lambda: self.engine_below.ensure_index(alias, request), EngineError(503, "an outage"))

    def read_shadows(self, aliases: Collection[str], timeout: float = CALL_TIMEOUT_SECONDS) -> frozenset[str]:
        """See `ports.SearchEngine.read_shadows`."""
        return self.engine_below.read_shadows(aliases)

    def read_fields(self, alias: str, timeout: float = CALL_TIMEOUT_SECONDS) -> IndexFields:
        """See `ports.SearchEngine.read_fields`."""
        return self.engine_below.read_fields(alias)

    def read(self, table: str, keys: Any) -> Any:
        """See `ports.ItemReader.read`."""
        self.counts["item_reads"] += 1
        self.moments[-1].is_now()
        return self._around(lambda: self.read_item(table, keys), ItemReadError("no answer"))

    def put(self, key: str, body: bytes) -> None:
        """See `ports.DeadLetterStore.put`."""
        self.moments[-1].is_now()
        self._around(lambda: self.letters.__setitem__(key, body), DeadLetterStoreError("not stored"))

    def _around(self, call: Callable[[], Any], outage: Exception) -> Any:
        moment = self.moments[-1]
        fault = moment.fault if moment.calls - 1 == moment.at else ""
        if fault.endswith(" before"):
            raise Crash if fault.startswith("crash") else outage
        answer = call()
        if fault.endswith(" after"):
            raise Crash if fault.startswith("crash") else outage
        return answer

    def _bulk_in_part(self, body: bytes, count: int, fault: str) -> Sequence[ItemResult]:
        """Every second action, the first of them included, is not applied: 429, or the refusal of a document."""
        refusal = ItemResult(429, "rejected_execution_exception") if fault == "throttled" else REFUSAL
        actions = split_body(body)
        passed = iter(self.engine_below.bulk(b"".join(actions[1::2]), len(actions[1::2])) if count > 1 else ())
        return [next(passed) if place % 2 else refusal for place in range(count)]


REFUSAL = ItemResult(400, "illegal_argument_exception", "refused on purpose")


def split_body(body: bytes) -> list[bytes]:
    """An NDJSON body as one piece per action, its source line included."""
    pieces: list[bytes] = []
    lines = iter(body.splitlines(keepends=True))
    for line in lines:
        pieces.append(line + (next(lines) if line.startswith(b'{"index"') else b""))
    return pieces
