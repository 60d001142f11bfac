"""A DynamoDB table in memory that is read by consistent pages while it changes, and tells its changes as a stream.

As DynamoDB does: a parallel scan walks ranges of hashed keys, 1 MB a page, and sees what is there when the page is
read. Invariant: an item's place in a scan never changes, so that each item there throughout is met exactly once.
"""

import bisect
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from threading import Lock
from typing import Any
from zlib import crc32

import orjson

NAME = "items"
ARN = f"arn:aws:dynamodb:us-east-1:000000000000:table/{NAME}"
STREAM_ARN = f"{ARN}/stream/2026-11-21T12:51:11.612"
PAGE_BYTES = 1_048_576  # DynamoDB: a page of a scan
RING = 1 << 32
BYTES_PER_READ_UNIT = 4_096

Image = Mapping[str, Any]


@dataclass(slots=True)
class LiveTable:
    """Keyed by the text attribute `id`. Items are kept as JSON; `log` holds every stream record, oldest first."""

    page_bytes: int = PAGE_BYTES
    log: list[dict[str, Any]] = field(default_factory=list)
    _items: dict[str, bytes] = field(default_factory=dict)
    _ring: list[tuple[int, str]] = field(default_factory=list)
    _lock: Lock = field(default_factory=Lock)

    def __len__(self) -> int:
        return len(self._items)

    def read(self, ids: Iterable[str]) -> list[bytes]:
        """The items of keys, as JSON; those that are not there are left out."""
        with self._lock:
            return [self._items[id_] for id_ in ids if id_ in self._items]

    def image(self, id_: str) -> Image | None:
        """One item."""
        found = self._items.get(id_)
        return None if found is None else orjson.loads(found)

    def write(self, id_: str, image: Image | None, instant: float) -> dict[str, Any]:
        """Put an item, or delete it with None; the stream record of it. `instant` is seconds since the epoch."""
        with self._lock:
            old = self._items.pop(id_, None)
            if image is not None:
                self._items[id_] = orjson.dumps(image)
            place = (crc32(id_.encode()), id_)
            if old is None and image is not None:
                bisect.insort(self._ring, place)
            elif old is not None and image is None:
                del self._ring[bisect.bisect_left(self._ring, place)]
            record = _record(len(self.log), id_, image, None if old is None else orjson.loads(old), instant)
            self.log.append(record)
        return record

    def snapshot(self) -> list[Image]:
        """All items as they are now."""
        with self._lock:
            bodies = list(self._items.values())
        return [orjson.loads(body) for body in bodies]

    def scan(self, segment: int, total: int, after: str | None) -> bytes:
        """The answer to one Scan."""
        with self._lock:
            ids, is_last = self._page(segment, total, after)
            bodies = [self._items[id_] for id_ in ids]
        units = -(-sum(map(len, bodies)) // BYTES_PER_READ_UNIT)
        told = {"Count": len(ids), "ScannedCount": len(ids)}
        told |= {"ConsumedCapacity": {"TableName": NAME, "CapacityUnits": float(units)}}
        told |= {} if is_last else {"LastEvaluatedKey": {"id": {"S": ids[-1]}}}
        return b'{"Items":[' + b",".join(bodies) + b"]," + orjson.dumps(told)[1:]

    def _page(self, segment: int, total: int, after: str | None) -> tuple[Sequence[str], bool]:
        ends_at = bisect.bisect_left(self._ring, (RING * (segment + 1) // total, ""))
        first = (RING * segment // total, "") if after is None else (crc32(after.encode()), after)
        begins_at = (bisect.bisect_left if after is None else bisect.bisect_right)(self._ring, first)
        ids, size = [], 0
        for _, id_ in islice(self._ring, begins_at, ends_at):
            ids.append(id_)
            size += len(self._items[id_])
            if size >= self.page_bytes:
                break
        return ids, begins_at + len(ids) >= ends_at


def _record(number: int, id_: str, new: Image | None, old: Image | None, instant: float) -> dict[str, Any]:
    """As Lambda delivers it. The sequence number begins with the millisecond, as the emulator's do: its exports are
    made from them.
    """
    change: dict[str, Any] = {
        "ApproximateCreationDateTime": int(instant),
        "Keys": {"id": {"S": id_}},
        "SequenceNumber": f"{int(instant * 1_000):020d}{number:015d}",
        "SizeBytes": 400,
        "StreamViewType": "NEW_AND_OLD_IMAGES",
    }
    change |= {"NewImage": new} if new is not None else {}
    change |= {"OldImage": old} if old is not None else {}
    return {
        "eventID": f"{number:032x}",
        "eventName": "REMOVE" if new is None else "INSERT" if old is None else "MODIFY",
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": "us-east-1",
        "dynamodb": change,
        "eventSourceARN": STREAM_ARN,
    }
