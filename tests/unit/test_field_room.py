"""How many fields an index has, and how many an attribute needs."""

import pytest

from tailrace.field_room import FieldRoom, count_fields, describe_fields, least_need
from tailrace.mappings import build_mappings
from tailrace.ports import IndexFields
from tailrace.tables import load_tables


def test_fields_objects_and_sub_fields_count():
    properties = {
        "a": {"type": "keyword", "fields": {"text": {"type": "text"}}},
        "m": {"properties": {"x": {"type": "long"}, "y": {"properties": {"z": {"type": "ip"}}}}},
    }

    assert count_fields(properties) == 6


def test_an_index_of_tailrace_begins_with_room_for_987_more():
    properties = build_mappings(load_tables({"tables": {}}).spec("orders"))["properties"]

    assert describe_fields(properties, "1000") == IndexFields(frozenset({"ddb"}), 987)


def test_an_index_without_a_limit_of_its_own_has_the_default():
    assert describe_fields({}, None).room == 1000


@pytest.mark.parametrize(
    ("value", "need"),
    [
        ("text", 2), (1, 2), (1.5, 2), (True, 1), (None, 0), ([], 0), ({}, 1), ([None, "a", True], 2),
        ({"x": 1, "y": {"z": True}}, 5), ([{"x": 1}, {"y": 1}], 3),
    ],
)  # fmt: skip
def test_an_attribute_needs_at_least(value, need):
    assert least_need(value) == need


def shares(fields, index):
    return FieldRoom(index).share(fields)


def test_a_new_attribute_that_alone_is_too_much_does_not_fit():
    fields = {"b": "x", "known": {"p": 1}, "a": {"p": 1, "q": 2}, "c": True, "empty": None}

    assert shares(fields, IndexFields(frozenset({"known"}), 4)) == (["b", "known", "c", "empty"], [], ["a"])


def test_an_index_that_is_full_but_for_one_takes_a_flag():
    assert shares({"a": "x", "b": True, "c": 1}, IndexFields(frozenset(), 1)) == (["b"], [], ["a", "c"])


def test_what_has_no_room_beside_others_has_to_wait():
    assert shares({"a": "x", "b": 1, "c": True, "d": 2}, IndexFields(frozenset(), 4)) == (["a", "b"], ["c", "d"], [])


def test_room_that_was_given_away_is_gone():
    room = FieldRoom(IndexFields(frozenset(), 3))

    assert [room.share({"a": "x"}), room.share({"b": "x"}), room.share({"c": True})] == [
        (["a"], [], []),
        ([], ["b"], []),
        (["c"], [], []),
    ]


def test_nothing_is_said_of_a_name_with_dots():
    assert shares({"a.b": "x"}, IndexFields(frozenset({"a"}), 0)) == (["a.b"], [], [])
