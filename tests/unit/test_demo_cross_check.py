"""The second opinion agrees with an exact document and with nothing else."""

import ast
from pathlib import Path

import pytest

from tailrace_local.demo import cross_check
from tailrace_local.demo.cross_check import agrees, disagreeing_fields, disagreements, expected_id
from tailrace_local.demo.documents import parse_exactly

DIGITS = "12345678901234567890123456789012345678"


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ({"S": ""}, '""'),
        ({"N": DIGITS}, DIGITS),
        ({"N": "1E-5"}, "0.00001"),
        ({"N": "-0.0"}, "0"),
        ({"BOOL": False}, "false"),
        ({"NULL": True}, "null"),
        ({"B": b"\x00\xff"}, '"AP8="'),
        ({"SS": ["b", "a"]}, '["a","b"]'),
        ({"NS": ["10", "9", "-1.50"]}, "[-1.5,9,10]"),
        ({"BS": [b"b", b"a"]}, '["YQ==","Yg=="]'),
        ({"L": [{"N": "1"}, {"L": []}]}, "[1,[]]"),
        ({"M": {"a": {"NULL": True}, "b": {"M": {}}}}, '{"a":null,"b":{}}'),
    ],
)
def test_a_value_agrees_with_its_exact_json(value, found):
    assert agrees(value, parse_exactly(found))


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ({"S": "1"}, "1"),
        ({"N": "1"}, '"1"'),
        ({"N": DIGITS}, DIGITS[:-1] + "9"),
        ({"N": "100000"}, "1e5"),
        ({"BOOL": True}, "1"),
        ({"NULL": True}, '""'),
        ({"B": b"\x00\xff"}, '"AP8"'),
        ({"SS": ["b", "a"]}, '["b","a"]'),
        ({"SS": ["a"]}, '["a","a"]'),
        ({"NS": ["9", "10"]}, "[10,9]"),
        ({"L": [{"N": "1"}]}, "[1,2]"),
        ({"M": {"a": {"S": "x"}}}, '{"a":"x","b":1}'),
        ({"M": {}}, "null"),
    ],
)
def test_a_value_disagrees_with_all_else(value, found):
    assert not agrees(value, parse_exactly(found))


def test_fields_that_differ_are_missing_or_unexplained_are_named():
    item = {"id": {"S": "1"}, "a": {"N": "1"}, "b": {"N": "2"}}
    document = parse_exactly('{"id":"1","b":3,"c":4,"ddb":{}}')

    assert disagreeing_fields(item, document) == ("a", "b", "c")


def test_an_id_is_the_key_in_order_with_separators_escaped():
    item = {"origin": {"S": "E|W\\R"}, "time_hour": {"S": "06:00"}}

    assert expected_id(item, ("origin", "time_hour")) == "E\\|W\\\\R|06:00"


def test_an_item_without_a_document_is_named_without_fields():
    items = [{"id": {"S": "1"}}, {"id": {"S": "2"}}]

    assert list(disagreements(items, ("id",), {"1": {"id": "1"}})) == [("2", ())]


def test_the_second_opinion_uses_none_of_the_code_that_it_judges():
    tree = ast.parse(Path(cross_check.__file__).read_text())
    imported = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]

    assert not [module for module in imported if module.startswith("tailrace")]
