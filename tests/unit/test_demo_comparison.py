"""Every item is held against its document: the missing, the different and the orphaned are found, without values."""

from builders import tables

from tailrace.actions import Planner
from tailrace_local.demo.comparison import Difference, aliases_of, compare_table, differing_fields
from tailrace_local.demo.documents import parse_exactly

KEY = {"id": {"S": "o-1"}}
DIGITS = "12345678901234567890123456789012345678"
DIGEST = "5801576ebd5dcb8e0943b355861e13e3"  # of {"id":"o-1","total":12.5}


def compare(items, documents, alias="orders", **spec):
    found = tables(**spec)
    return compare_table("orders", items, found.spec("orders"), Planner(found), [(alias, documents)])


def document(text, digest, id_="o-1"):
    ddb = f'"ddb":{{"table":"orders","key":{{"id":{{"S":"{id_}"}}}},"op":"modify","seq":"7","digest":"{digest}"}}'
    return id_, parse_exactly(text[:-1] + "," + ddb + "}")


def order(**attributes):
    return KEY | {"total": {"N": "12.5"}} | attributes


def test_an_item_and_its_equal_document_are_no_difference():
    found = compare([order()], [document('{"id":"o-1","total":12.5}', DIGEST)])

    assert (found.items, found.documents, found.differences) == (1, 1, ())


def test_an_item_without_a_document_is_missing():
    assert compare([order()], []).differences == (Difference("missing", "orders", "orders", "o-1"),)


def test_a_document_without_an_item_is_an_orphan():
    found = compare([], [document('{"id":"o-1"}', "0")])

    assert found.differences == (Difference("orphan", "orders", "orders", "o-1"),)


def test_a_document_in_the_wrong_index_is_an_orphan_and_its_item_missing():
    found = compare([order(kind={"S": "Gift"})], [document('{"id":"o-1"}', "0")], "orders-other", type_attribute="kind")

    assert [(d.kind, d.alias) for d in found.differences] == [("orphan", "orders-other"), ("missing", "orders-gift")]


def test_a_different_document_names_its_fields_and_no_value():
    found = compare([order()], [document('{"id":"o-1","total":13,"extra":"secret"}', "0")])

    assert found.differences == (Difference("different", "orders", "orders", "o-1", ("ddb.digest", "extra", "total")),)


def test_one_digit_of_38_is_a_difference():
    ours, theirs = parse_exactly(f'{{"n":{DIGITS}}}'), parse_exactly(f'{{"n":{DIGITS[:-1]}9}}')

    assert differing_fields(ours, theirs) == ("n",)


def test_a_number_written_another_way_is_a_difference():
    assert differing_fields(parse_exactly('{"n":1.5}'), parse_exactly('{"n":1.50}')) == ("n",)


def test_a_number_is_not_the_text_of_its_digits():
    assert differing_fields(parse_exactly('{"n":1}'), parse_exactly('{"n":"1"}')) == ("n",)


def test_null_and_missing_are_different():
    assert differing_fields(parse_exactly('{"a":null}'), parse_exactly("{}")) == ("a",)


def test_how_and_when_a_document_came_is_not_compared():
    ours = parse_exactly('{"ddb":{"table":"orders","op":"insert","seq":"1","source":"scan"}}')
    theirs = parse_exactly('{"ddb":{"table":"orders","op":"modify","seq":"2","source":"streams"}}')

    assert differing_fields(ours, theirs) == ()


def test_a_quarantined_field_is_a_difference():
    assert differing_fields({"ddb": {}}, {"ddb": {"rejected": {"a": {}}}}) == ("ddb.rejected",)


def test_a_typed_table_has_all_aliases_of_its_pattern_and_no_other():
    spec = tables(type_attribute="kind").spec("orders")

    assert aliases_of(spec, ["orders", "orders-", "orders-a", "orders-b=20c", "others-a"]) == [
        "orders-a",
        "orders-b=20c",
    ]


def test_an_untyped_table_has_one_alias():
    assert aliases_of(tables().spec("orders"), ["orders", "orders-a"]) == ["orders"]
