"""Index names, generations, fingerprints and the request that creates an index."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.generations import alias_name, build_index_request, generation_name, next_alias, spec_fingerprint
from tailrace.index_names import fold_index_name
from tailrace.tables import load_tables

TYPED = {"type_attribute": "TYPE"}


def spec(name="orders", prefix="", **table):
    return load_tables({"defaults": {"index_prefix": prefix}, "tables": {name: table}}).spec(name)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Orders.v2", "orders.v2"),
        ("orders-Fixed wing", "orders-fixed=20wing"),
        ("a=b@c", "a=3db=40c"),
        ("+x", "=2bx"),
        ("_x_", "=5fx_"),
        ("-x-", "=2dx-"),
        (".x.", "=2ex."),
        ("..", "=2e."),
        ("grün", "gr=c3=bcn"),
        ('a/b\\c*d?e"f<g>h|i,j#k:l', "a=2fb=5cc=2ad=3fe=22f=3cg=3eh=7ci=2cj=23k=3al"),
        ("\ud800", "=ed=a0=80"),
    ],
)
def test_a_text_becomes_a_legal_index_name(text, name):
    assert fold_index_name(text) == name


def test_a_long_name_keeps_its_beginning_and_ends_in_a_hash():
    name = fold_index_name("orders-" + "x" * 300)

    assert len(name) == 200
    assert name == "orders-" + "x" * 159 + "=_225dd72b2e2f66e5ef358a775edc4705"


def test_a_name_of_200_bytes_is_left_whole():
    assert fold_index_name("x" * 200) == "x" * 200


@given(st.text(min_size=1))
def test_every_name_is_one_that_opensearch_takes(text):
    assert re.fullmatch(r"[a-z0-9=][a-z0-9._=-]{0,199}", fold_index_name(text))


@given(st.text(min_size=1), st.text(min_size=1))
def test_texts_that_differ_in_more_than_case_have_different_names(one, other):
    assert (fold_index_name(one) == fold_index_name(other)) == (one.lower() == other.lower())


@pytest.mark.parametrize(
    ("table", "type_", "alias"),
    [
        (spec(), "default", "orders"),
        (spec(prefix="dev-"), "default", "dev-orders"),
        (spec("_Orders"), "default", "=5forders"),
        (spec(**TYPED), "PAID", "orders-paid"),
        (spec(**TYPED), "", "orders-default"),
        (spec(**TYPED), "{table}{prefix}", "orders-=7btable=7d=7bprefix=7d"),
        (spec(**TYPED, index="{type}.{table}"), "_x", "=5fx.orders"),
        (spec(index="shop"), "default", "shop"),
    ],
)
def test_the_alias_is_the_filled_pattern(table, type_, alias):
    assert alias_name(table, type_) == alias


def test_a_generation_counts_in_six_digits():
    assert generation_name("orders", 1) == "orders@000001"
    assert next_alias("orders") == "orders@next"


@pytest.mark.parametrize(
    "change",
    [
        {"fields": {"total": {"type": "number"}}},
        {"fields": {"total": {"redact": "drop"}}},
        {"fields": {"total": {"redact": "hash"}}},
        {"filter": {"where": {"status": ["PAID"]}}},
        {"filter": {"exclude_operations": ["remove"]}},
        {"key": ["order_id"]},
        {"shards": 2},
        TYPED,
    ],
)
def test_the_fingerprint_changes_with_what_makes_documents(change):
    assert spec_fingerprint(spec(**{"key": ["id"]} | change)) != spec_fingerprint(spec(key=["id"]))


@pytest.mark.parametrize(
    "change", [{"deletes": "hard"}, {"tombstone_days": 3}, {"on_type_conflict": "dead_letter"}, {"source": "kinesis"}]
)
def test_the_fingerprint_stays_when_documents_stay(change):
    assert spec_fingerprint(spec(**change)) == spec_fingerprint(spec())


def test_the_fingerprint_of_equal_specs_is_equal_for_ever():
    assert spec_fingerprint(spec()) == "7584847e5cdfc30bb91c2d7170883b29"


def test_tables_that_share_an_index_share_its_fingerprint():
    shared = load_tables({"tables": {"orders": {"index": "shop", "key": ["id"]}, "bills": {"index": "shop"}}})

    assert spec_fingerprint(shared.spec("orders")) == spec_fingerprint(shared.spec("bills"))


def test_the_index_request_makes_the_alias_with_the_index_and_hides_tombstones():
    request = build_index_request(spec(**TYPED), "orders-paid")

    assert request["aliases"] == {
        "orders-paid": {"filter": {"bool": {"must_not": {"term": {"ddb.deleted": True}}}}, "is_write_index": True}
    }


def test_the_index_says_which_spec_made_it():
    orders = spec()

    assert build_index_request(orders, "orders")["mappings"]["_meta"] == {
        "tailrace": {"fingerprint": spec_fingerprint(orders), "format": 1, "table": "orders"}
    }


def test_a_shared_index_names_no_table():
    assert "table" not in build_index_request(spec(index="shop"), "shop")["mappings"]["_meta"]["tailrace"]


def test_the_index_has_the_shards_of_its_spec_and_room_for_the_depth_of_dynamodb():
    assert build_index_request(spec(shards=3), "orders")["settings"]["index"] == {
        "number_of_shards": 3,
        "auto_expand_replicas": "0-1",
        "refresh_interval": "1s",
        "mapping": {"total_fields": {"limit": 1000}, "depth": {"limit": 40}},
    }
