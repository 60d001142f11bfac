"""Selections: which dead letters and parked batches a replay takes, as a person or an event asks for them.

Invariant: what is asked for and not understood is refused by name, so that a misspelled limit never replays everything.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tailrace.errors import UserError
from tailrace.parcels import BATCHES_PREFIX, Parcel, prefix_of_letters
from tailrace.stream_records import MisspelledRecordError, checked_table

_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_read_duration = re.compile(r"(\d{1,9})([smhdw])").fullmatch
_LIMITS = ("table", "reason", "since", "until")
_SWITCHES = ("letters", "parked", "batches")


@dataclass(frozen=True, slots=True)
class Selection:
    """What to replay: dead letters (the parked ones instead, with `parked`) and batches that mappings parked.

    `since` and `until` are seconds since the epoch, compared with the time of the first failure, `until` excluded.
    """

    table: str | None = None
    since: float | None = None
    until: float | None = None
    reason: str | None = None
    letters: bool = True
    parked: bool = False
    batches: bool = True

    def prefixes(self) -> list[str]:
        """Where to look. Letters first: records of a batch that are refused become letters, which wait for another day.

        A letter lies under its table; a batch may hold records of many, so all of them are opened.
        """
        letters = [prefix_of_letters(self.table, is_parked=self.parked)] if self.letters else []
        return [*letters, *([BATCHES_PREFIX] if self.batches else [])]

    def takes(self, parcel: Parcel) -> bool:
        """Whether a parcel is asked for. A batch is taken whole when any of its records is of the table."""
        return (
            (self.table is None or self.table in parcel.tables)
            and (self.reason is None or self.reason == parcel.reason)
            and (self.since is None or self.since <= parcel.at)
            and (self.until is None or parcel.at < self.until)
        )


def select(
    *,
    table: str | None,
    since: str | None,
    until: str | None,
    reason: str | None,
    now: float,
    letters: bool = True,
    parked: bool = False,
    batches: bool = True,
) -> Selection:
    """The selection that texts ask for. Raises UserError for what is no table name or no time."""
    if table is not None:
        _refuse_misspelled(table)
    begin, end = (None if text is None else parse_time(text, now) for text in (since, until))
    if begin is not None and end is not None and begin >= end:
        raise UserError(f"nothing lies between {since} and {until}: since has to be earlier than until")
    return Selection(table, begin, end, reason, letters, parked, batches)


def _refuse_misspelled(table: str) -> None:
    try:
        checked_table(table, "table")
    except MisspelledRecordError:
        raise UserError(
            f"{table!r} is no table's name: those are 3 to 255 of a-z, A-Z, 0-9, `_`, `.` and `-`"
        ) from None


def select_by_event(event: Mapping[str, Any], now: float) -> Selection:
    """What an invocation asks for: parked batches alone, unless it names dead letters.

    A schedule says nothing of ours. `{"letters": true}` takes dead letters too; so does any limit (`table`, `since`,
    `until`, `reason`). `{"parked": true}` takes the parked letters instead, and no batches unless it says so.
    `{"batches": false}` leaves the batches. Raises UserError for any other name or value.
    """
    if "detail-type" in event:
        return Selection(letters=False)
    for name, value in event.items():
        if name not in (*_LIMITS, *_SWITCHES):
            raise UserError(f"{name!r} is nothing to select by: {', '.join((*_LIMITS, *_SWITCHES))}")
        if not isinstance(value, bool if name in _SWITCHES else str):
            raise UserError(f"{name} has to be {'true or false' if name in _SWITCHES else 'a text'}")
    table, reason, since, until = (event.get(name) for name in _LIMITS)
    parked = event.get("parked", False)
    letters = event.get("letters", parked or any(event.get(name) for name in _LIMITS))
    batches = event.get("batches", not parked)
    return select(
        table=table, since=since, until=until, reason=reason, now=now, letters=letters, parked=parked, batches=batches
    )


def parse_time(text: str, now: float) -> float:
    """Seconds since the epoch of an ISO instant (UTC without an offset), or of a duration ago: `90s`, `2h`, `3d`, `1w`.

    Raises UserError.
    """
    if found := _read_duration(text):
        return now - int(found[1]) * _SECONDS[found[2]]
    try:
        instant = datetime.fromisoformat(text)
        return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        example = "2026-11-21T12:00:00Z, 2026-11-21, 3d, 2h or 30m"
        raise UserError(f"{text!r} is no time: write an instant or a time ago, such as {example}") from None
