"""Ion text as DynamoDB exports it: every legal item comes out as it went in."""

from base64 import b64encode
from contextlib import suppress

import pytest
from corpus.items import odd_items
from hypothesis import given, settings
from hypothesis import strategies as st

from tailrace.attributes import ImageReader, canonical_json
from tailrace.ion import IonError, parse_line
from tailrace_local.export_writing import _encode

text = st.text(st.characters(exclude_categories=["Cs"]))
whole = st.integers(-(10**37), 10**37)
numbers = whole.map(str) | st.decimals(-(10**20), 10**20, places=5).map(str)
blobs = st.sampled_from(["", "AA==", "+/8=", "aGVsbG8="])
scalars = st.one_of(
    text.map(lambda value: {"S": value}),
    numbers.map(lambda value: {"N": value}),
    blobs.map(lambda value: {"B": value}),
    st.booleans().map(lambda value: {"BOOL": value}),
    st.just({"NULL": True}),
    st.lists(text, min_size=1, unique=True).map(lambda value: {"SS": value}),
    st.lists(numbers, min_size=1, unique=True).map(lambda value: {"NS": value}),
    st.lists(blobs, min_size=1, unique=True).map(lambda value: {"BS": value}),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4).map(lambda value: {"L": value}),
        st.dictionaries(text, inner, max_size=4).map(lambda value: {"M": value}),
    ),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(text, values, max_size=6))
def test_law_3_an_item_has_one_canonical_form_in_ion_and_in_json(item):
    parsed = parse_line(_encode({"Item": item}, "ION"))["Item"]

    assert canonical_json(ImageReader().read(parsed)) == canonical_json(ImageReader().read(item))


def test_the_example_of_the_developer_guide_is_read():
    line = (
        '$ion_1_0 {Item:{Authors:$dynamodb_SS::["Author1","Author2"],Dimensions:"8.5 x 11.0 x 1.5",Id:103.,'
        "InPublication:false,PageCount:6d2,Price:2d3,Cover:{{aGVsbG8=}},Parts:[1.,null,{Deep:true}]}}"
    )

    assert parse_line(line) == {
        "Item": {
            "Authors": {"SS": ["Author1", "Author2"]},
            "Dimensions": {"S": "8.5 x 11.0 x 1.5"},
            "Id": {"N": "103."},
            "InPublication": {"BOOL": False},
            "PageCount": {"N": "6E2"},
            "Price": {"N": "2E3"},
            "Cover": {"B": "aGVsbG8="},
            "Parts": {"L": [{"N": "1."}, {"NULL": True}, {"M": {"Deep": {"BOOL": True}}}]},
        }
    }


@pytest.mark.parametrize(
    "line",
    ["", "{", "{Item:", "{Item:{a:1}", "{Item:{a:}}", "{Item:{:1}}", "{Item:{a:b}}", "{Item:{a:[1}}", "{Item:[]}",
     "{Item:{a:$dynamodb_XX::[1]}}", "{Item:{a:$dynamodb_NS::[true]}}", "{Item:{a:1}} more", '{Item:{a:"x}}',
     "{Item:{a:" + "[" * 90 + "]" * 90 + "}}", r'{Item:{a:"\q"}}', "{Item:{a:1 b:2}}"],
)  # fmt: skip
def test_whatever_else_ion_may_say_is_refused(line):
    with pytest.raises(IonError):
        parse_line(line)


@given(st.text())
def test_no_line_makes_the_reader_raise_anything_else(line):
    with suppress(IonError):
        parse_line(line)


def spelled(value):
    """Binaries as base64 text, as exports have them."""
    if isinstance(value, bytes):
        return b64encode(value).decode()
    if isinstance(value, dict):
        return {name: spelled(each) for name, each in value.items()}
    return [spelled(each) for each in value] if isinstance(value, list | tuple | set) else value


def test_failure_50_every_odd_item_of_the_corpus_survives():
    read = ImageReader().read
    items = [spelled(item) for item in odd_items()]

    assert [canonical_json(read(parse_line(_encode({"Item": item}, "ION"))["Item"])) for item in items] == [
        canonical_json(read(item)) for item in items
    ]
