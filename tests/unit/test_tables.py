"""tables.yaml: what is right becomes frozen specs, what is wrong is named by its path, all of it at once."""

from contextlib import suppress
from decimal import Decimal
from itertools import permutations, product

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.errors import UserError
from tailrace.generations import alias_name
from tailrace.tables import (
    FieldSpec,
    FilterSpec,
    TablesError,
    TableSpec,
    UnknownTableError,
    compile_tables,
    load_tables,
    logical_name,
)

EVERYTHING = {
    "defaults": {"index_prefix": "dev-", "deletes": "soft", "tombstone_days": 30, "unknown_tables": "refuse"},
    "tables": {
        "orders": {
            "key": ["customer_id", "order_id"],
            "source": "kinesis",
            "type_attribute": "TYPE",
            "index": "{prefix}{table}-{type}",
            "fields": {
                "total": {"type": "number", "format": "scaled_float", "scaling_factor": 100},
                "created_at": {"type": "date", "format": "epoch_second"},
                "payload": {"type": "flat"},
                "ssn": {"redact": "hash"},
            },
            "filter": {
                "exclude_operations": ["insert"],
                "exclude_ttl_deletes": True,
                "where": {"status": ["PAID", 5, 1.5, None, True, {"N": "12345678901234567890123456789012345678"}]},
            },
            "on_type_conflict": "dead_letter",
            "shards": 3,
        },
        "airlines": None,
    },
}


def with_orders(**orders):
    return {"tables": {"orders": orders}}


def mistakes_in(document):
    with pytest.raises(TablesError) as caught:
        load_tables(document)
    return list(caught.value.mistakes)


def test_a_whole_document_becomes_frozen_specs():
    orders = load_tables(EVERYTHING).spec("orders")

    assert orders == TableSpec(
        name="orders",
        key=("customer_id", "order_id"),
        source="kinesis",
        type_attribute="TYPE",
        index="{prefix}{table}-{type}",
        index_prefix="dev-",
        deletes="soft",
        tombstone_days=30,
        fields={
            "total": FieldSpec("number", "scaled_float", {"scaling_factor": 100}),
            "created_at": FieldSpec("date", "epoch_second"),
            "payload": FieldSpec("flat"),
            "ssn": FieldSpec(redact="hash"),
        },
        filter=FilterSpec(
            frozenset({"insert"}),
            True,
            {
                "status": (
                    "PAID",
                    Decimal(5),
                    Decimal("1.5"),
                    None,
                    True,
                    Decimal("12345678901234567890123456789012345678"),
                )
            },
        ),
        on_type_conflict="dead_letter",
        shards=3,
    )


def test_an_empty_entry_follows_the_defaults():
    airlines = load_tables({"tables": {"airlines": None}}).spec("airlines")

    assert airlines == TableSpec(
        name="airlines",
        key=(),
        source="streams",
        type_attribute=None,
        index="{prefix}{table}",
        index_prefix="",
        deletes="soft",
        tombstone_days=14,
        fields={},
        filter=FilterSpec(),
        on_type_conflict="quarantine",
        shards=1,
    )


def test_a_table_entry_wins_over_the_defaults():
    document = {"defaults": {"deletes": "hard", "source": "kinesis"}, "tables": {"orders": {"deletes": "soft"}}}

    orders = load_tables(document).spec("orders")

    assert (orders.deletes, orders.source) == ("soft", "kinesis")


def test_a_type_attribute_makes_the_index_typed():
    assert load_tables(with_orders(type_attribute="TYPE")).spec("orders").index == "{prefix}{table}-{type}"


def test_the_compiled_document_is_json_and_says_the_same():
    compiled = orjson.loads(orjson.dumps(compile_tables(EVERYTHING)))

    assert load_tables(compiled) == load_tables(EVERYTHING)
    assert compile_tables(compiled) == compiled


@given(st.lists(st.one_of(st.text(), st.integers(), st.booleans(), st.none()), min_size=1))
def test_whatever_where_lets_in_survives_compilation(values):
    document = with_orders(filter={"where": {"status": values}})

    compiled = orjson.loads(orjson.dumps(compile_tables(document)))

    assert load_tables(compiled) == load_tables(document)


