"""Poison among good records: who comes when is drawn from a seed, and each one's end is known beforehand.

Invariant: no two entries share an item, and the first document of each index teaches it what the conflicts rely on.
"""

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from builders import change_record, order
from kinesis_builders import MICROSECOND, kinesis_payload, kinesis_record

from poison.conflicts import conflict_kinds
from poison.kinds import TAUGHT, Indexed, Kind, Letter
from poison.kinesis_wires import kinesis_kinds
from poison.values import value_kinds
from poison.wires import wire_kinds

BEYOND_JSON = {"ApproximateCreationDateTime: not a number", "ApproximateCreationDateTime: infinite"}
TEACHERS = ("orders", "strict", "planes", "wide", "sums", "blobs", "pairs", "streamed")


@dataclass(frozen=True, slots=True)
class Entry:
    """One record and the end it must come to. `item` is what its table holds, None where no index can have it.

    `mended` is its end in a replay with `mended_tables`, None where it stays a dead letter.
    """

    record: Any
    end: Letter | Indexed
    table: str
    item: dict[str, Any] | None
    kind: str = "good"
    mended: Indexed | None = None

    @property
    def indexed_item(self) -> dict[str, Any] | None:
        """The item, where the first invocation indexes it."""
        return self.item if isinstance(self.end, Indexed) else None


def mend(entries: Sequence[Entry]) -> list[Entry]:
    """The entries with the ends that a replay brings them to."""
    return [replace(entry, end=entry.mended) if entry.mended is not None else entry for entry in entries]


def poison_kinds() -> list[Kind]:
    """All of them."""
    return [*wire_kinds(), *value_kinds(), *kinesis_kinds(), *conflict_kinds()]


def kinds_in_json() -> list[Kind]:
    """Those that can come through Lambda's runtime client: JSON has no NaN."""
    return [kind for kind in poison_kinds() if kind.name not in BEYOND_JSON]


def mixture(good: int, kinds: Sequence[Kind], seed: int) -> list[Entry]:
    """`good` good records with one record of each kind at random places among them, numbered as they come."""
    random = Random(seed)
    places = dict(zip(_places(random, good, len(kinds)), kinds, strict=True))
    numbers = iter(range(good))
    return [
        entry_of(places[place], place) if place in places else good_entry(next(numbers), place)
        for place in range(good + len(kinds))
    ]


def _places(random: Random, good: int, poison: int) -> list[int]:
    return random.sample(range(len(TEACHERS), good + poison), poison)


def entry_of(kind: Kind, place: int) -> Entry:
    """The record of a kind, for an item of its own."""
    id_ = f"poison-{place}"
    record = kind.make(id_, place + 1)
    mended = None if kind.mended is None else Indexed(kind.mended)
    return Entry(record, kind.end, kind.table, _item_of(kind, record, id_), kind.name, mended)


def _item_of(kind: Kind, record: Any, id_: str) -> dict[str, Any] | None:
    if kind.is_rewritten:
        return order(id_)
    has_item = isinstance(kind.end, Indexed) or kind.mended is not None
    return record["dynamodb"]["NewImage"] if has_item else None


def good_entry(number: int, place: int) -> Entry:
    """A good record: of each table in turn, of `orders` mostly."""
    table = TEACHERS[number] if number < len(TEACHERS) else TEACHERS[number % 40 % len(TEACHERS) * (number % 5 == 0)]
    item = _good_item(table, number)
    names = ("id", "line") if table == "pairs" else ("id",)
    record = change_record(new=item, sequence=place + 1, table=table, key_names=names)
    if table == "streamed":
        record = kinesis_record(kinesis_payload(record, MICROSECOND + place), place + 1)
    return Entry(record, Indexed(), table, item)


def _good_item(table: str, number: int) -> dict[str, Any]:
    item = order(f"good-{number}", total={"N": f"{number}.25"}, status={"S": ("PAID", "NEW", "SENT")[number % 3]})
    if table in ("orders", "strict"):
        item |= TAUGHT | {"created": {"S": "2026-11-21"}, "price": {"N": f"{number}.99"}, "done": {"BOOL": True}}
    if table == "sums":
        item |= {"id": {"N": f"{number}.50"}}
    if table == "blobs":
        item |= {"id": {"B": base64.b64encode(b"%d" % number).decode()}}
    return item | ({"line": {"N": str(number)}} if table == "pairs" else {})


def batches(entries: Sequence[Entry], size: int) -> Iterator[Sequence[Entry]]:
    """The entries in batches, in order."""
    for start in range(0, len(entries), size):
        yield entries[start : start + size]
