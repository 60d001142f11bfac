"""Odd items: every type at every depth, text that breaks parsers, names that break mappings, empty against missing.

Invariant: `plain` is written against DynamoDB's documentation and shares no code with the product.
"""

import base64
import hashlib
from collections.abc import Callable
from decimal import Decimal
from random import Random
from typing import Any

Item = dict[str, Any]
COUNT = 1_020
TEXTS = (
    "", " ", "\n", "".join(map(chr, range(0x20))), "\x7f\x80\x9f", '"', "\\", "'", '\\"', "</script>", "${jndi:x}",
    "{{{x}}}", "%s%n", "\u2028\u2029", "\ufeff", "\ufffd\ufffe\uffff", "e\u0301", "\u00e9",
    "\U0001f469\u200d\U0001f680", "\U0010ffff", "\u05d0\u202e",
    "null", "true", "1E5", "2024-02-30", "NaN", "a|b\\c", '"_source":{}}', "x" * 5_000,
)  # fmt: skip
BINARIES = (b"", b"\x00", b"\xff" * 3, b"\xfb\xef\xbe", bytes(range(256)), b"plain", b"Zm9v", b"\x12\x02\x08\x7b")
NUMBERS = ("0", "-1", "1.5", "9007199254740993", "-12345678901234567890123456789012345678", "1E-130", "9.99E+125")
# Attribute names, and the field names that they must become.
NAMES = {
    "": "%", " ": "%20", ".": "%2E", ".a": "%2Ea", "a.": "a%2E", "a..b": "a%2E%2Eb", "_id": "%5Fid",
    "_source": "%5Fsource", "_type": "%5Ftype", "%": "%25", "100%": "100%25", "\t": "%09", "a b": "a b",
    "\u00fc": "\u00fc", "\U0001f600": "\U0001f600", 'q"q': 'q"q', "back\\slash": "back\\slash", "sel*ct": "sel*ct",
    "nul\x00": "nul\x00", "$x": "$x", "N": "N", "B": "B", "BS": "BS", "M": "M",
}  # fmt: skip


def odd_items() -> list[Item]:
    """`COUNT` items of a table keyed by `pk` (B) and `sk` (S); images hold binaries as bytes."""
    random = Random(11)
    return [_item(random, number) for number in range(COUNT)]


def _item(random: Random, number: int) -> Item:
    key = {"pk": {"B": b"%d" % number + random.choice(BINARIES)}, "sk": {"S": f"{number}" + random.choice(TEXTS)}}
    item = key | {
        "text": {"S": random.choice(TEXTS)},
        "number": {"N": random.choice(NUMBERS)},
        "flag": {"BOOL": random.random() < 0.5},
        "blob": {"B": random.choice(BINARIES)},
        "texts": {"SS": random.sample(TEXTS[:20], random.randint(1, 5))},
        "numbers": {"NS": random.sample(NUMBERS[2:], random.randint(1, 4))},
        "blobs": {"BS": random.sample(BINARIES, random.randint(1, 4))},
        "anything": {"M": _map(random, depth=random.choice((1, 2, 5)))},
        "named": {"M": {name: {"S": name} for name in random.sample(sorted(NAMES), 6)}},
        "deep": _nested(31),
        "void": {"NULL": True},
        "empty_map": {"M": {}},
        "empty_list": {"L": []},
    }
    for name in random.sample(sorted(item.keys() - key.keys()), random.randint(0, 4)):
        del item[name]
    return item


def _map(random: Random, depth: int) -> Item:
    names = random.sample(sorted(NAMES), random.randint(0, 4))
    return {name: _value(random, depth - 1) for name in names} | {"nil": {"NULL": True}}


def _value(random: Random, depth: int) -> Item:
    scalars = (
        {"S": random.choice(TEXTS)},
        {"N": random.choice(NUMBERS)},
        {"B": random.choice(BINARIES)},
        {"BOOL": True},
        {"NULL": True},
        {"BS": random.sample(BINARIES, 2)},
        {"NS": random.sample(NUMBERS, 2)},
    )
    if depth <= 0 or random.random() < 0.5:
        return random.choice(scalars)
    if random.random() < 0.5:
        return {"M": _map(random, depth)}
    return {"L": [_value(random, depth - 1) for _ in range(random.randint(0, 4))]}


def _nested(levels: int) -> Item:
    """An attribute whose value lies `levels` levels below it, map in map."""
    return {"S": "bottom"} if levels == 0 else {"M": {"m": _nested(levels - 1)}}


def with_binaries(image: Item, encode: Callable[[bytes], Any]) -> Item:
    """The image with every binary as one source writes it."""
    return {name: _encoded(typed, encode) for name, typed in image.items()}


def _encoded(typed: Item, encode: Callable[[bytes], Any]) -> Item:
    [(kind, value)] = typed.items()
    if kind == "B":
        return {kind: encode(value)}
    if kind == "BS":
        return {kind: [encode(element) for element in value]}
    if kind == "M":
        return {kind: with_binaries(value, encode)}
    if kind == "L":
        return {kind: [_encoded(element, encode) for element in value]}
    return typed


def plain(image: Item) -> dict[str, Any]:
    """The document that an image must become, numbers as exact decimals."""
    return {NAMES.get(name, name): _plain(typed) for name, typed in image.items()}


def _plain(typed: Item) -> Any:
    [(kind, value)] = typed.items()
    readers: dict[str, Callable[[Any], Any]] = {
        "N": Decimal,
        "B": _base64,
        "NULL": lambda _: None,
        "SS": sorted,
        "NS": lambda texts: sorted(map(Decimal, texts)),
        "BS": lambda values: [_base64(element) for element in sorted(values)],
        "M": plain,
        "L": lambda elements: [_plain(element) for element in elements],
    }
    return readers.get(kind, lambda same: same)(value)


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()


def expected_id(item: Item) -> str:
    """The document id: base64url of `pk`, then `sk` with its separators escaped; the long ones are hashed."""
    first = base64.urlsafe_b64encode(item["pk"]["B"]).rstrip(b"=").decode()
    id_ = first + "|" + item["sk"]["S"].replace("\\", "\\\\").replace("|", "\\|")
    return id_ if len(id_.encode()) <= 512 else "sha256:" + hashlib.sha256(id_.encode()).hexdigest()