def test_the_defaults_are_written_out_when_compiled():
    assert compile_tables({"tables": {}})["defaults"] == {
        "index_prefix": "",
        "source": "streams",
        "deletes": "soft",
        "tombstone_days": 14,
        "on_type_conflict": "quarantine",
        "shards": 1,
        "unknown_tables": "follow_defaults",
    }


@pytest.mark.parametrize(
    ("document", "mistake"),
    [
        (None, "the document is empty: it needs `tables:` with an entry for each table"),
        ([1], "the document must be a mapping with `tables:` at its top, not a list"),
        ({"defaults": {}}, "tables: missing; it holds an entry for each table"),
        ({"tables": None}, "tables: must be a mapping from table name to table, not empty"),
        ({"tables": {}, "default": {}}, 'default: unknown key; did you mean "defaults"?'),
        ({"tables": {}, "zzz": {}}, "zzz: unknown key; known here: defaults, tables"),
        ({"tables": {}, "defaults": []}, "defaults: must be a mapping such as {deletes: soft}, not an empty list"),
        (
            {"tables": {}, "defaults": {"index_prefix": "D_"}},
            'defaults.index_prefix: must be at most 100 of a-z, 0-9, dots, dashes and underscores, not "D_"',
        ),
        (
            {"tables": {"o": {}}},
            "tables.o: not a DynamoDB table name (3 to 255 letters, digits, dots, dashes, underscores)",
        ),
        ({"tables": {2024: {}}}, "tables.2024: a table's name must be text; put it in quotes"),
        (
            {"tables": {"orders": "streams"}},
            'tables.orders: must be a mapping such as {key: [customer_id]}, not "streams"',
        ),
    ],
)
def test_a_mistake_of_the_document_is_named(document, mistake):
    assert mistakes_in(document) == [mistake]


@pytest.mark.parametrize(
    ("orders", "mistake"),
    [
        ({"sorce": "streams"}, 'tables.orders.sorce: unknown key; did you mean "source"?'),
        ({"source": "kafka"}, 'tables.orders.source: must be streams or kinesis, not "kafka"'),
        ({"source": None}, "tables.orders.source: must be streams or kinesis, not empty"),
        (
            {"source": ["streams", "kinesis"]},
            "tables.orders.source: a table has one source, streams or kinesis, never both, not a list",
        ),
        (
            {"key": "id"},
            'tables.orders.key: must be a list of attribute names, partition key first, such as [id], not "id"',
        ),
        ({"key": []}, "tables.orders.key: must name one attribute, or two with the sort key last, not 0"),
        ({"key": ["a", "b", "c"]}, "tables.orders.key: must name one attribute, or two with the sort key last, not 3"),
        ({"key": ["id", "id"]}, 'tables.orders.key: names "id" twice'),
        ({"type_attribute": ""}, 'tables.orders.type_attribute: must be an attribute\'s name, not ""'),
        ({"tombstone_days": "14"}, 'tables.orders.tombstone_days: must be a whole number from 1 to 3650, not "14"'),
        ({"tombstone_days": True}, "tables.orders.tombstone_days: must be a whole number from 1 to 3650, not true"),
        ({"tombstone_days": 0}, "tables.orders.tombstone_days: must be a whole number from 1 to 3650, not 0"),
        ({"shards": 1025}, "tables.orders.shards: must be a whole number from 1 to 1024, not 1025"),
        ({"deletes": "Soft"}, 'tables.orders.deletes: must be soft or hard, not "Soft"; did you mean "soft"?'),
        ({"on_type_conflict": 1}, "tables.orders.on_type_conflict: must be quarantine or dead_letter, not 1"),
    ],
)
def test_a_mistake_of_a_table_is_named(orders, mistake):
    assert mistakes_in(with_orders(**orders)) == [mistake]


