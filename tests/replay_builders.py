"""Builders for replays: an indexer whose dead letters can be taken out again, and batches that mappings parked."""

import json
from dataclasses import dataclass, field
from typing import Any

import orjson
from builders import SECOND, Indexer, event, stream_arn

from tailrace.adapters.memory import ManualClock
from tailrace.adapters.memory_letters import MemoryLetterBox
from tailrace.pipeline import Pipeline
from tailrace.ports import ItemResult
from tailrace.replaying import Replayer
from tailrace.replays import ReplayReport
from tailrace.selections import Selection

DAY = 86_400
PARKED_AT = "aws/lambda/1b2c/shardId-01/2025/11/21/2025-11-21T12.00.00-"


def at_noon() -> ManualClock:
    """A clock that shows the second of the builders' changes."""
    return ManualClock(seconds=SECOND)


class KilledError(BaseException):
    """The process ends here: nothing of the program may catch this."""


@dataclass
class Death:
    """Counts the calls of everything that is `mortal`, and kills before or after the one that is due."""

    due: int
    is_after: bool = False
    calls: int = 0

    def mortal(self, target: Any) -> Any:
        return _Mortal(target, self)

    def meet(self, call: Any, arguments: tuple[Any, ...], options: dict[str, Any]) -> Any:
        self.calls += 1
        if self.calls == self.due and not self.is_after:
            raise KilledError
        result = call(*arguments, **options)
        if self.calls == self.due:
            raise KilledError
        return result


class _Mortal:
    def __init__(self, target: Any, death: Death) -> None:
        self._target, self._death = target, death

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._target, name)
        return (lambda *a, **k: self._death.meet(found, a, k)) if callable(found) else found


@dataclass
class Post(Indexer):
    """The indexer whose letters are replayed. `letters` is the whole box: dead, parked, and batches."""

    letters: MemoryLetterBox = field(default_factory=MemoryLetterBox)
    clock: ManualClock = field(default_factory=at_noon)

    def replayer(self, max_hops: int = 5, box: Any = None, engine: Any = None, items: Any = None) -> Replayer:
        box = box or self.letters
        parts = (self.tables, engine or self.engine, box, items or self.items, self.clock, self.policy)
        return Replayer(Pipeline(*parts), box, max_hops)

    def replay(self, max_hops: int = 5, seconds: float = 300.0, box: Any = None, **selection: Any) -> ReplayReport:
        return self.replayer(max_hops, box).replay(Selection(**selection), self.clock.now() + seconds)

    def replay_until(self, death: Death) -> bool:
        """A replay in a process that may die; whether it did."""
        replayer = self.replayer(5, *map(death.mortal, (self.letters, self.engine, self.items)))
        try:
            replayer.replay(Selection(), self.clock.now() + 300)
        except KilledError:
            return True
        return False

    def read(self) -> list[dict[str, Any]]:
        """The dead letters, parsed, in the order of their keys."""
        return [json.loads(body) for key, body in sorted(self.letters.letters.items()) if "aws/" not in key]

    def held(self) -> list[str]:
        return sorted(self.letters.letters)

    def park(self, *records: Any, name: str = "1", **more: Any) -> str:
        """A batch that an event source mapping gives up; its key."""
        key = PARKED_AT + name
        self.letters.letters[key] = orjson.dumps(parked_batch(*records, **more))
        return key

    def refuse(self, *ids: str) -> None:
        """Let the engine refuse these documents until `mend`."""
        self.engine.refuse = lambda alias, id_, source: REFUSED if id_ in ids else None

    def mend(self) -> None:
        self.engine.refuse = None


REFUSED = ItemResult(405, "refused_exception", "no")


def parked_batch(*records: Any, payload: Any = None, **more: Any) -> dict[str, Any]:
    """What a mapping writes to S3 (AWS documents `payload` as escaped JSON text)."""
    return {
        "requestContext": {
            "requestId": "c9b8fa9f-5a7f-xmpl-af9c-0c604cde93a5",
            "functionArn": "arn:aws:lambda:us-east-1:000000000000:function:indexer",
            "condition": "RetryAttemptsExhausted",
            "approximateInvokeCount": 101,
        },
        "version": "1.0",
        "timestamp": "2025-11-21T12:00:00.000Z",
        "DDBStreamBatchInfo": {
            "shardId": "shardId-01",
            "startSequenceNumber": "111000000000000000000001",
            "endSequenceNumber": "111000000000000000000002",
            "batchSize": len(records),
            "streamArn": stream_arn(),
        },
        "payload": orjson.dumps(event(*records)).decode() if payload is None else payload,
    } | more


class Racing:
    """A letter box in which something happens between the first listing and the first reading."""

    def __init__(self, box: Any, happening: Any) -> None:
        self._box, self._happening = box, happening

    def __getattr__(self, name: str) -> Any:
        if name == "read" and self._happening:
            happening, self._happening = self._happening, None
            happening()
        return getattr(self._box, name)
