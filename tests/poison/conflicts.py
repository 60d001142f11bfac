"""Legal items that an index cannot take: values against a live mapping, fields without room, documents too large.

Each conflict is there twice: in `orders`, where the field is set apart, and in `strict`, where the document is a dead
letter.
"""

from typing import Any

from builders import change_record, order

from poison.kinds import FLAG, MAP, NUMBER, TEXT, Indexed, Kind, Letter, Make, Value, rewritten, with_attributes

LONG_TEXT = {"S": "\u00e9" * 20_000}
PARSING, ARGUMENT = Letter("mapper_parsing_exception"), Letter("illegal_argument_exception")
ILLEGAL, VIEW, UNKNOWN = Letter("illegal_item"), Letter("view_type"), Letter("unknown_table")


def _point(lat: str, lon: str) -> Value:
    return {"M": {"lat": {"N": lat}, "lon": {"N": lon}}}


def _lists(*elements: Any) -> Value:
    return {"L": list(elements)}


CONFLICTS: dict[str, dict[str, Value]] = {
    "an object where the index has text": {"text": MAP},
    "an object where the index has a number": {"number": MAP},
    "an object where the index has a flag": {"flag": MAP},
    "an array of objects where the index has a number": {"number": _lists(MAP, MAP)},
    "text where the index has a flag": {"flag": TEXT},
    "a number where the index has a flag": {"flag": NUMBER},
    "text where the index has an object": {"map": TEXT},
    "a number where the index has an object": {"map": NUMBER},
    "a flag where the index has an object": {"map": FLAG},
    "a set where the index has an object": {"map": {"SS": ["a", "b"]}},
    "a list of texts where the index has an object": {"map": _lists(TEXT)},
    "an object among the texts of a list": {"text": _lists(TEXT, MAP)},
    "an object deep in a map": {"map": {"M": {"x": MAP}}},
    "an object among the numbers of a list in a map": {"map": {"M": {"x": _lists(NUMBER, MAP)}}},
    "garbage for a date": {"created": TEXT},
    "a number for a date": {"created": NUMBER},
    "a flag for a date": {"created": FLAG},
    "an object for a date": {"created": MAP},
    "empty text for a date": {"created": {"S": ""}},
    "a day in another order": {"day": {"S": "21.11.2026"}},
    "an instant for a day": {"day": {"S": "2026-11-21T12:00:00Z"}},
    "text for an epoch": {"expires": TEXT},
    "a day for an epoch": {"expires": {"S": "2026-11-21"}},
    "one bad date among good ones": {"created": _lists({"S": "2026-11-21"}, {"S": "2026-13-01"})},
    "a point beyond the pole": {"place": _point("91", "0")},
    "a point beyond the date line": {"place": _point("0", "181")},
    "half a point": {"place": {"M": {"lat": {"N": "1"}}}},
    "garbage for a point": {"place": {"S": "north of here"}},
    "a flag for a point": {"place": FLAG},
    "a point among points that is none": {"place": _lists({"S": "1,2"}, {"S": "north of here"})},
    "a malformed point in a map": {"home": {"M": {"point": {"S": "north of here"}}}},
    "garbage for a shape": {"area": TEXT},
    "a shape that is not closed": {"area": {"S": "POLYGON ((0 0, 1 0, 1 1))"}},
    "garbage for an address": {"host": TEXT},
    "an address with a part too large": {"host": {"S": "300.1.1.1"}},
    "a word for a number": {"amount": TEXT},
    "an object for a number": {"amount": MAP},
    "a number beyond a float": {"ratio": {"N": "1e39"}},
    "a number beyond a long": {"count": {"N": "1e38"}},
    "a number beyond a long by one": {"count": {"N": "9223372036854775808"}},
    "a word for a long": {"count": {"S": "ten"}},
    "a number beyond an integer": {"units": {"N": "2147483648"}},
    "a number beyond a short": {"rank": {"N": "40000"}},
    "a number beyond a byte": {"tiny": {"N": "-129"}},
    "a negative number for an unsigned long": {"big": {"N": "-1"}},
    "a number beyond an unsigned long": {"big": {"N": "18446744073709551616"}},
    "a word for a scaled number": {"price": {"S": "free"}},
    "an object for a scaled number": {"price": MAP},
    "a number for a declared flag": {"done": NUMBER},
    "a word for a declared flag": {"done": {"S": "yes"}},
    "a flag in capitals": {"done": {"S": "TRUE"}},
    "an object for a declared flag": {"done": MAP},
    "text in a flat field": {"payload": TEXT},
    "a number in a flat field": {"payload": NUMBER},
    "a term too long in a flat field": {"payload": {"M": {"note": LONG_TEXT}}},
    "text in a nested field": {"lines": TEXT},
    "a number in a nested field": {"lines": NUMBER},
    "an object in a keyword": {"code": MAP},
    "a list of objects in a keyword": {"code": _lists(MAP)},
    "an object in a text": {"note": MAP},
    "an object in a binary": {"blob": MAP},
    "a new list of numbers and text": {"fresh1": _lists(NUMBER, TEXT)},
    "a new list of text and numbers": {"fresh2": _lists(TEXT, NUMBER)},
    "a new list of flags and text": {"fresh3": _lists(FLAG, TEXT)},
    "a new list of a number and an object": {"fresh4": _lists(NUMBER, MAP)},
    "a new list of text and a list of objects": {"fresh5": _lists(TEXT, _lists(MAP))},
    "a mixed list in a new map": {"fresh6": {"M": {"a": _lists(NUMBER, MAP)}}},
    "a dotted name below a number": {"number.part": NUMBER},
    "a dotted name below text": {"text.part.deep": TEXT},
    "a dotted name below a declared date": {"created.at": TEXT},
    "three fields at once": {"created": TEXT, "host": TEXT, "done": TEXT},
    "every field of the mapping at once": {
        "created": TEXT, "day": TEXT, "expires": TEXT, "place": TEXT, "area": TEXT, "host": TEXT, "count": TEXT,
        "units": TEXT, "rank": TEXT, "done": TEXT, "payload": TEXT, "lines": TEXT, "code": MAP, "map": TEXT,
    },
}  # fmt: skip
ARGUMENTS = {"a term too long in a flat field", *(name for name in CONFLICTS if " new " in name)}
TOO_MANY = {f"new{number:03}": TEXT for number in range(600)}
ROOM_FOR = 490  # of `wide`: 1,000 fields, sub-fields counted, less 20 of `ddb`, the key and the builders' two


