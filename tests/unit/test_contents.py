"""The digest of what a document holds is the digest that it carries, whatever it holds."""

import json

import orjson
import pytest
from builders import Indexer, change_record, order
from hypothesis import given, settings
from hypothesis import strategies as st

from tailrace.contents import content_digest, differing_fields
from tailrace.documents import set_apart, split_document


def exact(source):
    return json.loads(source, parse_int=orjson.Fragment, parse_float=orjson.Fragment)


def document(**attributes):
    indexer = Indexer()
    indexer.index(change_record(new=order(**attributes)))
    return indexer.engine.documents["orders", "o-1"]


numbers = st.decimals(allow_nan=False, allow_infinity=False, places=9).map(lambda d: {"N": f"{d:f}"[:30]})
values = st.recursive(
    numbers
    | st.text().map(lambda text: {"S": text})
    | st.just({"NULL": True})
    | st.booleans().map(lambda b: {"BOOL": b}),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: {"L": items})
        | st.dictionaries(st.text(max_size=5), inner, max_size=3).map(lambda items: {"M": items})
    ),
    max_leaves=8,
)


@settings(max_examples=60)
@given(st.dictionaries(st.text(max_size=8).filter(lambda name: name not in ("id", "id_")), values, max_size=4))
def test_an_unaltered_document_amounts_to_its_own_digest(attributes):
    source = document(**attributes)

    assert content_digest(exact(source)) == orjson.loads(source)["ddb"]["digest"]


def test_fields_that_were_set_apart_count_as_content():
    source = document(note={"S": "x"}, total={"N": "0." + "3" * 38})
    moved = set_apart(*split_document(source), {"note": "too long", "total": "no number"})

    assert content_digest(exact(moved)) == orjson.loads(source)["ddb"]["digest"]
    assert differing_fields(exact(moved), source) == ()


@pytest.mark.parametrize(
    ("before", "after"), [(b"12.5", b"12.50"), (b"12.5", b"12.500000000000000000001"), (b'"PAID"', b'"paid"')]
)
def test_the_smallest_alteration_shows(before, after):
    source = document()
    altered = exact(source.replace(before, after))

    assert content_digest(altered) != orjson.loads(source)["ddb"]["digest"]
    assert len(differing_fields(altered, source)) == 1


@pytest.mark.parametrize("rejected", [7, {"note": 7}, {"note": {}}])
def test_an_unreadable_quarantine_amounts_to_nothing(rejected):
    assert content_digest({"ddb": {"rejected": rejected}}) is None
