"""What Tailrace creates, on the real engine: every legal value is accepted in any order, and nothing is guessed."""

import os
from concurrent.futures import ThreadPoolExecutor
from itertools import permutations

import orjson
import pytest

from tailrace.actions import Action
from tailrace.bulk import render
from tailrace.failures import EngineError
from tailrace.field_kinds import DATE_NAMES, FIELD_KINDS, NUMBER_FORMATS
from tailrace.generations import alias_name, build_index_request, generation_name
from tailrace.index_names import fold_index_name
from tailrace.outcomes import Outcome
from tailrace.tables import load_tables
from tailrace_local.engine_flags import choose_spec

pytestmark = [pytest.mark.slow, pytest.mark.both_engines]

NUMBERS = {
    "zero": "0",
    "one": "1",
    "a tenth": "0.1",
    "over 2^63": "9223372036854775808",
    "38 digits": "12345678901234567890123456789012345678",
    "38 digits, negative": "-99999999999999999999999999999999999999",
    "38 digits with a point": "-1.2345678901234567890123456789012345678",
    "9.99E+125": "999" + "0" * 123,
    "38 digits at E+125": "9" * 38 + "0" * 88,
    "1E-130": "0." + "0" * 129 + "1",
    "38 digits at E-130": "0." + "0" * 92 + "1" * 38,
}
DEEP = b'{"m":' * 32 + b"1" + b"}" * 32


class Index:
    """One alias with its first generation, and what a test does with it."""

    def __init__(self, engine, spec, type_="default"):
        self._engine = engine
        self.alias = alias_name(spec, type_)
        engine.ensure_index(self.alias, build_index_request(spec, self.alias))

    def put(self, id_, source):
        """The status of one bulk item."""
        source = source if isinstance(source, bytes) else orjson.dumps(source)
        action = Action(self.alias, id_, 1, None, source, Outcome.INDEXED, 0)
        (result,) = self._engine.bulk(render(action, {}), 1)
        return result.status

    def source(self, id_):
        """The `_source` as the engine returns it, byte for byte."""
        answer = self._engine.request("GET", f"/{self.alias}/_doc/{id_}?filter_path=_source")
        return answer["_source"]

    def raw(self, id_):
        return self._engine.fetch("GET", f"/{self.alias}/_source/{id_}", None)

    def search(self, query):
        """The ids that a search through the alias finds, in order."""
        self._engine.request("POST", f"/{self.alias}/_refresh")
        answer = self._engine.request("POST", f"/{self.alias}/_search", {"query": query, "size": 100})
        return sorted(hit["_id"] for hit in answer["hits"]["hits"])

    def count(self):
        self._engine.request("POST", f"/{self.alias}/_refresh")
        return self._engine.request("GET", f"/{self.alias}/_count")["count"]

    def mapping(self, field):
        answer = self._engine.request("GET", f"/{self.alias}/_mapping")
        return answer[generation_name(self.alias, 1)]["mappings"]["properties"][field]


@pytest.fixture
def index(opensearch, corner):
    """Makes an index for a table `orders` with these fields."""

    def make(**fields):
        document = {"defaults": {"index_prefix": corner}, "tables": {"orders": {"fields": fields}}}
        return Index(opensearch, load_tables(document).spec("orders"))

    return make


@pytest.mark.parametrize("first", NUMBERS)
def test_any_number_may_be_the_first_and_any_other_may_follow(index, first):
    orders = index()

    assert orders.put("first", b'{"n":%s}' % NUMBERS[first].encode()) == 201
    assert {name: orders.put(name, b'{"n":%s}' % n.encode()) for name, n in NUMBERS.items()} == dict.fromkeys(
        NUMBERS, 201
    )
    assert orders.mapping("n")["type"] == "double"


@pytest.mark.parametrize("name", NUMBERS)
def test_every_digit_of_a_number_is_in_the_source_and_in_exact(index, name):
    orders = index()
    source = b'{"n":%s}' % NUMBERS[name].encode()

    orders.put("a", source)
    orders.put("b", b'{"n":2}')

    assert orders.raw("a") == source
    assert orders.search({"term": {"n.exact": NUMBERS[name]}}) == ["a"]


def test_a_set_of_numbers_of_every_kind_is_accepted(index):
    orders = index()

    assert orders.put("a", b'{"n":[%s]}' % ",".join(NUMBERS.values()).encode()) == 201
    assert orders.search({"term": {"n.exact": "0.1"}}) == ["a"]
    assert orders.search({"range": {"n": {"lt": -1e37}}}) == ["a"]


