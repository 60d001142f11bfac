"""The document id of an item: one injective text per key, the same on every path.

Invariant: different items of one index never share an id, equal keys always do (law 3; failures 6-9, 85).
"""

import base64
import binascii
import hashlib
from collections.abc import Mapping
from typing import Any

from tailrace.attributes import IllegalAttributeError, canonical_base64, canonical_number
from tailrace.records import AttributeValue, Image

MAX_ID_BYTES = 512  # OpenSearch refuses a whole bulk request for a longer _id
HASH_PREFIX = "sha256:"


def _text(value: str) -> str:
    if "|" not in value and "\\" not in value:
        return value + ""  # text alone has neither of the two and can be added to text
    return value.replace("\\", "\\\\").replace("|", "\\|")


def _binary(value: str | bytes) -> str:
    """Base64url without padding: B keys may hold any byte, ids travel in JSON and URLs."""
    return base64.urlsafe_b64encode(binascii.a2b_base64(canonical_base64(value))).rstrip(b"=").decode()


_ENCODERS: Mapping[str, Any] = {"S": _text, "N": canonical_number, "B": _binary}


def document_id(keys: Image, key_names: tuple[str, ...], table_prefix: str = "") -> str:
    """The `_id` for a key: its values in `key_names` order joined by `|`, hashed when over 512 UTF-8 bytes.

    `table_prefix` is the escaped table name and `|` where several tables share an index, else empty.
    Raises IllegalAttributeError when a key attribute is absent or not one of S, N, B (failure 40: never an auto id).
    """
    try:
        parts = [_ENCODERS[kind](value) for name in key_names for kind, value in keys[name].items()]
    except (KeyError, TypeError, AttributeError) as error:
        raise IllegalAttributeError("a key attribute is missing or is not of type S, N or B") from error
    if len(parts) != len(key_names) or len(keys) != len(key_names):
        raise IllegalAttributeError("the key does not have exactly the table's key attributes, one type each")
    literal = table_prefix + "|".join(parts)
    if literal.startswith(HASH_PREFIX):
        literal = "\\" + literal
    if len(literal) * 4 <= MAX_ID_BYTES:
        return literal
    return _hash_if_too_long(literal)


def _hash_if_too_long(literal: str) -> str:
    encoded = literal.encode()
    if len(encoded) <= MAX_ID_BYTES:
        return literal
    return HASH_PREFIX + hashlib.sha256(encoded).hexdigest()


def table_prefix(table: str) -> str:
    """What ids begin with in an index that several tables share."""
    return _text(table) + "|"


def canonical_key(keys: Image, key_names: tuple[str, ...]) -> dict[str, AttributeValue]:
    """The key as an AttributeValue map in key order, numbers and binaries in their one spelling."""
    return {name: keys[name] if "S" in keys[name] else _spell(keys[name]) for name in key_names}


def _spell(typed: AttributeValue) -> AttributeValue:
    return {kind: canonical_number(value) if kind == "N" else canonical_base64(value) for kind, value in typed.items()}
