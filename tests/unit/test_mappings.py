"""Mappings: what the engine is told about declared and undeclared attributes."""

import pytest

from tailrace.mappings import build_mappings
from tailrace.tables import load_tables

EXACT = {"type": "keyword", "ignore_above": 8191}


def properties(**fields):
    spec = load_tables({"tables": {"orders": {"key": ["id"], "fields": fields}}}).spec("orders")
    return build_mappings(spec)["properties"]


def templates():
    return [
        template
        for named in build_mappings(load_tables({"tables": {}}).spec("orders"))["dynamic_templates"]
        for template in named.values()
    ]


@pytest.mark.parametrize("matched", ["long", "double"])
def test_an_undeclared_number_is_a_double_with_its_own_digits(matched):
    (mapping,) = (template["mapping"] for template in templates() if template["match_mapping_type"] == matched)

    assert mapping == {"type": "double", "ignore_malformed": True, "fields": {"exact": EXACT}}


def test_undeclared_text_is_a_keyword_with_text_for_search():
    (mapping,) = (template["mapping"] for template in templates() if template["match_mapping_type"] == "string")

    assert mapping == EXACT | {"fields": {"text": {"type": "text"}}}


def test_nothing_is_guessed_from_the_look_of_text():
    mappings = build_mappings(load_tables({"tables": {}}).spec("orders"))

    assert (mappings["date_detection"], mappings["numeric_detection"]) == (False, False)


@pytest.mark.parametrize(
    ("declared", "mapping"),
    [
        ({"type": "number"}, {"type": "double", "fields": {"exact": EXACT}}),
        ({"type": "number", "format": "unsigned_long"}, {"type": "unsigned_long", "fields": {"exact": EXACT}}),
        (
            {"type": "number", "format": "scaled_float", "scaling_factor": 100},
            {"type": "scaled_float", "scaling_factor": 100, "fields": {"exact": EXACT}},
        ),
        ({"type": "date"}, {"type": "date", "format": "strict_date_optional_time"}),
        ({"type": "date", "format": "epoch_second"}, {"type": "date", "format": "epoch_second"}),
        ({"type": "keyword"}, EXACT),
        ({"type": "text"}, {"type": "text", "fields": {"exact": EXACT}}),
        ({"type": "text", "analyzer": "simple"}, {"type": "text", "analyzer": "simple", "fields": {"exact": EXACT}}),
        ({"type": "boolean"}, {"type": "boolean"}),
        ({"type": "ip"}, {"type": "ip"}),
        ({"type": "geo_point"}, {"type": "geo_point"}),
        ({"type": "geo_shape"}, {"type": "geo_shape"}),
        ({"type": "binary"}, {"type": "binary"}),
        ({"type": "flat"}, {"type": "flat_object"}),
        ({"type": "object"}, {"type": "object"}),
        ({"type": "nested"}, {"type": "nested"}),
        ({"redact": "hash"}, EXACT),
        ({"redact": "mask", "type": "keyword"}, EXACT),
    ],
)
def test_a_declared_field_has_the_mapping_of_its_kind(declared, mapping):
    assert properties(total=declared)["total"] == mapping


def test_a_dropped_field_has_no_mapping():
    assert "total" not in properties(total={"redact": "drop", "type": "date"})


def test_a_dot_leads_into_a_map():
    fields = {"lines.sku": {"type": "keyword"}, "lines": {"type": "nested"}, "to.point": {"type": "geo_point"}}

    found = properties(**fields)

    assert found["lines"] == {"type": "nested", "properties": {"sku": EXACT}}
    assert found["to"] == {"properties": {"point": {"type": "geo_point"}}}


def test_a_name_the_engine_refuses_is_declared_under_its_escaped_name():
    assert properties(_id={"type": "ip"})["%5Fid"] == {"type": "ip"}


def test_the_reserved_object_takes_no_guessed_fields():
    ddb = properties()["ddb"]

    assert ddb["dynamic"] is False
    assert {name: mapping["type"] for name, mapping in ddb["properties"].items()} == {
        "table": "keyword",
        "op": "keyword",
        "event_id": "keyword",
        "seq": "keyword",
        "source": "keyword",
        "digest": "keyword",
        "changed_at": "date",
        "deleted": "boolean",
        "ttl": "boolean",
        "key": "object",
        "rejected": "object",
        "rejected_fields": "keyword",
    }


@pytest.mark.parametrize("name", ["key", "rejected"])
def test_what_holds_any_attribute_is_stored_and_never_indexed(name):
    assert properties()["ddb"]["properties"][name]["enabled"] is False
