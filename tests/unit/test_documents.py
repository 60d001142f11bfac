"""Documents taken apart and put together again."""

from hypothesis import given
from hypothesis import strategies as st

from tailrace.attributes import ImageReader, canonical_json, digest
from tailrace.documents import join_document, set_apart, split_document

DIGITS = "0." + "0" * 91 + "12345678901234567890123456789012345678"
SOURCE = f'{{"a":[1,2.50],"b":{DIGITS},"c":"x","ddb":{{"table":"orders","key":{{"id":{{"N":"1"}}}}}}}}'.encode()

NAMES = st.text(max_size=8).filter(lambda name: name != "ddb")
VALUES = st.recursive(
    st.one_of(
        st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=8).map(lambda text: {"S": text}),
        st.decimals(allow_nan=False, allow_infinity=False, places=9, min_value=-(10**20), max_value=10**20).map(
            lambda number: {"N": str(number)}
        ),
        st.booleans().map(lambda value: {"BOOL": value}),
        st.just({"NULL": True}),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda values: {"L": values}),
        st.dictionaries(st.text(alphabet="ab.%", max_size=3), inner, max_size=3).map(lambda values: {"M": values}),
    ),
    max_leaves=6,
)


def test_law_4_taking_a_document_apart_and_together_changes_no_byte():
    assert join_document(*split_document(SOURCE)) == SOURCE


@given(st.dictionaries(NAMES.filter(lambda n: n < "\ud800" or n > "\udfff"), VALUES, max_size=5))
def test_law_4_that_holds_for_every_item(image):
    try:
        fields = ImageReader().read(image)
        source = join_document(fields, {"table": "orders"})
    except (TypeError, UnicodeEncodeError):
        return

    assert join_document(*split_document(source)) == source


def test_a_field_moves_with_its_digits_and_its_reason():
    source = set_apart(*split_document(SOURCE), {"b": "too long", "a": "no array"})

    assert source == (
        b'{"c":"x","ddb":{"table":"orders","key":{"id":{"N":"1"}},"rejected":'
        b'{"b":{"value":' + DIGITS.encode() + b',"reason":"too long"},"a":{"value":[1,2.50],"reason":"no array"}},'
        b'"rejected_fields":["a","b"]}}'
    )


def test_fields_are_set_apart_beside_those_that_are_already():
    source = set_apart(*split_document(set_apart(*split_document(SOURCE), {"a": "one"})), {"b": "two"})

    _, bookkeeping = split_document(source)
    assert list(bookkeeping["rejected"]) == ["a", "b"]
    assert bookkeeping["rejected_fields"] == ["a", "b"]


def test_a_document_without_fields_is_still_a_document():
    assert set_apart(*split_document(b'{"a":1,"ddb":{"table":"t"}}'), {"a": "no"}) == (
        b'{"ddb":{"table":"t","rejected":{"a":{"value":1,"reason":"no"}},"rejected_fields":["a"]}}'
    )


def test_a_name_too_long_for_json_is_spelled_as_a_value():
    name = "n" * 60_000

    _, bookkeeping = split_document(set_apart({name: True}, {}, {name: "too long"}))

    assert bookkeeping["rejected_fields"] == ["sha256:42fb26b64146375ad33f961ea4ec22c8d604fcd47a398310ebeb990ac10cbc50"]
    assert bookkeeping["rejected"][bookkeeping["rejected_fields"][0]] == {
        "name": name,
        "value": True,
        "reason": "too long",
    }


def test_a_reason_is_cut():
    _, bookkeeping = split_document(set_apart({"a": None}, {}, {"a": "x" * 5000}))

    assert bookkeeping["rejected"]["a"]["reason"] == "x" * 300


def test_the_digest_stays_that_of_the_whole_item():
    fields = {"a": 1, "b": "x"}
    whole = join_document(fields, {"digest": digest(canonical_json(fields))})

    _, bookkeeping = split_document(set_apart(*split_document(whole), {"a": "no"}))

    assert bookkeeping["digest"] == digest(b'{"a":1,"b":"x"}')