@pytest.mark.parametrize(
    ("index", "mistake"),
    [
        ("", 'must be an index name such as "{prefix}{table}", not ""'),
        ("{tabel}", '"{tabel}" is no placeholder; there are {prefix}, {table} or {type}'),
        ("{table", '"{" is no placeholder; there are {prefix}, {table} or {type}'),
        ("{table}{table}", "{table} stands in it twice"),
        ("Orders", 'may hold a-z, 0-9, dots, dashes, underscores and placeholders, not "Orders"'),
        ("{table}-{type}", "holds {type}, which needs type_attribute"),
    ],
)
def test_a_mistake_of_an_index_pattern_is_named(index, mistake):
    assert mistakes_in(with_orders(index=index)) == [f"tables.orders.index: {mistake}"]


def test_a_type_attribute_without_a_typed_index_is_refused():
    assert mistakes_in(with_orders(type_attribute="TYPE", index="{table}")) == [
        "tables.orders.index: has no {type}, so that type_attribute would do nothing"
    ]


@pytest.mark.parametrize(
    ("field", "mistake"),
    [
        (None, ": must be a mapping such as {type: keyword} or {redact: hash}, not empty"),
        ({}, ": must be a mapping such as {type: keyword} or {redact: hash}, not an empty mapping"),
        (
            {"type": "numbr"},
            ".type: must be number, date, keyword, text, boolean, ip, geo_point, geo_shape, binary, flat, object or "
            'nested, not "numbr"; did you mean "number"?',
        ),
        ({"type": "keyword", "formt": "x"}, '.formt: unknown key; did you mean "format"?'),
        ({"type": "keyword", "format": "long"}, ".format: has no meaning for type keyword"),
        ({"format": "long"}, ".type: missing; without it nothing else can be said of the field"),
        (
            {"type": "number", "format": "decimal"},
            '.format: must be double, float, long, integer, short, byte, unsigned_long or scaled_float, not "decimal"',
        ),
        (
            {"type": "number", "format": "scaled_float"},
            ".scaling_factor: belongs to format scaled_float, and one needs the other",
        ),
        (
            {"type": "number", "scaling_factor": 10},
            ".scaling_factor: belongs to format scaled_float, and one needs the other",
        ),
        (
            {"type": "number", "format": "scaled_float", "scaling_factor": 0},
            ".scaling_factor: must be a number above 0, such as 100 to keep two decimals, not 0",
        ),
        (
            {"type": "date", "format": "epoch_seconds"},
            '.format: "epoch_seconds" is not a date format; did you mean "epoch_second"?',
        ),
        (
            {"type": "date", "format": "strict_date||"},
            '.format: must be date formats joined by ||, such as date_optional_time||epoch_second, not "strict_date||"',
        ),
        ({"redact": "hide"}, '.redact: must be hash, drop or mask, not "hide"'),
        (
            {"type": "number", "redact": "mask"},
            ".type: a field with redact: mask holds text, so its type can only be keyword",
        ),
    ],
)
def test_a_mistake_of_a_field_is_named(field, mistake):
    assert mistakes_in(with_orders(key=["id"], fields={"total": field})) == [f"tables.orders.fields.total{mistake}"]


def test_the_reserved_object_cannot_be_declared():
    assert mistakes_in(with_orders(fields={"ddb.seq": {"type": "keyword"}})) == [
        "tables.orders.fields.ddb.seq: the field ddb is reserved for Tailrace"
    ]


def test_a_field_cannot_lie_below_a_scalar():
    fields = {"a": {"type": "keyword"}, "a.b": {"type": "date"}, "c": {"type": "nested"}, "c.d": {"type": "ip"}}

    assert mistakes_in(with_orders(fields=fields)) == [
        'tables.orders.fields.a.b: "a" is declared too, and only object and nested hold further fields'
    ]


