"""Law 4: every legal value survives, every illegal one is refused by name."""

from decimal import Decimal

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.attributes import IllegalAttributeError, ImageReader, canonical_json, canonical_number, number_order


def as_json(image):
    return canonical_json(ImageReader().read(image)).decode()


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("0", "0"),
        ("-0", "0"),
        ("-0.000", "0"),
        ("00042", "42"),
        ("+7", "7"),
        ("1.0", "1"),
        ("1.50", "1.5"),
        (".5", "0.5"),
        ("5.", "5"),
        ("1.5E2", "150"),
        ("1702062202420", "1702062202420"),
        ("1.70206220242E+12", "1702062202420"),
        ("12345678901234567890.5", "12345678901234567890.5"),
        ("-0.00120", "-0.0012"),
        ("9" * 38, "9" * 38),
        ("9" * 38 + "0" * 88, "9" * 38 + "0" * 88),
        ("1E-130", "0." + "0" * 129 + "1"),
        ("9.99E+125", "999" + "0" * 123),
        ("-" + "1" * 38, "-" + "1" * 38),
    ],
)
def test_failures_11_12_13_a_number_has_one_exact_spelling(text, canonical):
    assert canonical_number(text) == canonical


@pytest.mark.parametrize(
    "text",
    [
        "",
        " 1",
        "1_000",
        "NaN",
        "Infinity",
        "0x1",
        "1e",
        ".",
        "-",
        "١٢",
        "1" * 39,
        "1E-131",
        "1E+126",
        "1e99999999",
        "1,5",
    ],
)
def test_an_illegal_number_is_refused(text):
    with pytest.raises(IllegalAttributeError):
        canonical_number(text)


@given(st.decimals(allow_nan=False, allow_infinity=False, places=10, min_value=-(10**20), max_value=10**20))
def test_failure_15_a_canonical_number_equals_what_was_written(value):
    assert Decimal(canonical_number(str(value))) == value


@given(st.lists(st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=-(10**9), max_value=10**9)))
def test_number_sets_are_sorted_by_value(values):
    texts = [canonical_number(str(value)) for value in values]

    assert [Decimal(t) for t in sorted(texts, key=number_order)] == sorted(values)


def test_each_type_has_its_json():
    image = {
        "s": {"S": "text"},
        "n": {"N": "1.10"},
        "b": {"B": "Zm9vYmFy"},
        "bool": {"BOOL": False},
        "null": {"NULL": True},
        "m": {"M": {"x": {"L": [{"N": "1"}, {"S": ""}]}}},
        "ss": {"SS": ["b", "a"]},
        "ns": {"NS": ["10", "9", "-1"]},
        "bs": {"BS": ["/w==", "AA=="]},
        "empty": {"M": {}},
    }

    assert as_json(image) == (
        '{"b":"Zm9vYmFy","bool":false,"bs":["AA==","/w=="],"empty":{},"m":{"x":[1,""]},'
        '"n":1.1,"ns":[-1,9,10],"null":null,"s":"text","ss":["a","b"]}'
    )


def test_38_digits_pass_as_they_are():
    assert as_json({"n": {"N": "0.12345678901234567890123456789012345678"}}) == (
        '{"n":0.12345678901234567890123456789012345678}'
    )


def test_bytes_from_the_sdk_and_base64_from_an_event_are_one():
    assert as_json({"b": {"B": b"foobar"}}) == as_json({"b": {"B": "Zm9vYmFy"}})


@given(st.permutations(["a", "b", "c", "d"]))
def test_law_3_equal_items_have_equal_bytes_whatever_their_order(names):
    assert as_json({name: {"S": name} for name in names}) == '{"a":"a","b":"b","c":"c","d":"d"}'


@pytest.mark.parametrize(
    ("typed", "text"),
    [
        ({"S": 5}, "not a legal DynamoDB attribute value"),
        ({"N": 5}, "not a legal DynamoDB attribute value"),
        ({"N": "five"}, "is not a decimal number"),
        ({"BOOL": "yes"}, "neither true nor false"),
        ({"NULL": False}, "is not true"),
        ({"SS": []}, "a set is empty"),
        ({"B": "%%%"}, "not base64"),
        ({"X": "1"}, "not a legal DynamoDB attribute value"),
        ({}, "has not exactly one type"),
        ({"S": "a", "N": "1"}, "has not exactly one type"),
        ({"L": [{}]}, "has not exactly one type"),
        ({"M": {"x": {"S": "a", "N": "1"}}}, "has not exactly one type"),
        ({"SS": [1, 2]}, "not a legal DynamoDB attribute value"),
        ({"M": {"x": {"S": b"a"}}}, "not a legal DynamoDB attribute value"),
        ("text", "not a legal DynamoDB attribute value"),
        ({"L": "text"}, "not an array"),
    ],
)
def test_an_illegal_value_is_refused_by_the_name_of_its_attribute(typed, text):
    with pytest.raises(IllegalAttributeError, match="'culprit'.*" + text):
        ImageReader().read({"fine": {"S": "x"}, "culprit": typed})


def test_a_refusal_never_quotes_the_value():
    with pytest.raises(IllegalAttributeError) as refusal:
        ImageReader().read({"card": {"N": "4111-1111"}})

    assert "4111" not in str(refusal.value)


def nested(levels):
    value = {"S": "deep"}
    for _ in range(levels):
        value = {"M": {"x": value}}
    return value


def test_32_levels_are_legal_and_33_are_not():
    assert as_json({"m": nested(31)}).count("{") == 32
    with pytest.raises(IllegalAttributeError, match="deeper than 32 levels"):
        ImageReader().read({"m": nested(40)})


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_failure_50_any_text_round_trips(text):
    assert orjson.loads(as_json({"s": {"S": text}})) == {"s": text}
