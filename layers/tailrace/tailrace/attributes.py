"""DynamoDB attribute values to JSON: exact digits, sorted sets, base64 binaries, and nothing that is not legal.

Invariant: equal items give byte-identical canonical JSON, whatever path they came by (law 3), and a number keeps every
digit (law 4): it passes as its own canonical text, never through a float or a Decimal context.
"""

import binascii
import hashlib
import re
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

import orjson

from tailrace.errors import TailraceError
from tailrace.names import escape_field_name
from tailrace.records import Image

MAX_NESTING_LEVELS = 32  # DynamoDB quota: nested attributes up to 32 levels deep
MAX_SIGNIFICANT_DIGITS = 38  # DynamoDB quota: precision of a number
MIN_MAGNITUDE_EXPONENT = -130  # DynamoDB quota: smallest magnitude 1E-130
MAX_MAGNITUDE_EXPONENT = 125  # DynamoDB quota: largest magnitude 9.99...E+125
INT64_SAFE_DIGITS = 19  # fewer digits than this always fit a signed 64-bit integer, which orjson writes digit for digit

_is_short_canonical = re.compile(r"0|-?(?:[1-9][0-9]{0,17}|0(?=\.))(?:\.[0-9]{0,17}[1-9])?").fullmatch
_split_number = re.compile(r"([+-]?)([0-9]*)(?:\.([0-9]*))?(?:[eE]([+-]?[0-9]{1,6}))?").fullmatch


class IllegalAttributeError(TailraceError):
    """A value that DynamoDB itself would refuse. The text names the attribute and the rule, never the value."""


def canonical_number(text: str) -> str:
    """One spelling per number: decimal digits without exponent, trailing zeros, leading zeros or a negative zero.

    Raises IllegalAttributeError for what DynamoDB refuses: over 38 significant digits, a magnitude outside
    1E-130..9.99E+125, or text that is no number.
    """
    if _is_short_canonical(text):
        return text
    parts = _split_number(text)
    if parts is None or not (parts[2] or parts[3]):
        raise IllegalAttributeError("a value of type N is not a decimal number")
    whole, fraction = parts[2].lstrip("0"), parts[3] or ""
    digits = (whole + fraction).lstrip("0").rstrip("0")
    if not digits:
        return "0"
    exponent = int(parts[4] or 0) - len(fraction) + len((whole + fraction).lstrip("0")) - len(digits)
    _refuse_out_of_range(len(digits), exponent + len(digits) - 1)
    return ("-" if parts[1] == "-" else "") + _place_point(digits, exponent)


def _refuse_out_of_range(digits: int, magnitude: int) -> None:
    if digits > MAX_SIGNIFICANT_DIGITS:
        raise IllegalAttributeError("a value of type N has more than 38 significant digits")
    if not MIN_MAGNITUDE_EXPONENT <= magnitude <= MAX_MAGNITUDE_EXPONENT:
        raise IllegalAttributeError("a value of type N is outside 1E-130 to 9.99E+125")


def _place_point(digits: str, exponent: int) -> str:
    if exponent >= 0:
        return digits + "0" * exponent
    if -exponent < len(digits):
        return f"{digits[:exponent]}.{digits[exponent:]}"
    return "0." + "0" * (-exponent - len(digits)) + digits


def number_order(canonical: str) -> tuple[int, int, str]:
    """A sort key for canonical number texts, exact at any length: by sign, then magnitude, then digits."""
    negative = canonical.startswith("-")
    whole, _, fraction = canonical.lstrip("-").partition(".")
    digits = (whole + fraction).lstrip("0")
    if not digits:
        return (0, 0, "")
    magnitude = len(whole) if whole != "0" else len(fraction.lstrip("0")) - len(fraction)
    if not negative:
        return (1, magnitude, digits)
    return (-1, -magnitude, digits.translate(_NINES_COMPLEMENT) + "~")


_NINES_COMPLEMENT = str.maketrans("0123456789", "9876543210")


def canonical_base64(value: str | bytes) -> str:
    """Standard base64 with padding of a B value that is base64 text (event, export) or bytes (SDK)."""
    if isinstance(value, (bytes, bytearray)):
        return binascii.b2a_base64(value, newline=False).decode()
    try:
        return binascii.b2a_base64(binascii.a2b_base64(value, strict_mode=True), newline=False).decode()
    except (binascii.Error, ValueError, TypeError) as error:
        raise IllegalAttributeError("a value of type B is not base64") from error


def _number(text: str) -> orjson.Fragment | int:
    if len(text) < INT64_SAFE_DIGITS and text.isdecimal() and text.isascii():
        return int(text)
    return orjson.Fragment(text if _is_short_canonical(text) else canonical_number(text))