@pytest.mark.parametrize("order", list(permutations(["null", "[2.5, null]", "[]"])))
def test_null_and_empty_come_in_any_order_with_values(index, order):
    orders = index()

    assert [orders.put(str(number), b'{"n":%s}' % value.encode()) for number, value in enumerate(order)] == [201] * 3


def test_text_is_never_guessed_to_be_a_date_or_a_number(index):
    orders = index()

    assert orders.put("a", {"day": "2024-01-01", "amount": "12", "flag": "true"}) == 201
    assert orders.put("b", {"day": "hello", "amount": "a dozen", "flag": "perhaps"}) == 201
    assert {name: orders.mapping(name)["type"] for name in ("day", "amount", "flag")} == dict.fromkeys(
        ("day", "amount", "flag"), "keyword"
    )


def test_text_is_found_by_its_words_and_by_the_whole(index):
    orders = index()

    orders.put("a", {"name": "United Air Lines Inc."})

    assert orders.search({"match": {"name.text": "united lines"}}) == ["a"]
    assert orders.search({"term": {"name": "United Air Lines Inc."}}) == ["a"]
    assert orders.search({"term": {"name": "United"}}) == []


@pytest.mark.parametrize("text", ["x" * 40_000, "€" * 20_000, "\U0001f600" * 20_000, "€" * 8_191, "\U0001f600" * 4_095])
def test_text_of_any_length_is_accepted(index, text):
    orders = index()

    assert orders.put("a", {"text": text}) == 201
    assert orders.put("b", {"list": [text, "short"]}) == 201
    assert orders.search({"term": {"list": "short"}}) == ["b"]


@pytest.mark.parametrize("document", [DEEP, b'{"a":' + b"[" * 32 + b"1" + b"]" * 32 + b"}"])
def test_the_depth_of_dynamodb_is_accepted(index, document):
    assert index().put("a", document) == 201


def test_bookkeeping_of_any_legal_record_is_accepted(index):
    ddb = {
        "table": "orders",
        "key": {"": {"S": "x"}, "a..b": {"N": "1"}},
        "op": "insert",
        "seq": "9" * 40,
        "event_id": "00000000000000000000000000000001",
        "changed_at": "2026-11-21T12:51:11.123456789Z",
        "source": "streams",
        "digest": "0" * 32,
        "ttl": True,
        "rejected": {"": {"value": {"a..b": [1, "x", {}]}, "reason": "the name is empty"}},
        "tomorrow": {"n": 1},
    }
    orders = index()

    assert orders.put("a", {"ddb": ddb}) == 201
    assert orders.put("b", {"ddb": ddb | {"rejected": "x", "tomorrow": 1}}) == 201
    assert orders.search({"range": {"ddb.changed_at": {"gte": "2026-11-21T12:51:11.123Z"}}}) == ["a", "b"]
    assert orders.search({"term": {"ddb.seq": "9" * 40}}) == ["a", "b"]


def test_tombstones_are_hidden_from_every_search_through_the_alias(index):
    orders = index()

    orders.put("gone", {"ddb": {"table": "orders", "deleted": True}})
    orders.put("here", {"ddb": {"table": "orders"}})

    assert (orders.search({"match_all": {}}), orders.count()) == (["here"], 1)
    assert orders.source("gone") == {"ddb": {"table": "orders", "deleted": True}}


def test_two_creators_make_one_index(opensearch, corner):
    spec = load_tables({"defaults": {"index_prefix": corner}, "tables": {"orders": {}}}).spec("orders")
    alias = alias_name(spec, "default")
    request = build_index_request(spec, alias)

    with ThreadPoolExecutor(4) as pool:
        created = list(pool.map(lambda _: opensearch.ensure_index(alias, request), range(4)))

    assert sorted(created) == [False, False, False, True]
    assert list(opensearch.request("GET", f"/{alias}/_mapping")) == [f"{alias}@000001"]


def test_the_engine_refuses_a_second_write_index_behind_an_alias(opensearch, corner):
    """A late creator cannot put generation 1 beside generation 2."""
    spec = load_tables({"defaults": {"index_prefix": corner}, "tables": {"orders": {}}}).spec("orders")
    request = build_index_request(spec, f"{corner}orders")
    opensearch.request("PUT", f"/{corner}orders@000002", request)

    with pytest.raises(EngineError) as caught:
        opensearch.request("PUT", f"/{corner}orders@000001", request)

    assert caught.value.status in (400, 500)
    assert list(opensearch.request("GET", f"/{corner}orders/_mapping")) == [f"{corner}orders@000002"]