@pytest.mark.parametrize(
    ("orders", "mistake"),
    [
        (
            {"fields": {"ssn": {"redact": "hash"}}},
            "tables.orders.key: missing; it is needed beside redact, to be sure that no key attribute is redacted",
        ),
        (
            {"key": ["ssn"], "fields": {"ssn": {"redact": "hash"}}},
            "tables.orders.fields.ssn.redact: a key attribute cannot be redacted, since it makes the document's id",
        ),
        (
            {"key": ["id"], "type_attribute": "ssn", "fields": {"ssn": {"redact": "hash"}}},
            "tables.orders.fields.ssn.redact: the type attribute cannot be redacted, since it names the index",
        ),
        (
            {"key": ["id"], "fields": {"person.ssn": {"redact": "drop"}}},
            'tables.orders.fields.person.ssn.redact: only a whole attribute can be redacted: redact "person"',
        ),
    ],
)
def test_what_is_redacted_cannot_stand_in_the_open_elsewhere(orders, mistake):
    assert mistakes_in(with_orders(**orders)) == [mistake]


@pytest.mark.parametrize(
    ("filter_", "mistake"),
    [
        ({"exclude_ttl_deletes": "yes"}, 'exclude_ttl_deletes: must be true or false, not "yes"'),
        ({"exclude_operations": "insert"}, 'exclude_operations: must be a list, not "insert"'),
        (
            {"exclude_operations": ["INSERT"]},
            'exclude_operations[0]: must be insert, modify or remove, not "INSERT"; did you mean "insert"?',
        ),
        ({"where": ["x"]}, "where: must be a mapping such as {status: [PAID, NEW]}, not a list"),
        (
            {"where": {"status": "PAID"}},
            'where.status: must be a list of values to let in, such as [PAID, NEW], not "PAID"',
        ),
        (
            {"where": {"status": []}},
            "where.status: must be a list of values to let in, such as [PAID, NEW], not an empty list",
        ),
        ({"where": {"n": [["x"]]}}, "where.n[0]: must be text, a number, true, false or null, not a list"),
        (
            {"where": {"n": [{"S": "x"}]}},
            'where.n[0]: must be text, a number, true, false, null or a number in text such as {N: "12.50"}',
        ),
        (
            {"where": {"n": [0.1234567890123456789]}},
            'where.n[0]: has more digits than a parser keeps; write it as text, such as {N: "12.50"}',
        ),
    ],
)
def test_a_mistake_of_a_filter_is_named(filter_, mistake):
    assert mistakes_in(with_orders(filter=filter_)) == [f"tables.orders.filter.{mistake}"]


def test_every_mistake_is_named_in_one_error():
    document = {"defaults": {"deletes": 1}, "tables": {"orders": {"key": [], "fields": {"a": {"type": "x"}}}, "b": {}}}

    with pytest.raises(UserError) as caught:
        load_tables(document)

    assert str(caught.value).splitlines() == [
        "4 mistakes",
        "  defaults.deletes: must be soft or hard, not 1",
        "  tables.orders.key: must name one attribute, or two with the sort key last, not 0",
        "  tables.orders.fields.a.type: must be number, date, keyword, text, boolean, ip, geo_point, geo_shape, "
        'binary, flat, object or nested, not "x"',
        "  tables.b: not a DynamoDB table name (3 to 255 letters, digits, dots, dashes, underscores)",
    ]


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(st.text() | st.integers() | st.sampled_from(["tables", "fields", "key"]), inner)
        ),
    )
)
def test_no_document_raises_anything_but_a_tables_error(document):
    with suppress(TablesError):
        load_tables({"tables": {"orders": document}, "defaults": document})


@pytest.mark.parametrize(
    "tables",
    [
        {"Orders": {}, "orders": {}},
        {"orders": {"index": "shop"}, "shop": {}},
        {"orders": {"type_attribute": "T"}, "orders-eu": {}},
        {"orders": {"type_attribute": "T"}, "orders-eu": {"type_attribute": "T"}},
        {"orders": {"type_attribute": "T", "index": "{type}"}, "shop": {}},
    ],
)
def test_two_tables_that_could_write_one_index_are_refused(tables):
    first, second = tables

    assert mistakes_in({"tables": tables})[0] == (
        f"tables.{second}.index: could be the index of tables.{first} too; give one of them a pattern of its own"
    )


