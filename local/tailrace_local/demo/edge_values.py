"""Attributes that other pipelines lose: every type and every edge of what DynamoDB can hold, as news about airlines.

Invariant: every value here is legal in DynamoDB, and no two airlines give one attribute different types.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from typing import Any

Attributes = dict[str, dict[str, Any]]

LONGEST_NUMBER = "12345678901234567890123456789012345678"
"""38 digits, DynamoDB's precision; more than a double or an int64 holds. The first airline's `miles_ever_flown`."""

_MILES_BASE = int(LONGEST_NUMBER)
_EDGES: tuple[tuple[str, str], ...] = (
    ("1E-130", "9.99E+125"),
    ("-1E-130", "-9.99E+125"),
    ("1.2345678901234567890123456789012345678E-93", "9.9999999999999999999999999999999999999E+125"),
    ("0.10", "1.5E2"),
    ("-0.0", "100"),
    ("9007199254740993", "18446744073709551617"),
)
_SLOGANS = ("", "Fly “quietly” \\ far", "✈ über 空港 \u0000\u001f", "a\tb\nc", "${jndi} {{mustache}} ../%2e", "null")


def describe_airline(number: int, carrier: str) -> Attributes:
    """What becomes known of an airline, by its number (from 0): sets, binaries, maps, lists, numbers at the edges."""
    smallest, largest = _EDGES[number % len(_EDGES)]
    return {
        "miles_ever_flown": {"N": str(_MILES_BASE + number)},
        "smallest_share": {"N": smallest},
        "largest_debt": {"N": largest},
        "slogan": {"S": _SLOGANS[number % len(_SLOGANS)]},
        "alliance": {"NULL": True},
        "is_low_cost": {"BOOL": number % 2 == 0},
        "hubs": {"SS": ["Ωmega", "", *(f"{carrier}-hub-{n}" for n in range(number % 4, -1, -1))]},
        "gates": {"NS": ["10", "9", "-1.50", "1E2", str(_MILES_BASE + number), "0.001"]},
        "logo": {"B": _binary(carrier, 33)},
        "badges": {"BS": [_binary(f"{carrier}{n}", n + 1) for n in range(3)]},
        "headquarters": _headquarters(number, carrier),
        "routes": {"L": [_route(carrier, n) for n in range(number % 3)]},
        "seat_maps": {"L": [{"L": [{"N": "1"}, {"N": "2.5"}]}, {"L": []}]},
    }


def _headquarters(number: int, carrier: str) -> dict[str, Any]:
    phone: Mapping[str, Any] = {"M": {"kind": {"S": "desk"}, "digits": {"N": "1800" * 5 + str(number)}}}
    return {
        "M": {
            "city": {"S": "New York"},
            "motto": {"NULL": True},
            "floors": {"N": str(number)},
            "phones": {"L": [phone, {"M": {"kind": {"S": ""}, "digits": {"N": "0"}}}]},
            "tags": {"SS": ["b", "a"]},
            "plan": {"B": _binary(carrier, 3)},
            "empty": {"M": {}},
            "deep": _nest(12),
        }
    }


def _nest(levels: int) -> dict[str, Any]:
    return {"M": {"level": _nest(levels - 1)}} if levels else {"S": "the bottom"}


def _route(carrier: str, number: int) -> dict[str, Any]:
    return {"M": {"to": {"S": f"{carrier}{number}"}, "weekly": {"N": str(number)}, "days": {"NS": ["7", "1"]}}}


def _binary(text: str, length: int) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()[:length].ljust(length, b"\0")).decode()
