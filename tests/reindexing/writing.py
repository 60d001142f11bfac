"""A writer that never rests: inserts, updates, deletions and moves between types, at a steady rate.

Invariant: an item whose id begins with `a` (an anchor) keeps its type and is never deleted, so that every search has a
count that it must find; an id that was deleted comes back only if it begins with `p` (a phoenix); any other is deleted
only when its last move is some refreshes ago. For a move changes two indices, which refresh at moments of their own: a
search may see it in neither, and one after that may still see it in the second.
"""

import random
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

from reindexing.live_table import LiveTable

TYPES = ("order", "draft", "archive")
NOTE = "leave at the door, please, and ring twice; the dog is friendly"
KINDS = ("update", "insert", "delete", "move")
WEIGHTS = (50, 20, 15, 15)
REBORN_AFTER = 50
MOVES_KEPT_SECONDS = 60.0
SETTLED_SECONDS = 5.0

Record = dict[str, Any]


def new_item(id_: str, number: int) -> dict[str, Any]:
    """An item of about 400 bytes; anchors have a type for ever."""
    return {
        "id": {"S": id_},
        "kind": {"S": TYPES[number % len(TYPES)]},
        "anchor": {"BOOL": id_.startswith("a")},
        "revision": {"N": "1"},
        "total": {"N": f"{number % 9973}.{number % 89 + 10}"},
        "tags": {"SS": ["express", "gift"]},
        "address": {"M": {"city": {"S": "Oslo"}, "zip": {"S": "0150"}, "floor": {"N": str(number % 9)}}},
        "note": {"S": NOTE},
    }


@dataclass(slots=True)
class Writer:
    """Changes a table and tells each change to `stream`. One thread writes; `counts` may be read by others."""

    table: LiveTable
    stream: Callable[[Record], None]
    seed: int = 1
    counts: Counter[str] = field(default_factory=Counter)
    moves: deque[tuple[float, str]] = field(default_factory=deque)
    lock: Lock = field(default_factory=Lock)
    _random: random.Random = field(init=False)
    _anchors: list[str] = field(default_factory=list)
    _others: list[str] = field(default_factory=list)
    _dead: deque[str] = field(default_factory=deque)
    _moved: dict[str, float] = field(default_factory=dict)
    _number: int = 0

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def fill(self, count: int, instant: float) -> None:
        """As many items, half of them anchors."""
        for number in range(count):
            if number % 2:
                self._insert(self._name(), instant)
            else:
                id_ = f"a-{number:08d}"
                self._anchors.append(id_)
                self._write(id_, new_item(id_, number), instant)
        self.counts.clear()

    def change(self, instant: float) -> None:
        """One change."""
        [kind] = self._random.choices(KINDS, WEIGHTS)
        if kind == "insert" or not self._others:
            kind = "insert"
            is_reborn = len(self._dead) > REBORN_AFTER and self._random.random() < 0.5
            self._insert(self._dead.popleft() if is_reborn else self._name(), instant)
        elif kind == "update":
            self._update(self._random.choice(self._anchors if self._random.random() < 0.5 else self._others), instant)
        elif kind == "move":
            self._move(self._random.choice(self._others), instant)
        else:
            self._delete(instant)
        self.counts[kind] += 1

    def recent_moves(self, since: float) -> int:
        """Moves from `since` on: their items are now in two indices, or in none, for a search of both."""
        with self.lock:
            return sum(instant >= since for instant, _ in self.moves)

    def _name(self) -> str:
        self._number += 1
        return f"{'p' if self._number % 10 == 0 else 'x'}-{self._number:08d}"

    def _insert(self, id_: str, instant: float) -> None:
        self._others.append(id_)
        self._write(id_, new_item(id_, self._random.randrange(10_000)), instant)

    def _update(self, id_: str, instant: float) -> None:
        image = self._image(id_)
        self._write(id_, image | {"revision": {"N": str(int(image["revision"]["N"]) + 1)}}, instant)

    def _move(self, id_: str, instant: float) -> None:
        image = self._image(id_)
        other = self._random.choice([each for each in TYPES if each != image["kind"]["S"]])
        self._moved[id_] = instant
        with self.lock:
            self.moves.append((instant, id_))
            while self.moves[0][0] < instant - MOVES_KEPT_SECONDS:
                known_at, known = self.moves.popleft()
                if self._moved.get(known) == known_at:
                    del self._moved[known]
        self._write(id_, image | {"kind": {"S": other}}, instant)

    def _delete(self, instant: float) -> None:
        place = self._random.randrange(len(self._others))
        while not self._may_go(self._others[place], instant):
            place = self._random.randrange(len(self._others))
        self._others[place], self._others[-1] = self._others[-1], self._others[place]
        id_ = self._others.pop()
        if id_.startswith("p"):
            self._dead.append(id_)
        self._write(id_, None, instant)

    def _may_go(self, id_: str, instant: float) -> bool:
        return id_.startswith("p") or self._moved.get(id_, 0.0) < instant - SETTLED_SECONDS

    def _image(self, id_: str) -> Mapping[str, Any]:
        image = self.table.image(id_)
        assert image is not None
        return image

    def _write(self, id_: str, image: Mapping[str, Any] | None, instant: float) -> None:
        self.stream(self.table.write(id_, image, instant))
