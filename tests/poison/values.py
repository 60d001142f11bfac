"""Attribute values and names that DynamoDB itself would refuse, and that hand-made or damaged records may hold."""

from typing import Any

from poison.kinds import Kind, Letter, insertion, rewritten


def nested(levels: int, kind: str) -> dict[str, Any]:
    """A value with so many maps (M) or lists (L) around it."""
    value: dict[str, Any] = {"S": "bottom"}
    for _ in range(levels):
        value = {"M": {"m": value}} if kind == "M" else {"L": [value]}
    return value


NUMBERS: dict[str, Any] = {
    "empty": "", "a word": "seven", "not a number": "NaN", "infinite": "Infinity", "minus infinite": "-Infinity",
    "short infinite": "inf", "hexadecimal": "0x1F", "with a comma": "1,000", "with a space inside": "1 000",
    "with a space before": " 1", "with a line end": "1\n", "an exponent without digits": "1e", "digits missing": "e5",
    "a point alone": ".", "a minus alone": "-", "a plus alone": "+", "two signs": "--1", "two points": "1.2.3",
    "underscored": "1_000", "fullwidth digits": "\uff11", "arabic digits": "\u0661", "superscript": "1\u00b2",
    "a fraction sign": "\u00bd", "39 digits": "1" * 39, "39 digits of fraction": "0." + "1" * 39,
    "39 digits with zeros inside": "1" + "0" * 37 + "1", "over 9.99E+125": "1E+126", "under 1E-130": "1E-131",
    "a huge exponent": "1e999999", "an exponent beyond any": "1e99999999999", "127 digits": "9" * 127,
    "a JSON number": 5, "a JSON fraction": 1.5, "null": None, "a flag": True, "an array": ["1"],
    "an object": {"N": "1"},
    "a formula": "1+1", "with a NUL": "1\x00", "with a unit": "5kg", "with a dollar": "$5",
}  # fmt: skip

VALUES: dict[str, dict[str, Any] | Any] = {
    "text that is null": {"S": None},
    "text that is a number": {"S": 7},
    "text that is a flag": {"S": False},
    "text that is an array": {"S": ["a"]},
    "text that is an object": {"S": {"S": "a"}},
    "text with a lone high surrogate": {"S": "a\ud800b"},
    "text with a lone low surrogate": {"S": "\udc00"},
    "text with surrogates in the wrong order": {"S": "\udc00\ud800"},
    "a lone surrogate in a set": {"SS": ["a", "\ud83d"]},
    "a lone surrogate in a list in a map": {"M": {"l": {"L": [{"S": "\udfff"}]}}},
    "a lone surrogate in the name of a map's value": {"M": {"\ud800": {"S": "a"}}},
    "a flag that is text": {"BOOL": "true"},
    "a flag that is a number": {"BOOL": 1},
    "a flag that is null": {"BOOL": None},
    "a flag that is an object": {"BOOL": {}},
    "a null that is false": {"NULL": False},
    "a null that is null": {"NULL": None},
    "a null that is text": {"NULL": "true"},
    "a null that is a number": {"NULL": 1},
    "a binary that is not base64": {"B": "not base64!"},
    "a binary without its padding": {"B": "YWI"},
    "a binary with too much padding": {"B": "YWI=="},
    "a binary with a line end": {"B": "YWJj\nYWJj"},
    "a binary in the alphabet for URLs": {"B": "-_-_"},
    "a binary beyond ASCII": {"B": "\u00e9\u00e9\u00e9\u00e9"},
    "a binary that is a number": {"B": 1},
    "a binary that is null": {"B": None},
    "a binary that is an array": {"B": [1, 2]},
    "an empty set of texts": {"SS": []},
    "an empty set of numbers": {"NS": []},
    "an empty set of binaries": {"BS": []},
    "a set of texts that is null": {"SS": None},
    "a set of texts that is text": {"SS": "abc"},
    "a set of texts that is an object": {"SS": {"a": 1}},
    "a set of texts with a number": {"SS": ["a", 1]},
    "a set of texts with null": {"SS": [None]},
    "a set of texts with attribute values": {"SS": [{"S": "a"}]},
    "a set of texts with a list": {"SS": [["a"]]},
    "a set of numbers with a word": {"NS": ["1", "one"]},
    "a set of numbers with JSON numbers": {"NS": [1, 2]},
    "a set of numbers with null": {"NS": ["1", None]},
    "a set of numbers that is a number": {"NS": 5},
    "a set of binaries that are not base64": {"BS": ["YWI=", "?"]},
    "a set of binaries with a number": {"BS": [5]},
    "a map that is null": {"M": None},
    "a map that is an array": {"M": []},
    "a map that is text": {"M": "{}"},
    "a map with a bare value": {"M": {"a": "b"}},
    "a map with null": {"M": {"a": None}},
    "a map with a value of no type": {"M": {"a": {}}},
    "a map with a value of two types": {"M": {"a": {"S": "x", "N": "1"}}},
    "a map with a value of an unknown type": {"M": {"a": {"D": "2026"}}},
    "a list that is null": {"L": None},
    "a list that is an object": {"L": {"0": {"S": "a"}}},
    "a list that is text": {"L": "abc"},
    "a list with bare values": {"L": [1, "a"]},
    "a list with null": {"L": [None]},
    "a list with a value of no type": {"L": [{}]},
    "a list with a value of two types": {"L": [{"S": "x", "N": "1"}]},
    "a list with a value of an unknown type": {"L": [{"X": "x"}]},
    "a bad number deep in a list": {"L": [{"L": [{"M": {"n": {"N": "x"}}}]}]},
    "33 levels of maps": nested(32, "M"),
    "33 levels of lists": nested(32, "L"),
    "300 levels of maps": nested(300, "M"),
    "an attribute of no type": {},
    "an attribute of two types": {"S": "1", "N": "1"},
    "an attribute of all types": {"S": "1", "N": "1", "BOOL": True, "NULL": True, "B": "", "L": [], "M": {}},
    "an attribute of an unknown type": {"X": "1"},
    "an attribute of an empty type": {"": "1"},
    "an attribute of a type in small letters": {"s": "1"},
    "an attribute of a type spelled out": {"STRING": "1"},
    "an attribute with a space in its type": {"S ": "1"},
    "an attribute that is null": None,
    "an attribute that is bare text": "text",
    "an attribute that is a bare number": 5,
    "an attribute that is an array": [{"S": "a"}],
    "an attribute that is an empty array": [],
}


def value_kinds() -> list[Kind]:
    """Every value in an undeclared attribute of an item that is otherwise right."""
    numbers = {f"a number: {name}": {"extra": {"N": text}} for name, text in NUMBERS.items()}
    values = {name: {"extra": value} for name, value in VALUES.items()}
    names = {"a name with a lone surrogate": {"n\ud800": {"S": "a"}}}
    return [_kind(name, attributes) for name, attributes in (numbers | values | names).items()]


def _kind(name: str, attributes: dict[str, Any]) -> Kind:
    return rewritten(name, Letter("illegal_item"), lambda id_, sequence: insertion(id_, sequence, attributes))
