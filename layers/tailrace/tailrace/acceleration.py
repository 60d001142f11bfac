"""The native accelerator, where it is built: the ordinary record's way from stream record to bulk lines, in C.

Invariant: each of its functions answers byte for byte what the Python beside it would answer, or None, and then that
Python decides. So the index is the same with it and without it; Python is the specification (decision 18).
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from tailrace.actions import Action
    from tailrace.records import ChangeRecord

Frame = tuple[type["Action"], int, int | None, tuple[str, ...], str]


class Native(Protocol):
    """What `native/native.c` exports to the product. No bad data raises; None stands for "not mine"."""

    FINGERPRINT: str

    def decode(
        self, wire: Any, arn: str | None, table: str | None, record: "type[ChangeRecord]", /
    ) -> "ChangeRecord | None":
        """`stream_records.decode_stream_record` for a record of the stream `arn`, which is `table`'s."""

    def act(self, record: "ChangeRecord", frame: Frame, alias: str, index: int, /) -> "Action | None":
        """`Planner._act` for a record that nothing filters and that stays under its `alias`."""

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
