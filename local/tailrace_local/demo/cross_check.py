"""The second opinion: a sample of items held against their documents without any of Tailrace's code.

Items come from the SDK (binaries as bytes), numbers are compared as exact decimals, and the rules for ids, sets and
binaries are written down here once more.

Invariant: nothing is imported from the package `tailrace`.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

Value = Mapping[str, Any]


def expected_id(item: Mapping[str, Value], key: Sequence[str]) -> str:
    """The document id of an item whose key is text: values in key order, `\\` and `|` escaped, joined by `|`."""
    return "|".join(item[name]["S"].replace("\\", "\\\\").replace("|", "\\|") for name in key)


def disagreeing_fields(item: Mapping[str, Value], document: Mapping[str, Any]) -> tuple[str, ...]:
    """The attributes that the document does not say exactly as the item does, and fields that no attribute explains.

    `item` is in the SDK's form, `document` holds its numbers as ("N", literal).
    """
    fields = {name: value for name, value in document.items() if name != "ddb"}
    wrong = {name for name, value in item.items() if name not in fields or not agrees(value, fields[name])}
    return tuple(sorted(wrong | (fields.keys() - item.keys())))


def agrees(value: Value, found: Any) -> bool:
    """Whether a JSON value says exactly what an attribute value says."""
    ((kind, content),) = value.items()
    return _RULES[kind](content, found)


def _is_number(content: str, found: Any) -> bool:
    if not (isinstance(found, tuple) and found[0] == "N"):
        return False
    return "e" not in found[1].lower() and Decimal(found[1]) == Decimal(content)


def _is_binary(content: bytes, found: Any) -> bool:
    try:
        return isinstance(found, str) and base64.b64decode(found, validate=True) == content
    except binascii.Error:
        return False


def _is_list(content: Sequence[Value], found: Any) -> bool:
    return isinstance(found, list) and len(found) == len(content) and all(map(agrees, content, found))


def _is_map(content: Mapping[str, Value], found: Any) -> bool:
    if not isinstance(found, dict) or found.keys() != content.keys():
        return False
    return all(agrees(value, found[name]) for name, value in content.items())


def _is_set(rule: Callable[[Any, Any], bool], order: Callable[[Any], Any]) -> Callable[[Any, Any], bool]:
    def check(content: Sequence[Any], found: Any) -> bool:
        wanted = sorted(content, key=order)
        return isinstance(found, list) and len(found) == len(wanted) and all(map(rule, wanted, found))

    return check


def _is_text(content: str, found: Any) -> bool:
    return isinstance(found, str) and found == content


def _plain(value: Any) -> Any:
    return value


_RULES: Mapping[str, Callable[[Any, Any], bool]] = {
    "S": _is_text,
    "N": _is_number,
    "B": _is_binary,
    "BOOL": lambda content, found: found is content,
    "NULL": lambda _, found: found is None,
    "SS": _is_set(_is_text, _plain),
    "NS": _is_set(_is_number, Decimal),
    "BS": _is_set(_is_binary, _plain),
    "L": _is_list,
    "M": _is_map,
}


def disagreements(
    items: Sequence[Mapping[str, Value]], key: Sequence[str], documents: Mapping[str, Mapping[str, Any]]
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The ids of items without an equal document, each with the names at fault (none where there is no document)."""
    for item in items:
        id_ = expected_id(item, key)
        if id_ not in documents:
            yield id_, ()
        elif names := disagreeing_fields(item, documents[id_]):
            yield id_, names