def _boolean(value: bool) -> bool:
    if value is True or value is False:
        return value
    raise IllegalAttributeError("a value of type BOOL is neither true nor false")


def _null(value: bool) -> None:
    if value is not True:
        raise IllegalAttributeError("a value of type NULL is not true")


def _elements(values: Iterable[Any]) -> list[Any]:
    if not isinstance(values, (list, tuple, set, frozenset)) or not values:
        raise IllegalAttributeError("a set is empty or not an array")
    return list(values)


def _strings(values: Iterable[str]) -> list[str]:
    strings = _elements(values)
    "".join(strings)  # raises TypeError for anything that is not text
    return sorted(set(strings))


def _numbers(values: Iterable[str]) -> list[orjson.Fragment]:
    texts = {canonical_number(value) for value in _elements(values)}
    return [orjson.Fragment(text) for text in sorted(texts, key=number_order)]


def _binaries(values: Iterable[str | bytes]) -> list[str]:
    return sorted({canonical_base64(value) for value in _elements(values)}, key=binascii.a2b_base64)


_SCALARS: dict[str, Any] = {
    "S": str.__str__,  # refuses everything that is not text, without a Python frame
    "N": _number,
    "BOOL": _boolean,
    "NULL": _null,
    "B": canonical_base64,
    "SS": _strings,
    "NS": _numbers,
    "BS": _binaries,
}


class ImageReader:
    """Reads images of one batch. It remembers which attribute names are legal field names, for this batch alone."""

    __slots__ = ("_legal_names", "_levels")

    def __init__(self) -> None:
        self._legal_names: set[str] = set()
        self._levels: list[Mapping[str, Any]] = [_SCALARS] * MAX_NESTING_LEVELS
        for level in range(MAX_NESTING_LEVELS - 2, -1, -1):
            self._levels[level] = _SCALARS | {"M": partial(self._map, level + 1), "L": partial(self._list, level + 1)}

    def read(self, image: Image) -> dict[str, Any]:
        """The image as a JSON-ready dict: numbers with their own digits, sets as sorted lists, field names escaped.

        Raises IllegalAttributeError naming the attribute and what is wrong with it.
        """
        try:
            return self._map(0, image)
        except (IllegalAttributeError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise self._name_the_culprit(image) from error

    def _map(self, level: int, image: Image) -> dict[str, Any]:
        """One map. The hottest loop of the indexer: text is told apart in place, all else by one table look-up."""
        read = self._levels[level]
        fields = {
            name: value + "" if kind == "S" else read[kind](value)
            for name, typed in image.items()
            for kind, value in typed.items()
        }
        if not len(image) == len(fields) == sum(map(len, image.values())):
            raise IllegalAttributeError("a value has not exactly one type")
        return fields if fields.keys() <= self._legal_names else self._escape_names(fields)

    def _list(self, level: int, values: Iterable[Mapping[str, Any]]) -> list[Any]:
        if not isinstance(values, (list, tuple)):
            raise IllegalAttributeError("a value of type L is not an array")
        read = self._levels[level]
        elements = [read[kind](value) for typed in values for kind, value in typed.items()]
        if not len(values) == len(elements) == sum(map(len, values)):
            raise IllegalAttributeError("a value has not exactly one type")
        return elements

    def _escape_names(self, fields: dict[str, Any]) -> dict[str, Any]:
        escaped = {escape_field_name(name): value for name, value in fields.items()}
        if escaped.keys() == fields.keys():
            self._legal_names.update(fields)
        return escaped

    def _name_the_culprit(self, image: Image) -> IllegalAttributeError:
        given: object = image
        if not isinstance(given, Mapping):
            return IllegalAttributeError("the image is not a map of attributes")
        for name, typed in given.items():
            try:
                self._map(0, {name: typed})
            except IllegalAttributeError as error:
                return IllegalAttributeError(f"attribute {name!r}: {error}")
            except KeyError as error:
                if error.args[0] in ("M", "L"):
                    return IllegalAttributeError(f"attribute {name!r}: a value is nested deeper than 32 levels")
                return IllegalAttributeError(f"attribute {name!r} is not a legal DynamoDB attribute value")
            except (TypeError, ValueError, AttributeError):
                return IllegalAttributeError(f"attribute {name!r} is not a legal DynamoDB attribute value")
        return IllegalAttributeError("the image is not a map of attributes")


def canonical_json(fields: Mapping[str, Any]) -> bytes:
    """The canonical item: UTF-8 JSON, names sorted, no blanks; equal items give equal bytes."""
    return orjson.dumps(fields, option=orjson.OPT_SORT_KEYS)


def digest(canonical: bytes) -> str:
    """The first 128 bits of the SHA-256 of a canonical item, as 32 hex digits."""
    return hashlib.sha256(canonical).hexdigest()[:32]
