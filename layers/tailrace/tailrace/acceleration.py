"""The native accelerator, where it is built: the ordinary record's way from stream record to bulk lines, in C.

Invariant: each of its functions answers byte for byte what the Python beside it would answer, or None, and then that
Python decides. So the index is the same with it and without it; Python is the specification (decision 18).
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from tailrace.actions import Action
    from tailrace.records import ChangeRecord, Undecodable

Frame = tuple[type["Action"], int, int | None, tuple[str, ...], str]


class Native(Protocol):
    """What `native/native.c` exports to the product. No bad data raises; None stands for "not mine"."""

    FINGERPRINT: str

    @property
    def RawText(self) -> type:  # noqa: N802
        """The class of maps that are left unread: `raw_events.RawMap` is above it."""

    def decode(
        self, wire: Any, arn: str | None, table: str | None, record: "type[ChangeRecord]", /
    ) -> "ChangeRecord | None":
        """`stream_records.decode_stream_record` for a record of the stream `arn`, which is `table`'s."""

    def begin(self, event: bytes, /) -> int | None:
        """Where the records of `{"Records":[…` begin, in UTF-8; None for any other text."""

    def decode_run(
        self,
        event: bytes,
        position: int,
        arn: str | None,
        table: str | None,
        record: "type[ChangeRecord]",
        map_: type,
        records: "list[ChangeRecord | Undecodable]",
        /,
    ) -> tuple[bytes | None, int] | None:
        """Appends the records from `position` on as `decode` does, with maps left unread as instances of `map_`.

        Answers the text of the first record that is not of the stream `arn` or not ordinary, None at the end of all,
        and the position behind it; None where the text turns out not to be an event.
        """

    def read_item(self, line: bytes, key_names: tuple[str, ...], map_: type, /) -> tuple[dict[str, Any], Any] | None:
        """Key and item of an export's line `{"Item":…}`, the item left unread as an instance of `map_`."""

    def text(self, map_: Any, /) -> bytes | None:
        """The JSON of a `RawText`."""

    def find(self, map_: Any, name: str, /) -> dict[str, str] | None:
        """The attribute value of type S or N that a `RawText` has under a name; None where it has none at a glance."""

    def act(self, record: "ChangeRecord", frame: Frame, alias: str, index: int, /) -> "Action | None":
        """`Planner._act` for a record that nothing filters and that stays under its `alias`."""

    def act_run(
        self,
        records: "list[ChangeRecord | Undecodable]",
        start: int,
        ordinary: Mapping[str, tuple[Frame, str]],
        actions: "list[Action]",
        /,
    ) -> int:
        """`act` for the records from `start` on, with frame and alias by table, up to one that is not its own.

        Appends the actions, and answers the place of that record, or the number of records.
        """

    def pack(self, actions: "list[Action]", start: int, max_bytes: int, most: int, /) -> tuple[bytes, int] | None:
        """The bulk body that begins with the action `start`, and the number of the action that the next begins with."""

    def canonical(self, image: Mapping[str, Any], /) -> bytes | None:
        """`attributes.canonical_json` of an image."""


def load_native() -> Native | None:
    """The accelerator; None where it is not built, or not for this machine."""
    try:
        from tailrace import _native
    except ImportError:
        return None
    return _native


NATIVE = load_native()
