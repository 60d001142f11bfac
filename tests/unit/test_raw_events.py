"""Events as text: what the accelerator tells from an event's bytes is what a JSON reader would have made of them."""

import json
from collections.abc import Mapping

import pytest
from benchmarks.samples import TABLES, event, removal
from hypothesis import example, given
from hypothesis import strategies as st
from unit.native_strategies import ARN, images, texts, values, wire
from unit.test_native import SPECS, ending, plan_twice

from tailrace import acceleration
from tailrace.actions import Planner
from tailrace.deadletters import dead_letter, dead_letter_key, encode
from tailrace.decoding import decode_event
from tailrace.raw_events import RawEvent, RawMap, as_objects
from tailrace.records import ChangeRecord
from tailrace.tables import load_tables

native = acceleration.NATIVE
pytestmark = pytest.mark.skipif(native is None, reason="the native accelerator is not built: make setup")
json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), texts),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(texts, inner, max_size=4)),
    max_leaves=8,
)


def is_json(value):
    """Whether JSON can hold it: some images of the strategies have bytes."""
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        return False
    return True


def compact(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


SPELLINGS = {
    "compact": compact,
    "ascii": json.dumps,
    "indented": lambda value: json.dumps(value, indent=1),
    "slashes": lambda value: compact(value).replace("/", "\\/"),
    "escaped": lambda value: '{"Records"' + compact(value)[10:].replace("o", "\\u006f").replace("S", "\\u0053"),
}
spellings = st.sampled_from(sorted(SPELLINGS)).map(SPELLINGS.get)
images_as_json = images.filter(is_json)
keys = st.one_of(
    st.sampled_from(["o-1", 'a"\n', "é/|\\", "\U0001f600", ""]).map(lambda value: {"id": {"S": value}}),
    st.fixed_dictionaries({"id": values, "sk": values}).filter(is_json),
)
wires = st.one_of(
    st.builds(wire, images_as_json, keys),
    st.builds(wire, images_as_json, keys, OldImage=st.one_of(st.none(), images_as_json)),
    st.builds(wire, st.just({}), keys, userIdentity=json_values),
)


def parts(records):
    """All that a record tells, in plain objects."""
    return [[as_objects(part) for part in each] if isinstance(each, ChangeRecord) else each for each in records]


def read_whole(text):
    return parts(decode_event(json.loads(text)))


def assert_told_alike(text):
    """`text` is an event's bytes: raw or read, the records are the same, and so is the exception."""
    raw, whole = ending(lambda: parts(decode_event(RawEvent(text)))), ending(read_whole, text)
    assert repr(raw) == repr(whole)


def raw_records(text):
    """The records that the accelerator itself makes of an event, the first one for comparison left out."""
    return decode_event(RawEvent(text))[1:]


def text_of(*wires_, spell=compact):
    return spell({"Records": [wire({}, {"id": {"S": "0"}}), *wires_]}).encode()


# -- it is told alike ------------------------------------------------------------------------------------------------


def test_ordinary_records_are_told_without_being_read():
    text = compact({"Records": [*event(0, 3)["Records"], *map(removal, range(3))]}).encode()
    records = raw_records(text)

    assert {type(record.keys) for record in records} == {RawMap}
    assert parts(decode_event(RawEvent(text))) == read_whole(text)


@given(st.lists(wires, max_size=4), spellings)
def test_law_3_an_event_is_told_alike_in_any_spelling(several, spell):
    assert_told_alike(text_of(*several, spell=spell))


@given(st.sampled_from(sorted(SPECS)), wires, spellings)
def test_law_3_a_raw_record_is_planned_as_one_that_was_read(spec, one, spell):
    text = text_of(one, spell=spell)
    for raw, whole in zip(decode_event(RawEvent(text)), decode_event(json.loads(text)), strict=True):
        if isinstance(raw, ChangeRecord):
            assert plan_twice(SPECS[spec], raw) == plan_twice(SPECS[spec], whole)


@given(images_as_json, spellings)
def test_law_3_a_run_of_raw_records_is_planned_as_one_that_was_read(image, spell):
    text = text_of(*(wire(image, {"id": {"S": str(n)}}) for n in range(3)), spell=spell)
    answers = []
    for records in (decode_event(RawEvent(text)), decode_event(json.loads(text))):
        planner, actions, place = Planner(SPECS["plain"]), [], 0
        while (place := planner.plan_run(records, place, actions)) < len(records):
            actions.append(planner.plan(records[place], place))
            place += 1
        answers.append([action[0] if isinstance(action, list) else action for action in actions])
    assert answers[0] == answers[1]


@given(wires, st.data())
def test_law_5_a_broken_text_fails_as_it_would_have_failed(one, data):
    text = text_of(one)
    place = data.draw(st.integers(0, len(text)))
    instead = data.draw(
        st.one_of(st.binary(max_size=3), st.sampled_from([b'"', b"\\", b"{", b"}", b"]", b",", b"[0]"]))
    )
    broken = text[:place] + instead + text[place + data.draw(st.integers(0, 3)) :]
    if native.begin(broken) is not None:
        assert_told_alike(broken)


@given(st.binary(max_size=60))
@example(b'{"Records":[')
@example(b'{"Records":[]}')
@example(b'{"Records":[],"Records":[1]}')
def test_law_5_what_follows_the_beginning_may_be_anything(rest):
    for text in (rest, b'{"Records":[' + rest, text_of()[:-2] + rest):
        if native.begin(text) is not None:
            assert_told_alike(text)


REPLACED = {
    "a name twice in a record": (b'"eventID":"e-1"', b'"eventID":"e-1","eventID":"e-2"'),
    "a name twice in a change": (b'"Keys":', b'"Keys":{"id":{"S":"x"}},"Keys":'),
    "an image twice": (b'"NewImage":', b'"NewImage":{"x":{"S":"x"}},"NewImage":'),
    "an attribute twice": (b'"id":{"S":"o-1"}', b'"id":{"S":"o-2"},"id":{"S":"o-1"}'),
    "an attribute of two types": (b'{"S":"o-1"}', b'{"S":"o-1","N":"1"}'),
    "a name spelled otherwise": (b'"eventName"', b'"event\\u004eame"'),
    "a time in full": (b"1763726400", b"1763726400.0"),
    "a time with an exponent": (b"1763726400", b"1.7637264E9"),
    "minus zero": (b"1763726400", b"-0"),
    "a time before 1970": (b"1763726400", b"-1"),
    "a time after all": (b"1763726400", b"99999999999999999999"),
    "no time": (b"1763726400", b"null"),
    "NaN": (b"1763726400", b"NaN"),
    "a null image": (b'"NewImage":', b'"OldImage":null,"NewImage":'),
    "an image that is no map": (b'"NewImage":', b'"OldImage":[],"NewImage":'),
    "half a character": (b'"o-1"', b'"\\ud83d"'),
    "a character in two halves": (b'"o-1"', b'"\\ud83d\\ude00"'),
    "the halves in the wrong order": (b'"o-1"', b'"\\ude00\\ud83d"'),
    "a control character": (b'"o-1"', b'"\x01"'),
    "an escape of no kind": (b'"o-1"', b'"\\x"'),
    "another stream": (b"/orders/", b"/others/"),
    "another source": (b'"aws:dynamodb"', b'"aws:kinesis"'),
    "an id of another kind": (b'"e-1"', b"7"),
    "a longer number": (b'"111111111111111111111"', b'"' + b"1" * 41 + b'"'),
    "digits of another script": (b'"111111111111111111111"', '"١١١"'.encode()),
    "leading zeros": (b'{"S":"o-1"}', b'{"N":"007"}'),
    "an escaped number": (b'{"S":"o-1"}', b'{"N":"\\u0037"}'),
    "a number of numbers": (b'{"S":"o-1"}', b'{"NS":["1","\\u0032","2.0","10"]}'),
    "blanks": (b'{"S":"o-1"}', b' { "S"\t: \n"o-1" } '),
    "much nesting": (b'{"S":"o-1"}', b'{"L":[' * 300 + b"]}" * 300),
    "a trailing comma": (b'{"S":"o-1"}', b'{"S":"o-1",}'),
    "two values": (b'{"S":"o-1"}', b'{"S":"o-1"}{"S":"o-1"}'),
}


@pytest.mark.parametrize("name", REPLACED)
def test_whatever_is_odd_in_a_text_is_told_alike(name):
    old, new = REPLACED[name]
    ordinary = text_of(wire({"id": {"S": "o-1"}, "a": {"M": {"b": {"S": "c"}}}}, {"id": {"S": "o-1"}}))
    start = ordinary.index(b"}},")  # the first record stays as it is
    text = ordinary[:start] + ordinary[start:].replace(old, new)

    assert text != ordinary
    assert native.begin(text) is not None
    assert_told_alike(text)
    told = ending(lambda: decode_event(RawEvent(text)))
    for raw, whole in zip(told, ending(lambda: decode_event(json.loads(text))), strict=True):
        if isinstance(raw, ChangeRecord):
            assert plan_twice(SPECS["plain"], raw) == plan_twice(SPECS["plain"], whole)


@pytest.mark.parametrize(
    "text",
    [
        b"\xff",
        b"\xc0\xaf",
        b"\xed\xa0\x80",
        b"\xe0\x80\x80",
        b"\xf4\x90\x80\x80",
        b"\xf0\x80\x80\x80",
        b"\xc3",
        b"\x80",
    ],
)
def test_what_is_not_utf_8_is_left_to_the_runtime_client(text):
    assert native.begin(text_of(wire({"a": {"S": "?"}}, {"id": {"S": "?"}})).replace(b"?", text)) is None


@pytest.mark.parametrize("code", [0x7F, 0x80, 0x7FF, 0x800, 0xD7FF, 0xE000, 0xFFFF, 0x10000, 0x10FFFF])
def test_every_length_of_utf_8_is_read(code):
    for spell in SPELLINGS.values():
        text = text_of(
            wire({"a": {"S": "x" * 5 + chr(code)}, "x" + chr(code): {"NULL": True}}, {"id": {"S": chr(code)}}),
            spell=spell,
        )
        assert native.begin(text) is not None
        assert_told_alike(text)


def test_an_event_of_6_mb_is_told_alike():
    text = text_of(
        *(wire({"a": {"S": "\n" * 300_000}, "é": {"S": "x" * 100_000}}, {"id": {"S": str(n)}}) for n in range(6))
    )
    assert_told_alike(text)
    planned = Planner(SPECS["plain"]).plan(raw_records(text)[0], 0)
    assert planned == Planner(SPECS["plain"]).plan(decode_event(json.loads(text))[1], 0)


# -- a map that is not read ------------------------------------------------------------------------------------------


def test_a_raw_map_is_a_map():
    image = {"a": {"S": "x"}, 'b"': {"N": "1"}, "c": {"M": {"d": {"L": []}}}}
    raw = raw_records(text_of(wire(image, {"id": {"S": "1"}})))[0].new_image

    assert isinstance(raw, Mapping)
    assert (dict(raw), len(raw), list(raw), repr(raw)) == (image, 3, list(image), repr(image))
    assert raw == image
    assert raw.get("c") == image["c"]
    assert (raw.get("a"), raw.get('b"'), raw.get("none"), raw.get("none", 7)) == ({"S": "x"}, {"N": "1"}, None, 7)
    assert ("a" in raw, "z" in raw) == (True, False)
    assert as_objects(raw) is as_objects(raw)
    assert as_objects(None) is None


def test_a_raw_map_that_nobody_filled_is_empty():
    assert dict(RawMap()) == {}
    assert RawMap().get("a") is None


def test_what_a_map_has_twice_is_the_last_one():
    text = text_of(wire({"a": {"S": "?"}}, {"id": {"S": "1"}})).replace(
        b'"a":{"S":"?"}', b'"a":{"S":"1"},"a":{"S":"2"}'
    )
    assert raw_records(text)[0].new_image.get("a") == {"S": "2"}


@given(images_as_json, spellings)
def test_law_3_an_attribute_is_found_as_it_is_read(image, spell):
    raw = raw_records(text_of(wire(image, {"id": {"S": "1"}}), spell=spell))[0].new_image
    for name in [*image, "none"]:
        assert repr(raw.get(name)) == repr(image.get(name))


def test_a_dead_letter_of_a_raw_record_is_that_of_one_that_was_read():
    text = text_of(wire({"a": {"S": "x\ny"}, "n": {"N": "1"}}, {"id": {"S": "o-1"}}, extra=12345678901234567890123))
    raw, whole = raw_records(text)[0], decode_event(json.loads(text))[1]
    letters = [dead_letter(record, "reason", "detail", 1, 1_763_726_500.0) for record in (raw, whole)]

    assert isinstance(raw.wire, RawMap)
    assert encode(letters[0]) == encode(letters[1])
    assert dead_letter_key(raw, letters[0], 0.0) == dead_letter_key(whole, letters[1], 0.0)


def test_a_record_outlives_its_event():
    records = raw_records(text_of(*event(0, 50)["Records"]))
    last = records[-1]
    del records
    assert as_objects(last.keys) == {"customer_id": {"S": "C-00049"}, "order_id": {"S": "2026-00000049"}}
    assert Planner(load_tables(TABLES)).plan(last, 0)[0].id == "C-00049|2026-00000049"


def test_the_stream_of_each_record_counts():
    others = [
        {**wire({}, {"id": {"S": "1"}}), "eventSourceARN": ARN.replace("orders", name)} for name in ("a-1", "b-2")
    ]
    text = text_of(*others, *others)
    assert [record.table for record in decode_event(RawEvent(text))] == ["orders", "a-1", "b-2", "a-1", "b-2"]
