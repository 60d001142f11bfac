"""Dead letters: the complete record, why it could not be indexed, and where it came from.

Invariant: a dead letter holds all that a replay needs; the same change record always gets the same key, so that a
redelivered batch overwrites its dead letters instead of multiplying them. (One that cannot be read has no time of its
own and gets the day of its failure.) A replay that fails writes the letter again: same id, same key, one hop more.
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from tailrace.failures import DeadLetterStoreError
from tailrace.ports import DeadLetterStore
from tailrace.raw_events import as_objects
from tailrace.records import NANOSECONDS, ChangeRecord, Undecodable

FORMAT = 1
DEFAULT_MAX_HOPS = 5
LETTERS_PREFIX = "dead-letters/"
PARKED_PREFIX = "parked/"
_LAST_SECOND = 253_402_300_799  # the end of the year 9999


class History(NamedTuple):
    """What a record went through before: attempts to write it, and how often it was replayed (this time included).

    `letter` is the dead letter it comes from and `key` where the next one goes; `kind` is the source that brought the
    record first. None where the record itself tells.
    """

    attempts: int
    hops: int
    letter: Mapping[str, Any] | None = None
    key: str | None = None
    kind: str | None = None


NEVER_TRIED = History(0, 0)


def dead_letter(
    record: ChangeRecord | Undecodable,
    reason: str,
    detail: str,
    attempts: int,
    now: float,
    history: History = NEVER_TRIED,
) -> dict[str, Any]:
    """The dead letter of one record (design: `format`, `id`, `table`, `reason`, `detail`, …, `record`).

    A letter that was replayed keeps what it is and says `replayed_at` when it failed again: code that has learnt to
    read a record since may see another table or position in it.
    """
    tried = {"attempts": history.attempts + attempts, "hops": history.hops}
    if history.letter is not None:
        return {**history.letter, "reason": reason, "detail": detail, **tried, "replayed_at": _iso(now)}
    position = _position(record)
    wire = as_objects(record.wire)
    return {
        "format": FORMAT,
        "id": _identify(record.source_arn, position, wire),
        "table": record.table or "unknown",
        "reason": reason,
        "detail": detail,
        **tried,
        "source": {
            "kind": history.kind or record.source,
            "arn": record.source_arn,
            "shard": _shard(wire),
            "sequence_number": position,
            "event_id": _event_id(record),
        },
        "at": _iso(now),
        "record": wire,
    }


def _iso(now: float) -> str:
    return datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds")


def dead_letter_key(record: ChangeRecord | Undecodable, letter: Mapping[str, Any], now: float) -> str:
    """`dead-letters/<table>/<yyyy>/<mm>/<dd>/<id>.json` in the bucket, by the day of the change."""
    seconds = record.instant_ns / NANOSECONDS if isinstance(record, ChangeRecord) else now
    day = datetime.fromtimestamp(min(max(seconds, 0), _LAST_SECOND), UTC).strftime("%Y/%m/%d")
    return f"{LETTERS_PREFIX}{letter['table']}/{day}/{letter['id']}.json"


def parked_key(key: str) -> str:
    """Where a letter waits that was replayed in vain too often: the same key under `parked/`."""
    return key if key.startswith(PARKED_PREFIX) else PARKED_PREFIX + key.removeprefix(LETTERS_PREFIX)


def encode(letter: Mapping[str, Any]) -> bytes:
    """The stored object: ASCII JSON, since an undecodable record may hold text that UTF-8 cannot."""
    return json.dumps(letter, ensure_ascii=True, separators=(",", ":"), default=str).encode("ascii")


def _identify(arn: str | None, position: str | None, wire: Any) -> str:
    """The id is the identity of the record, (stream, sequence number), or of its content where it has none."""
    seed = f"{arn}|{position}" if arn and position else json.dumps(wire, sort_keys=True, default=str)
    return hashlib.sha256(seed.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _position(record: ChangeRecord | Undecodable) -> str | None:
    """Of the stream that the ARN names: the replicator's records keep the sequence number of the table's stream."""
    if isinstance(record, ChangeRecord) and record.sequence_number is not None:
        return record.sequence_number
    return record.position


def _event_id(record: ChangeRecord | Undecodable) -> str | None:
    if isinstance(record, ChangeRecord):
        return record.event_id
    return record.wire.get("eventID") if isinstance(record.wire, Mapping) else None


def _shard(wire: Any) -> str | None:
    """Kinesis names the shard in its event id, `shardId-…:<sequence number>`; DynamoDB Streams does not."""
    event_id = wire.get("eventID") if isinstance(wire, Mapping) else None
    if not isinstance(event_id, str) or not event_id.startswith("shardId-"):
        return None
    return event_id.partition(":")[0]


def store_dead_letter(
    store: DeadLetterStore,
    record: ChangeRecord | Undecodable,
    reason: str,
    detail: str,
    attempts: int,
    now: float,
    history: History = NEVER_TRIED,
) -> bool:
    """Store the dead letter of one record; whether it is durable. If not, the record has failed and comes again."""
    try:
        letter = dead_letter(record, reason, detail, attempts, now, history)
        store.put(history.key or dead_letter_key(record, letter, now), encode(letter))
    except (DeadLetterStoreError, RecursionError, TypeError, ValueError):  # the latter: what no JSON can hold
        return False
    return True
