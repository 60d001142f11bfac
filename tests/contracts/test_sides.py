"""One suite for both sides of a verification, for the in-memory twins and the real adapters alike."""

import time
from contextlib import contextmanager

import boto3
import orjson
import pytest
from botocore.credentials import Credentials
from builders import order

from tailrace.actions import Action
from tailrace.adapters import index_pages
from tailrace.adapters.clock import SystemClock
from tailrace.adapters.index_pages import OpenSearchIndex
from tailrace.adapters.memory import MemoryEngine
from tailrace.adapters.memory_sides import MemoryIndex, MemoryTable
from tailrace.adapters.table_scan import DynamoDBTable, open_table
from tailrace.bulk import pack
from tailrace.generations import build_index_request
from tailrace.outcomes import Outcome
from tailrace.sides import Address, Place
from tailrace.tables import load_tables

pytestmark = pytest.mark.slow

# -- the index ----------------------------------------------------------------------------------------------------


@pytest.fixture(params=["twin", pytest.param("real", marks=pytest.mark.both_engines)])
def engine(request):
    return MemoryEngine() if request.param == "twin" else request.getfixturevalue("opensearch")


@pytest.fixture
def prefix(engine, request):
    return "t-" if isinstance(engine, MemoryEngine) else request.getfixturevalue("corner")


@pytest.fixture
def index(engine):
    if isinstance(engine, MemoryEngine):
        return MemoryIndex(engine)
    return OpenSearchIndex(engine)


@pytest.fixture
def specs(prefix):
    """Makes the specs of tables under the test's own prefix."""

    def make(**tables):
        return load_tables({"defaults": {"index_prefix": prefix}, "tables": tables})

    return make


@pytest.fixture
def spec(specs):
    return specs(orders={"key": ["id"], "shards": 3}).spec("orders")


def document(table="orders", deleted=False, **fields):
    kept = {"table": table, "digest": "d"} | ({"deleted": True} if deleted else {})
    return orjson.dumps({"n": 1} | fields | {"ddb": kept})


def write(engine, alias, *documents, version=10):
    """Documents as (id, source), after a refresh where there is one."""
    actions = [Action(alias, id_, version, None, source, Outcome.INDEXED, 0) for id_, source in documents]
    for body in pack(actions, max_bytes=1_000_000):
        assert {result.status for result in engine.bulk(body.content, len(body.actions))} <= {200, 201}
    if not isinstance(engine, MemoryEngine):
        engine.request("POST", f"/{alias}/_refresh")


def make(engine, spec, *aliases):
    for alias in aliases:
        engine.ensure_index(alias, build_index_request(spec, alias))


def walk(index, generations, table=None):
    with index.open_snapshot(generations, table) as snapshot:
        first = sorted(address for page in snapshot.pages() for address in page)
        second = sorted(address for page in snapshot.pages() for address in page)
        assert first == second
        return first, snapshot.count_tombstones()


def test_the_places_of_a_table_are_the_generations_behind_its_aliases(engine, index, prefix, specs):
    both = specs(orders={}, orders2={}, planes={"type_attribute": "kind"})
    assert index.places(both.spec("orders")) == []

    make(engine, both.spec("orders"), f"{prefix}orders")
    make(engine, both.spec("orders2"), f"{prefix}orders2")
    make(engine, both.spec("planes"), f"{prefix}planes-jet", f"{prefix}planes-glider")

    assert index.places(both.spec("orders")) == [Place(f"{prefix}orders", f"{prefix}orders@000001", True)]
    assert index.places(both.spec("planes")) == [
        Place(f"{prefix}planes-glider", f"{prefix}planes-glider@000001", True),
        Place(f"{prefix}planes-jet", f"{prefix}planes-jet@000001", True),
    ]


def test_what_stands_at_addresses_is_read_at_once_tombstones_too(engine, index, prefix, spec):
    make(engine, spec, f"{prefix}orders")
    home = f"{prefix}orders@000001"
    write(engine, f"{prefix}orders", ("a", document()), ("b", document(deleted=True)))

    a, b, c, d = index.read([Address(home, id_) for id_ in "abc"] + [Address("no-such-index", "a")], is_exact=False)

    assert (a.version, a.digest, a.is_deleted, a.document["n"]) == (10, "d", False, 1)
    assert (b.is_deleted, c, d) == (True, None, None)


@pytest.mark.parametrize("digits", ["0.12345678901234567890123456789012345678", "9" * 38, "-12.5", "1" + "0" * 125])
def test_exact_reads_keep_every_digit(engine, index, prefix, spec, digits):
    make(engine, spec, f"{prefix}orders")
    write(engine, f"{prefix}orders", ("a", document().replace(b'"n":1', b'"n":' + digits.encode())))

    [found] = index.read([Address(f"{prefix}orders@000001", "a")], is_exact=True)

    assert orjson.dumps(found.document["n"]) == digits.encode()
    assert (found.digest, found.is_deleted) == ("d", False)


