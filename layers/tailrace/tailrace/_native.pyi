"""The extension that `native/native.c` becomes; `acceleration.Native` says what its functions do."""

from collections.abc import Mapping
from typing import Any

from tailrace.acceleration import Frame
from tailrace.actions import Action
from tailrace.records import ChangeRecord

FINGERPRINT: str
HASHING: str

def decode(wire: Any, arn: str | None, table: str | None, record: type[ChangeRecord], /) -> ChangeRecord | None: ...
def act(record: ChangeRecord, frame: Frame, alias: str, index: int, /) -> Action | None: ...
def pack(actions: list[Action], start: int, max_bytes: int, most: int, /) -> tuple[bytes, int] | None: ...
def canonical(image: Mapping[str, Any], /) -> bytes | None: ...
def sha256(data: bytes, is_portable: bool, /) -> bytes: ...
