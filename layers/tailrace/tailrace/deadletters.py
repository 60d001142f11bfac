"""Dead letters: the complete record, why it could not be indexed, and where it came from.

Invariant: a dead letter holds all that a replay needs; the same change record always gets the same key, so that a
redelivered batch overwrites its dead letters instead of multiplying them. (One that cannot be read has no time of its
own and gets the day of its failure.)
"""

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from tailrace.records import NANOSECONDS, ChangeRecord, Undecodable

FORMAT = 1
_LAST_SECOND = 253_402_300_799  # the end of the year 9999
_table_in_arn = re.compile(r"arn:[^:]+:dynamodb:[^:]*:[^:]*:table/([a-zA-Z0-9_.-]{3,255})/stream/[^/]+").fullmatch


def dead_letter(
    record: ChangeRecord | Undecodable, reason: str, detail: str, attempts: int, now: float
) -> dict[str, Any]:
    """The dead letter of one record (design: `format`, `id`, `table`, `reason`, `detail`, …, `record`)."""
    wire = record.wire
    position = record.position
    table = record.table if isinstance(record, ChangeRecord) else _table_of(record.source_arn)
    return {
        "format": FORMAT,
        "id": _identify(record.source_arn, position, wire),
        "table": table,
        "reason": reason,
        "detail": detail,
        "attempts": attempts,
        "hops": 0,
        "source": {
            "kind": record.source,
            "arn": record.source_arn,
            "shard": None,  # a stream event does not name its shard
            "sequence_number": position,
            "event_id": wire.get("eventID") if isinstance(wire, Mapping) else None,
        },
        "at": datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds"),
        "record": wire,
    }


def dead_letter_key(record: ChangeRecord | Undecodable, letter: Mapping[str, Any], now: float) -> str:
    """`dead-letters/<table>/<yyyy>/<mm>/<dd>/<id>.json` in the bucket, by the day of the change."""
    seconds = record.instant_ns / NANOSECONDS if isinstance(record, ChangeRecord) else now
    day = datetime.fromtimestamp(min(max(seconds, 0), _LAST_SECOND), UTC).strftime("%Y/%m/%d")
    return f"dead-letters/{letter['table']}/{day}/{letter['id']}.json"


def encode(letter: Mapping[str, Any]) -> bytes:
    """The stored object: ASCII JSON, since an undecodable record may hold text that UTF-8 cannot."""
    return json.dumps(letter, ensure_ascii=True, separators=(",", ":"), default=str).encode("ascii")


def _identify(arn: str | None, position: str | None, wire: Any) -> str:
    """The id is the identity of the record, (stream, sequence number), or of its content where it has none."""
    seed = f"{arn}|{position}" if arn and position else json.dumps(wire, sort_keys=True, default=str)
    return hashlib.sha256(seed.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _table_of(arn: Any) -> str:
    """The table that an unreadable record names, if that is a table's name; it becomes part of a key."""
    found = _table_in_arn(arn) if isinstance(arn, str) else None
    return found[1] if found else "unknown"