def conflict_kinds() -> list[Kind]:
    """Every conflict under both policies, and what only shows in other tables."""
    fields = {name: tuple(sorted(bad)) for name, bad in CONFLICTS.items()}
    kinds = [with_attributes(name, Indexed(fields[name]), bad) for name, bad in CONFLICTS.items()]
    kinds += [
        with_attributes(f"{name}, strictly", ARGUMENT if name in ARGUMENTS else PARSING, bad, "strict", fields[name])
        for name, bad in CONFLICTS.items()
    ]
    return [*kinds, *reserved_kinds(), *table_kinds()]


def reserved_kinds() -> list[Kind]:
    """An attribute of the reserved name is set apart under both policies."""
    return [
        with_attributes("an attribute of the reserved name", Indexed(("ddb",)), {"ddb": TEXT}),
        with_attributes("an attribute of the reserved name, strictly", Indexed(("ddb",)), {"ddb": MAP}, "strict"),
        with_attributes("the reserved name and a bad date", Indexed(("created", "ddb")), {"ddb": MAP, "created": TEXT}),
    ]


def table_kinds() -> list[Kind]:
    """Keys, types, view types and tables that are wrong for a table."""
    apart = Indexed(tuple(sorted(TOO_MANY))[ROOM_FOR:])
    return [
        Kind("a table that is not declared", UNKNOWN, _inserted("undeclared"), "undeclared", ()),
        Kind("a table whose name is another's in capitals", UNKNOWN, _inserted("ORDERS"), "ORDERS", ()),
        Kind("an empty key", Letter("illegal_action"), _keyless("INSERT", "orders")),
        Kind("an empty key of a removal", Letter("illegal_action"), _keyless("REMOVE", "strict"), "strict"),
        Kind("more new fields than an index holds", apart, _inserted("wide", **TOO_MANY), "wide"),
        *(Kind(f"a key of two attributes, {name}", ILLEGAL, make, "pairs") for name, make in PAIRS.items()),
        *(rewritten(name, ILLEGAL, make, "planes") for name, make in TYPES.items()),
        *(Kind(f"{name}, where the type is needed", ILLEGAL, make, "planes") for name, make in OLD_IMAGES.items()),
        *(Kind(f"{name}, where the type is needed", VIEW, make, "planes") for name, make in BLIND.items()),
    ]


def _inserted(table: str, key_names: tuple[str, ...] = ("id",), **attributes: Any) -> Make:
    return lambda id_, sequence: change_record(
        new=order(id_, **attributes), sequence=sequence, table=table, key_names=key_names
    )


def _keyless(op: str, table: str) -> Make:
    return lambda _, sequence: change_record(op, order(""), order(""), sequence=sequence, table=table)


def _modified(table: str, old: Any) -> Make:
    return lambda id_, sequence: change_record("MODIFY", new=order(id_), old=old, sequence=sequence, table=table)


def _removed_blindly(id_: str, sequence: int) -> dict[str, Any]:
    record = change_record("REMOVE", old=order(id_), sequence=sequence, table="planes")
    return record | {"dynamodb": {k: v for k, v in record["dynamodb"].items() if k != "OldImage"}}


PAIRS = {
    "one missing": _inserted("pairs"),
    "one a flag": _inserted("pairs", ("id", "line"), line=FLAG),
    "one a bad number": _inserted("pairs", ("id", "line"), line={"N": "x"}),
}
TYPES = {
    "a type that is a number in text's place": _inserted("planes", status={"S": 7}),
    "a type that is null": _inserted("planes", status={"S": None}),
    "a type with a lone surrogate": _inserted("planes", status={"S": "\ud800"}),
    "a type that is bare text": _inserted("planes", status="jet"),
}
OLD_IMAGES = {
    "an old image that is text": _modified("planes", "{}"),
    "an old image that is an array": _modified("planes", [1]),
}
BLIND = {"a change without its old image": _modified("planes", None), "a removal without it": _removed_blindly}
