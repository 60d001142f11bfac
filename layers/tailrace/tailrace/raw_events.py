"""Events and lines of exports as the text they came in: what the accelerator tells from it needs no object per value.

Invariant: whoever looks into an unread map sees what a JSON reader would have made of its text.
"""

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from tailrace import acceleration
from tailrace.acceleration import NATIVE

if TYPE_CHECKING or NATIVE is None:

    class RawText:
        """A piece of an event's text that stands for a map. Without the accelerator there is none."""

        __slots__ = ()
else:
    RawText = NATIVE.RawText


class RawEvent:
    """A stream event's JSON in UTF-8, unread. `start` is where the accelerator sees its records begin, or None."""

    __slots__ = ("start", "text")

    def __init__(self, text: bytes) -> None:
        self.text = text
        self.start = acceleration.NATIVE.begin(text) if acceleration.NATIVE is not None else None

    def read(self) -> Any:
        """The event as objects. Raises ValueError for what is no JSON."""
        return json.loads(self.text)


class UnreadMap(Mapping[str, Any]):
    """A map that is read once, where something looks into it: `_load` makes a dict of it, which stays in `_read`."""

    __slots__ = ()
    _read: dict[str, Any]

    def read(self) -> dict[str, Any]:
        """The map as a dict, and all that is in it as plain objects."""
        try:
            return self._read
        except AttributeError:
            self._read = self._load()
            return self._read

    def _load(self) -> dict[str, Any]:
        raise NotImplementedError

    def __getitem__(self, key: str) -> Any:
        return self.read()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.read())

    def __len__(self) -> int:
        return len(self.read())

    def __repr__(self) -> str:
        return repr(self.read())


class RawMap(RawText, UnreadMap):
    """A map in the text of an event or of an export's line, made by the accelerator."""

    __slots__ = ("_read",)

    def _load(self) -> dict[str, Any]:
        assert NATIVE is not None
        read: dict[str, Any] = json.loads(NATIVE.text(self) or b"{}")
        return read

    def get(self, key: str, default: Any = None) -> Any:
        """As a dict's; a text or a number is read without the others."""
        found = NATIVE.find(self, key) if NATIVE is not None else None
        return self.read().get(key, default) if found is None else found


def as_objects(map_: Any) -> Any:
    """What may be an unread map as a plain dict, for those who take nothing else; anything else as it is."""
    return map_.read() if isinstance(map_, UnreadMap) else map_
