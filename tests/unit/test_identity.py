"""Law 3: one injective id per key."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.attributes import IllegalAttributeError, canonical_number
from tailrace.identity import canonical_key, document_id, table_prefix

KEYS = ("pk", "sk")
TEXT = st.text(alphabet=st.sampled_from("ab|\\:#?/%+& é")) | st.text(
    alphabet=st.characters(exclude_categories=["Cs"]), max_size=600
)
PARTS = st.one_of(TEXT.map(lambda text: {"S": text}), st.binary(max_size=40).map(lambda raw: {"B": raw}))


def of(*values):
    return document_id({name: {"S": value} for name, value in zip(KEYS, values, strict=True)}, KEYS)


@pytest.mark.parametrize(
    ("keys", "id_"),
    [
        ({"pk": {"S": "a"}, "sk": {"S": "b"}}, "a|b"),
        ({"pk": {"S": "a|b"}, "sk": {"S": "c"}}, "a\\|b|c"),
        ({"pk": {"S": "a\\"}, "sk": {"S": "b"}}, "a\\\\|b"),
        ({"pk": {"S": "ORDER#1"}, "sk": {"N": "1.50"}}, "ORDER#1|1.5"),
        ({"pk": {"N": "1E3"}, "sk": {"N": "-0"}}, "1000|0"),
        ({"pk": {"B": "+/8="}, "sk": {"B": b"\xfb\xff"}}, "-_8|-_8"),
        ({"pk": {"S": "sha256:x"}, "sk": {"S": ""}}, "\\sha256:x|"),
    ],
)
def test_golden_ids(keys, id_):
    assert document_id(keys, KEYS) == id_


@given(PARTS, PARTS, PARTS, PARTS)
def test_failures_7_8_different_keys_of_a_schema_never_share_an_id(a, b, c, d):
    one, other = {"pk": a, "sk": b}, {"pk": c, "sk": d}
    same_types = a.keys() == c.keys() and b.keys() == d.keys()  # a table's key attributes have one type each
    if same_types and one != other:
        assert document_id(one, KEYS) != document_id(other, KEYS)


@given(st.text(alphabet="aé|\\", min_size=200, max_size=2048))
def test_failure_9_an_id_is_at_most_512_bytes(text):
    assert len(document_id({"pk": {"S": text}}, ("pk",)).encode()) <= 512


def test_a_hashed_id_is_never_a_literal_one():
    hashed = document_id({"pk": {"S": "x" * 600}}, ("pk",))

    assert hashed.startswith("sha256:")
    assert document_id({"pk": {"S": hashed}}, ("pk",)) == "\\" + hashed


def test_failure_40_a_missing_key_attribute_never_becomes_an_auto_id():
    with pytest.raises(IllegalAttributeError):
        document_id({"pk": {"S": "a"}}, KEYS)


def test_a_key_that_the_table_does_not_have_is_refused():
    with pytest.raises(IllegalAttributeError):
        document_id({"pk": {"S": "a"}, "sk": {"S": "b"}, "other": {"S": "c"}}, KEYS)


def test_a_key_of_another_type_is_refused():
    with pytest.raises(IllegalAttributeError):
        document_id({"pk": {"BOOL": True}}, ("pk",))


def test_tables_that_share_an_index_have_ids_of_their_own():
    assert document_id({"pk": {"S": "a"}}, ("pk",), table_prefix("orders")) == "orders|a"


@given(st.integers(min_value=-(10**37), max_value=10**37))
def test_failure_6_a_number_key_has_one_id_however_it_is_spelled(number):
    spellings = {str(number), f"{number}.0", f"{number}.000E0"}

    assert {document_id({"pk": {"N": s}}, ("pk",)) for s in spellings} == {canonical_number(str(number))}


def test_the_key_is_kept_typed_and_in_key_order():
    key = canonical_key({"sk": {"N": "1.0"}, "pk": {"B": b"a"}}, KEYS)

    assert list(key.items()) == [("pk", {"B": "YQ=="}), ("sk", {"N": "1"})]
