"""Parcels: what lies in the letter box, opened again. A dead letter holds one record, a parked batch many.

Invariant: every record is decoded anew from what its source sent, by the code that reads the source itself, so that a
replayed change is the very change that came; what was undecodable once may be read by code that has learnt since.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from tailrace.deadletters import FORMAT, LETTERS_PREFIX, PARKED_PREFIX, History, parked_key
from tailrace.decoding import UnknownEventError, decode_event
from tailrace.letterboxes import StoredObject
from tailrace.records import ChangeRecord, Undecodable

BATCHES_PREFIX = "aws/lambda/"  # Lambda: where an event source mapping parks what it gives up
REPLAY = "replay"
_NUMBERS = ("attempts", "hops")
_TEXTS = ("id", "table", "reason")


@dataclass(frozen=True, slots=True)
class Parcel:
    """An object of the letter box with its records, each with what it went through before.

    `reason` is the letter's, or the condition under which a mapping gave the batch up; `at` is when that was, in
    seconds since the epoch.
    """

    key: str
    records: Sequence[ChangeRecord | Undecodable]
    histories: Sequence[History]
    tables: frozenset[str]
    reason: str
    at: float

    @property
    def is_batch(self) -> bool:
        """Whether an event source mapping parked it; else it is a dead letter."""
        return self.key.startswith(BATCHES_PREFIX)

    @property
    def next_key(self) -> str:
        """Where its letter goes if it is refused again. Not for batches."""
        return self.histories[0].key or self.key


class Unreadable(NamedTuple):
    """An object that cannot be replayed, and why: it stays where it is."""

    key: str
    why: str


class _NotOursError(ValueError):
    """What is wrong with an object, in a sentence without its values."""


def open_parcel(stored: StoredObject, body: bytes, max_hops: int) -> Parcel | Unreadable:
    """The records of an object. A letter whose next failure is its `max_hops`-th is to be parked then."""
    try:
        content = _read_object(body)
        if stored.key.startswith(BATCHES_PREFIX):
            return _open_batch(stored, content)
        return _open_letter(stored, content, max_hops)
    except _NotOursError as error:
        return Unreadable(stored.key, str(error))


def is_placeholder(stored: StoredObject) -> bool:
    """Whether an object is only there to look like a folder."""
    return stored.key.endswith("/") and not stored.size


def prefix_of_letters(table: str | None, *, is_parked: bool) -> str:
    """Under which dead letters lie, all or those of one table."""
    return (PARKED_PREFIX if is_parked else LETTERS_PREFIX) + (f"{table}/" if table else "")


def _read_object(body: bytes) -> dict[str, Any]:
    # Python's own reader: records may hold text that UTF-8 cannot, which orjson refuses.
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise _NotOursError("it is not JSON") from error
    if not isinstance(content, dict):
        raise _NotOursError("it is JSON, but no object")
    return content


def _open_letter(stored: StoredObject, letter: dict[str, Any], max_hops: int) -> Parcel:
    _check_letter(letter)
    hops = letter["hops"] + 1
    key = parked_key(stored.key) if hops >= max_hops else stored.key
    [record] = decode_event({"Records": [letter["record"]]})
    return Parcel(
        stored.key,
        [_as_replay(record)],
        [History(letter["attempts"], hops, letter, key)],
        frozenset({letter["table"]}),
        letter["reason"],
        _instant(letter.get("at"), stored),
    )


def _check_letter(letter: Mapping[str, Any]) -> None:
    if letter.get("format") != FORMAT or "record" not in letter:
        raise _NotOursError(f"it is no dead letter of format {FORMAT}, the one that this version reads")
    for name in (*_TEXTS, *_NUMBERS):
        kind, word = (str, "a text") if name in _TEXTS else (int, "a whole number")
        if not isinstance(letter.get(name), kind) or isinstance(letter.get(name), bool):
            raise _NotOursError(f"its `{name}` is not {word}")


def _open_batch(stored: StoredObject, parked: Mapping[str, Any]) -> Parcel:
    try:
        records = decode_event(_read_payload(parked))
    except UnknownEventError as error:
        raise _NotOursError(str(error)) from error
    context = parked.get("requestContext")
    condition = context.get("condition") if isinstance(context, Mapping) else None
    return Parcel(
        stored.key,
        [_as_replay(record) for record in records],
        [History(0, 0, kind=record.source) for record in records],
        frozenset(record.table or "unknown" for record in records),
        condition if isinstance(condition, str) else "unknown",
        _instant(parked.get("timestamp"), stored),
    )


def _read_payload(parked: Mapping[str, Any]) -> dict[str, Any]:
    """The event: AWS documents it as JSON text, and some emulators write the object itself."""
    payload = parked.get("payload")
    if payload is None:
        raise _NotOursError(
            f"it names records and holds none ({_describe(parked)}): `tailrace verify --repair` writes their items"
        )
    if isinstance(payload, str):
        return _read_object(payload.encode("utf-8", "surrogatepass"))
    if not isinstance(payload, dict):
        raise _NotOursError("its `payload` is neither an event nor the text of one")
    return payload


def _describe(parked: Mapping[str, Any]) -> str:
    for name in ("DDBStreamBatchInfo", "KinesisBatchInfo"):
        info = parked.get(name)
        if isinstance(info, Mapping):
            first, last = info.get("startSequenceNumber"), info.get("endSequenceNumber")
            return f"{info.get('streamArn')}, {info.get('shardId')}, {first} to {last}"
    return "and does not say which"


def _as_replay(record: ChangeRecord | Undecodable) -> ChangeRecord | Undecodable:
    return record._replace(source=REPLAY) if isinstance(record, ChangeRecord) else record


def _instant(text: Any, stored: StoredObject) -> float:
    try:
        instant = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return stored.modified_at
    return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).timestamp()
