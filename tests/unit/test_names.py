"""Field names: reversible, injective, and nothing the engine would refuse."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.names import escape_field_name, unescape_field_name

NAMES = st.text(alphabet=st.sampled_from("ab._% \t25E"), max_size=8) | st.text(
    alphabet=st.characters(exclude_categories=["Cs"]), max_size=12
)


@given(NAMES)
def test_an_escaped_name_can_be_read_back(name):
    assert unescape_field_name(escape_field_name(name)) == name


@given(NAMES)
def test_no_escaped_name_is_one_the_engine_refuses(name):
    escaped = escape_field_name(name)

    assert escaped.strip()
    assert all(part.strip() for part in escaped.split("."))
    assert escaped not in {"_id", "_source", "_index", "_routing"}


@pytest.mark.parametrize("name", ["status", "customer.name", "a b", "_private", "größe", "a-b", "#x"])
def test_a_name_that_the_engine_takes_stays_as_it_is(name):
    assert escape_field_name(name) == name


@pytest.mark.parametrize(
    ("name", "escaped"),
    [
        ("", "%"),
        ("%", "%25"),
        (".", "%2E"),
        ("a..b", "a%2E%2Eb"),
        (".a", "%2Ea"),
        ("a.", "a%2E"),
        ("_id", "%5Fid"),
        (" ", "%20"),
    ],
)
def test_a_name_that_the_engine_refuses_is_escaped(name, escaped):
    assert escape_field_name(name) == escaped
