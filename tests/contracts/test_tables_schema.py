"""tables.schema.json and the code say the same: keys, words, defaults (failure 84), and what is right or wrong."""

from pathlib import Path

import orjson
import pytest
import yaml
from jsonschema import Draft202012Validator

from tailrace.field_kinds import FIELD_KINDS, NUMBER_FORMATS
from tailrace.table_checks import find_mistakes
from tailrace.tables import Defaults, load_tables

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = orjson.loads((ROOT / "tables.schema.json").read_bytes())
VALIDATOR = Draft202012Validator(SCHEMA)

RIGHT = [
    {},
    None,
    {"key": ["id"]},
    {"key": ["a", "b"]},
    {"source": "kinesis", "deletes": "hard", "tombstone_days": 1, "on_type_conflict": "dead_letter", "shards": 1024},
    {"type_attribute": "TYPE", "index": "{prefix}all.{table}-{type}_x"},
    {"filter": {"exclude_operations": ["remove"], "exclude_ttl_deletes": True, "where": {"a": ["x", 1, 0.5, None]}}},
    {"filter": {"where": {"a": [{"N": "-1.5E+10"}]}}},
    {"fields": {"a": {"type": "number", "format": "scaled_float", "scaling_factor": 0.5}}},
    {"fields": {"a": {"type": "date", "format": "epoch_second||yyyy-MM-dd"}, "b.c": {"type": "nested"}}},
    {"key": ["id"], "fields": {"a": {"redact": "mask"}, "b": {"redact": "drop", "type": "date"}}},
    {"fields": {"a": {"type": "text", "analyzer": "english"}}},
]
WRONG = [
    [],
    "x",
    {"x": 1},
    {"key": []},
    {"key": "id"},
    {"key": ["a", "a"]},
    {"key": ["a", "b", "c"]},
    {"key": [""]},
    {"source": ["streams"]},
    {"source": None},
    {"deletes": "never"},
    {"tombstone_days": 0},
    {"tombstone_days": "14"},
    {"shards": 1.5},
    {"index": ""},
    {"index": "{x}"},
    {"index": "Orders"},
    {"filter": {"x": 1}},
    {"filter": {"exclude_operations": ["INSERT"]}},
    {"filter": {"where": {"a": []}}},
    {"filter": {"where": {"a": [{"S": "x"}]}}},
    {"filter": {"where": {"a": [{"N": "x"}]}}},
    {"fields": {"a": {}}},
    {"fields": {"a": {"type": "x"}}},
    {"fields": {"a": {"format": "long"}}},
    {"fields": {"a": {"type": "keyword", "format": "long"}}},
    {"fields": {"a": {"type": "number", "format": "decimal"}}},
    {"fields": {"a": {"type": "number", "format": "scaled_float"}}},
    {"fields": {"a": {"type": "number", "scaling_factor": 1}}},
    {"fields": {"a": {"type": "number", "format": "scaled_float", "scaling_factor": 0}}},
    {"fields": {"a": {"type": "date", "analyzer": "english"}}},
    {"fields": {"a": {"type": "date", "redact": "hash"}}},
    {"fields": {"a": {"redact": "hide"}}},
    {"fields": {"ddb.x": {"type": "date"}}},
    {"fields": {"ddb": {"type": "date"}}},
]


def is_right(document):
    return VALIDATOR.is_valid(document)


def test_the_schema_is_a_schema():
    Draft202012Validator.check_schema(SCHEMA)


def test_the_sample_tables_file_is_right_by_both():
    document = yaml.safe_load((ROOT / "tables.yaml").read_text())

    assert (is_right(document), find_mistakes(document)) == (True, [])


@pytest.mark.parametrize("table", RIGHT, ids=repr)
def test_what_is_right_is_right_by_both(table):
    document = {"tables": {"orders": table}}

    assert (is_right(document), find_mistakes(document)) == (True, [])


@pytest.mark.parametrize("table", WRONG, ids=repr)
def test_what_is_wrong_is_wrong_by_both(table):
    document = {"tables": {"orders": table}}

    assert (is_right(document), find_mistakes(document) == []) == (False, False)


@pytest.mark.parametrize(
    "document",
    [None, [], {}, {"tables": []}, {"tables": {"o": {}}}, {"tables": {}, "x": 1}, {"tables": {}, "defaults": {"x": 1}},
     {"tables": {}, "defaults": {"index_prefix": "Dev"}}, {"tables": {}, "defaults": {"unknown_tables": "drop"}}],
    ids=repr,
)  # fmt: skip
def test_a_wrong_document_is_wrong_by_both(document):
    assert (is_right(document), find_mistakes(document) == []) == (False, False)


def test_every_documented_default_is_the_one_that_holds():
    documented = SCHEMA["properties"]["defaults"]["properties"] | SCHEMA["$defs"]

    assert {name: documented[name]["default"] for name in Defaults.__slots__} == {
        "index_prefix": "",
        "source": "streams",
        "deletes": "soft",
        "tombstone_days": 14,
        "on_type_conflict": "quarantine",
        "shards": 1,
    }
    assert load_tables({"tables": {}}).defaults == Defaults(**{n: documented[n]["default"] for n in Defaults.__slots__})
    assert load_tables({"tables": {}}).unknown == documented["unknown_tables"]["default"]


def test_the_schema_knows_every_kind_of_field_and_every_format_of_a_number():
    field = SCHEMA["$defs"]["field"]

    assert field["properties"]["type"]["enum"] == list(FIELD_KINDS)
    assert tuple(field["allOf"][0]["then"]["properties"]["format"]["enum"]) == NUMBER_FORMATS


def test_every_key_has_a_description():
    table = SCHEMA["$defs"]["table"]["properties"]
    filter_ = table["filter"]["properties"]
    field = SCHEMA["$defs"]["field"]["properties"]
    shared = {name: SCHEMA["$defs"][name] for name in ("source", "deletes", "tombstone_days", "shards")}
    keys = table | filter_ | field | shared | SCHEMA["properties"]

    assert [name for name, key in keys.items() if not (key.get("description") or "$ref" in key)] == []
