"""The extension that `native/native.c` becomes; `acceleration.Native` says what its functions do."""

from collections.abc import Mapping
from typing import Any

from tailrace.acceleration import Frame
from tailrace.actions import Action
from tailrace.records import ChangeRecord, Undecodable

FINGERPRINT: str
HASHING: str

class RawText: ...

def decode(wire: Any, arn: str | None, table: str | None, record: type[ChangeRecord], /) -> ChangeRecord | None: ...
def begin(event: bytes, /) -> int | None: ...
def decode_run(
    event: bytes,
    position: int,
    arn: str | None,
    table: str | None,
    record: type[ChangeRecord],
    map_: type,
    records: list[ChangeRecord | Undecodable],
    /,
) -> tuple[bytes | None, int] | None: ...
def read_item(line: bytes, key_names: tuple[str, ...], map_: type, /) -> tuple[dict[str, Any], Any] | None: ...
def text(map_: Any, /) -> bytes | None: ...
def find(map_: Any, name: str, /) -> dict[str, str] | None: ...
def act(record: ChangeRecord, frame: Frame, alias: str, index: int, /) -> Action | None: ...
def act_run(
    records: list[ChangeRecord | Undecodable],
    start: int,
    ordinary: Mapping[str, tuple[Frame, str]],
    actions: list[Action],
    /,
) -> int: ...
def pack(actions: list[Action], start: int, max_bytes: int, most: int, /) -> tuple[bytes, int] | None: ...
def canonical(image: Mapping[str, Any], /) -> bytes | None: ...
def sha256(data: bytes, is_portable: bool, /) -> bytes: ...