def test_a_walk_meets_every_live_document_once(engine, index, prefix, spec, monkeypatch):
    monkeypatch.setattr(index_pages, "PAGE_SIZE", 7)
    make(engine, spec, f"{prefix}orders", f"{prefix}orders-old")
    write(engine, f"{prefix}orders", *((f"o-{number:03}", document()) for number in range(100)))
    write(engine, f"{prefix}orders-old", *((f"o-{number:03}", document()) for number in range(40)))
    write(engine, f"{prefix}orders", ("o-007", document(deleted=True)), version=11)

    met, tombstones = walk(index, [f"{prefix}orders@000001", f"{prefix}orders-old@000001"])

    assert len(met) == 139
    assert len(set(met)) == 139
    assert (Address(f"{prefix}orders@000001", "o-007") in met, tombstones) == (False, 1)


def test_a_snapshot_does_not_see_what_comes_after_it(engine, index, prefix, spec):
    make(engine, spec, f"{prefix}orders")
    write(engine, f"{prefix}orders", ("a", document()))

    with index.open_snapshot([f"{prefix}orders@000001"], None) as snapshot:
        write(engine, f"{prefix}orders", ("b", document()))
        assert [address.id for page in snapshot.pages() for address in page] == ["a"]


def test_a_shared_index_is_narrowed_to_one_table(engine, index, prefix, specs):
    spec = specs(orders={"index": "{prefix}shop"}).spec("orders")
    make(engine, spec, f"{prefix}shop")
    bills = [("bills|a", document("bills")), ("bills|b", document("bills", deleted=True))]
    write(engine, f"{prefix}shop", ("orders|a", document()), *bills)

    assert walk(index, [f"{prefix}shop@000001"], "orders") == ([Address(f"{prefix}shop@000001", "orders|a")], 0)
    assert [place.alias for place in index.places(spec)] == [f"{prefix}shop"]


# -- the table ----------------------------------------------------------------------------------------------------

KEY_TYPES = {"customer": "S", "number": "N"}


@pytest.fixture(scope="module")
def emulator():
    from tailrace_local.emulator import Emulator

    with Emulator() as started:
        yield started


@pytest.fixture(params=["twin", "real"])
def open_side(request):
    """Makes a table of items, keyed by customer and number."""

    @contextmanager
    def make(*items):
        if request.param == "twin":
            yield MemoryTable("orders", KEY_TYPES, list(items), page_size=7)
            return
        client = dynamodb(request.getfixturevalue("emulator").url)
        name = f"orders-{time.monotonic_ns()}"
        create_table(client, name)
        for item in items:
            client.put_item(TableName=name, Item=item)
        with open_table(name, SystemClock(), 3, client, Credentials("test", "test")) as table:
            yield table

    return make


def dynamodb(url):
    return boto3.client(
        "dynamodb", endpoint_url=url, region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test"
    )


def create_table(client, name):
    client.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": part, "AttributeType": kind} for part, kind in KEY_TYPES.items()],
        KeySchema=[
            {"AttributeName": "customer", "KeyType": "HASH"},
            {"AttributeName": "number", "KeyType": "RANGE"},
        ],
    )


def numbered(number, **attributes):
    return {"customer": {"S": f"c-{number % 5}"}, "number": {"N": str(number)}} | attributes


def key(number):
    return {"number": {"N": str(number)}, "customer": {"S": f"c-{number % 5}"}}


def test_a_scan_hands_over_every_item_once(open_side):
    with open_side(*map(numbered, range(50))) as table:
        met = [int(item["number"]["N"]) for page in table.pages() for item in page]

    assert sorted(met) == list(range(50))


def test_items_are_read_by_key_in_order_and_repeats_are_answered_each(open_side):
    with open_side(*map(numbered, range(250))) as table:
        found = table.read([*map(key, range(249, -1, -1)), key(999), key(3)])

    assert [int(item["number"]["N"]) for item in found if item] == [*range(249, -1, -1), 3]
    assert found[250] is None


def test_a_table_says_its_key_partition_key_first(open_side):
    with open_side(numbered(1)) as table:
        assert list(table.shape().key_types.items()) == [("customer", "S"), ("number", "N")]


# -- the wire alone -----------------------------------------------------------------------------------------------


class ScriptedCalls:
    """Answers from a list, and keeps what was asked."""

    def __init__(self, *answers):
        self.answers, self.asked, self.pauses = list(answers), [], []

    def call(self, operation, request):
        self.asked.append((operation, request))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def pause(self, attempt):
        self.pauses.append(attempt)


def scripted(*answers):
    calls = ScriptedCalls(*answers)
    return calls, DynamoDBTable(calls, MemoryTable("orders").shape(), segments=1)


def test_keys_that_dynamodb_left_out_are_asked_for_again():
    left = {"orders": {"Keys": [{"id": {"S": "b"}}], "ConsistentRead": True}}
    calls, table = scripted(
        {"Responses": {"orders": [order("a")]}, "UnprocessedKeys": left},
        {"Responses": {"orders": []}, "UnprocessedKeys": left},
        {"Responses": {"orders": [order("b")]}},
    )

    assert table.read([{"id": {"S": "a"}}, {"id": {"S": "b"}}]) == [order("a"), order("b")]
    assert [request["RequestItems"] for _, request in calls.asked[1:]] == [left, left]
    assert calls.pauses == [1]


def test_a_key_that_no_item_could_have_hurts_only_itself():
    from tailrace.adapters.dynamodb_calls import DynamoDBError

    refused = DynamoDBError("BatchGetItem", "ValidationException")
    _, table = scripted(refused, refused, {"Responses": {"orders": [order("b")]}})

    assert table.read([{"id": {"S": ""}}, {"id": {"S": "b"}}]) == [None, order("b")]