@pytest.mark.parametrize(
    "tables",
    [
        {"orders-eu": {}, "orders-us": {}},  # failure 20
        {"orders": {"type_attribute": "T"}, "orders.eu": {}},
        {"orders": {"type_attribute": "T", "index": "{table}.{type}"}, "orders-eu": {}},
        {"orders": {"type_attribute": "T"}, "orders-": {"source": "kinesis"}},
        {"orders": {"index": "shop"}, "bills": {"index": "shop"}},
    ],
)
def test_tables_whose_documents_cannot_meet_stand_beside_each_other(tables):
    assert set(load_tables({"tables": tables}).specs) == set(tables)


NAMES = ["abc", "Abc", "abc-b", "abc-d", "abc-d-e", "d-abc", "abc.d", "-abc", "..."]
TYPES = ["", "d", "D", "d-e", "e", "abc", "abc-d", "-abc", "."]
PATTERNS = ["{table}", "{prefix}{table}", "a-{table}", "{table}-b"]
TYPED_PATTERNS = ["{table}-{type}", "{type}-{table}", "a{type}b", "{prefix}{table}.{type}", "{type}"]
ENTRIES = [{"index": index} for index in PATTERNS] + [{"index": i, "type_attribute": "T"} for i in TYPED_PATTERNS]


def is_accepted(tables):
    with suppress(TablesError):
        return bool(load_tables({"tables": tables}))
    return False


def aliases(name, entry):
    return {alias_name(load_tables({"tables": {name: entry}}).spec(name), type_) for type_ in TYPES}


def test_tables_that_are_accepted_never_write_one_index():
    """Failure 20, over all pairs. Patterns without `{table}` may share an index: their ids begin with the table."""
    known = [(name, entry, aliases(name, entry)) for name, entry in product(NAMES, ENTRIES)]

    assert [
        (name, entry, other, other_entry)
        for (name, entry, written), (other, other_entry, written_too) in permutations(known, 2)
        if name != other
        and written & written_too
        and ("{table}" in entry["index"] or "{table}" in other_entry["index"])
        and is_accepted({name: entry, other: other_entry})
    ] == []


def test_tables_that_share_an_index_declare_the_same_fields():
    shared = {"orders": {"index": "shop"}, "bills": {"index": "shop", "fields": {"total": {"type": "number"}}}}

    assert mistakes_in({"tables": shared}) == [
        "tables.bills.index: is shared with tables.orders, so fields and shards must be the same in both"
    ]


def test_two_streams_cannot_have_one_name_in_the_template():
    assert mistakes_in({"tables": {"my-orders": {}, "my.orders": {}}}) == [
        "tables.my.orders: has the same parameter in template.yaml as tables.my-orders, MyOrdersStreamArn"
    ]


def test_an_unknown_table_follows_the_defaults():
    clicks = load_tables({"defaults": {"index_prefix": "dev-"}, "tables": {}}).spec("clicks")

    assert (clicks.name, clicks.index, clicks.index_prefix, clicks.key) == ("clicks", "{prefix}{table}", "dev-", ())


def test_an_unknown_table_is_refused_where_the_defaults_say_so():
    tables = load_tables({"defaults": {"unknown_tables": "refuse"}, "tables": {}})

    with pytest.raises(UnknownTableError, match="table clicks is not declared, and unknown tables are refused"):
        tables.spec("clicks")


def test_an_unknown_table_never_writes_into_the_index_of_a_declared_one():
    tables = load_tables({"tables": {"orders": {"type_attribute": "T"}}})

    with pytest.raises(UnknownTableError, match="its index could be that of orders"):
        tables.spec("Orders-EU")


def test_what_is_no_table_name_is_no_table():
    with pytest.raises(UnknownTableError):
        load_tables({"tables": {}}).spec("{type}")


@pytest.mark.parametrize(
    ("table", "logical"),
    [
        ("flights", "Flights"),
        ("my-orders.v2", "MyOrdersV2"),
        ("myOrders", "MyOrders"),
        ("2024_x", "2024X"),
        ("...", "Table"),
    ],
)
def test_a_logical_name_is_letters_and_digits(table, logical):
    assert logical_name(table) == logical