VALUES = {
    "number": [5, 1.5, "12"],
    "date": ["2024-01-01", "2024-01-01T10:00:00Z"],
    "keyword": ["PAID", 5, True],
    "text": ["some words", ["more", "words"]],
    "boolean": [True, False],
    "ip": ["10.0.0.1", "::1"],
    "geo_point": [{"lat": 40.6, "lon": -73.8}, "40.6,-73.8", [-73.8, 40.6]],
    "geo_shape": [{"type": "Point", "coordinates": [-73.8, 40.6]}, "POINT (-73.8 40.6)"],
    "binary": ["Zm9vYmFy", ["Zm9v", "YmFy"]],
    "flat": [{"a": 1, "b": {"c": "x"}}, {"a": "x", "b": 1, "": {}}],
    "object": [{"a": 1}, [{"a": 2}]],
    "nested": [{"a": 1}, [{"a": 1}, {"a": 2}]],
}


@pytest.mark.parametrize("kind", FIELD_KINDS)
def test_every_kind_of_field_can_be_declared_and_takes_its_values(index, kind):
    orders = index(it={"type": kind})

    assert [orders.put(str(number), {"it": value}) for number, value in enumerate(VALUES[kind])] == [201] * len(
        VALUES[kind]
    )


@pytest.mark.parametrize("number_format", NUMBER_FORMATS)
def test_every_format_of_a_number_can_be_declared(index, number_format):
    factor = {"scaling_factor": 100} if number_format == "scaled_float" else {}
    orders = index(it={"type": "number", "format": number_format, **factor})

    assert orders.put("a", {"it": 5}) == 201
    assert orders.search({"range": {"it": {"gte": 5, "lt": 6}}}) == ["a"]
    assert orders.search({"term": {"it.exact": "5"}}) == ["a"]


def test_every_date_format_can_be_declared(index):
    names = sorted(DATE_NAMES - {"epoch_micros"})
    fields = {f"f{number}": {"type": "date", "format": name} for number, name in enumerate(names)}

    orders = index(**fields)

    assert orders.mapping("f0")["type"] == "date"


@pytest.mark.skipif(choose_spec(os.environ).is_2, reason="OpenSearch 2 has no epoch_micros: see test_second_engine")
def test_microseconds_since_the_epoch_can_be_declared(index):
    assert index(at={"type": "date", "format": "epoch_micros"}).mapping("at")["format"] == "epoch_micros"


def test_epoch_seconds_are_the_date_they_mean(index):
    orders = index(at={"type": "date", "format": "epoch_second"})

    assert orders.put("a", {"at": 1763726400}) == 201
    assert orders.put("b", {"at": 1763726400.5}) == 201
    since = {"gte": "2025-11-21T12:00:00.500Z", "format": "strict_date_optional_time"}
    assert orders.search({"range": {"at": since}}) == ["b"]


@pytest.mark.parametrize(
    ("declared", "value"),
    [
        ({"type": "number"}, "a dozen"),
        ({"type": "number", "format": "long"}, 9223372036854775808),
        ({"type": "date"}, 1763726400),
        ({"type": "boolean"}, "perhaps"),
        ({"type": "ip"}, "10.0.0.256"),
        ({"type": "geo_point"}, "at home!"),
        ({"type": "geo_shape"}, "at home!"),
        ({"type": "flat"}, "not a map"),
    ],
)
def test_a_declared_field_refuses_what_it_is_not(index, declared, value):
    orders = index(it=declared)

    assert (orders.put("a", {"it": value}), orders.put("b", {"other": 1})) == (400, 201)


@pytest.mark.parametrize("later", ["a dozen", True, "", [1, [2, [3]]]])
def test_an_undeclared_number_tolerates_what_is_no_number(index, later):
    orders = index()

    assert [orders.put("a", {"n": 1}), orders.put("b", {"n": later})] == [201, 201]
    assert orders.source("b") == {"n": later}


def test_a_name_is_legal_as_index_alias_and_in_a_path(opensearch, corner):
    odd = fold_index_name(corner + 'Grün/\\*?"<>|, #:+@=%&' + "x" * 300)
    spec = load_tables({"tables": {}}).spec("orders")

    assert opensearch.ensure_index(odd, build_index_request(spec, odd)) is True
    assert opensearch.ensure_index(odd, build_index_request(spec, odd)) is False
    assert list(opensearch.request("GET", f"/{odd}/_mapping")) == [f"{odd}@000001"]
