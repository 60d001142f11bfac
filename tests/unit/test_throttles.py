"""Throttles: a load stays below a rate of items, or of read capacity, and gives way when DynamoDB is busy."""

import boto3
import orjson
import pytest
import requests
from botocore.credentials import Credentials
from botocore.stub import Stubber
from requests.adapters import BaseAdapter

from tailrace.adapters.dynamodb_calls import DynamoDBCalls
from tailrace.adapters.memory import ManualClock
from tailrace.adapters.scan_slices import ScanSlice
from tailrace.adapters.table_scan import DynamoDBTable
from tailrace.adapters.throttles import RateThrottle
from tailrace.errors import UserError
from tailrace.sides import TableShape
from tailrace_cli.reindex_sources import parse_rate, throttle_of

URL = "http://dynamodb.test"
SHAPE = TableShape("orders", {"id": "S"}, 100)


@pytest.mark.parametrize(
    ("counts_units", "seconds"),
    [(False, 9.0), (True, 36.0)],  # of ten pages the first passes at once: nine of 10 items, or of 40 units, at 10/s
)
def test_a_load_stays_below_its_rate(counts_units, seconds):
    clock = ManualClock()
    throttle = RateThrottle(10.0, clock, counts_units=counts_units)

    for _ in range(10):
        throttle.take(10, 40.0)

    assert sum(clock.slept) == pytest.approx(seconds)


def test_time_that_a_page_took_anyway_is_not_waited_for_again():
    clock = ManualClock()
    throttle = RateThrottle(10.0, clock)

    throttle.take(10)
    clock.seconds += 0.75
    throttle.take(10)

    assert clock.slept == pytest.approx([0.25])


@pytest.mark.parametrize(("rate", "units"), [(0.0, 5.0), (10.0, 0.0)])
def test_no_rate_and_no_cost_are_no_wait(rate, units):
    clock = ManualClock()
    throttle = RateThrottle(rate, clock, counts_units=True)

    for _ in range(10):
        throttle.take(1_000, units)

    assert clock.slept == []


# -- a table that is busy ---------------------------------------------------------------------------------------------


class BusyTable(BaseAdapter):
    """100 pages of one item, of `units` each, at `capacity` units a second; beyond that it is throttled, as DynamoDB
    does, whose burst is left out.
    """

    def __init__(self, clock, capacity, units=10.0):
        super().__init__()
        self.clock, self.capacity, self.units = clock, capacity, units
        self.free_at, self.refusals = clock.now(), 0

    def send(self, request, **_options):
        response = requests.Response()
        if self.clock.now() < self.free_at:
            self.refusals += 1
            response.status_code = 400
            response._content = b'{"__type":"x#ProvisionedThroughputExceededException"}'
            return response
        self.free_at = self.clock.now() + self.units / self.capacity
        number = int(orjson.loads(request.body).get("ExclusiveStartKey", {"id": {"S": "0"}})["id"]["S"]) + 1
        key = {"id": {"S": str(number)}}
        answer = {"Items": [key], "ConsumedCapacity": {"CapacityUnits": self.units}}
        response.status_code = 200
        response._content = orjson.dumps(answer | ({"LastEvaluatedKey": key} if number < 100 else {}))
        return response

    def close(self):
        pass


def busy_table(capacity):
    session, clock = requests.Session(), ManualClock()
    table = BusyTable(clock, capacity)
    session.mount(URL, table)
    return DynamoDBCalls(URL, "us-east-1", Credentials("AKID", "SECRET"), session, clock), table, clock


@pytest.mark.parametrize("capacity", [1_000.0, 100.0, 10.0])
def test_a_scan_that_is_throttled_slows_down_to_what_the_table_gives_and_loses_nothing(capacity):
    calls, table, clock = busy_table(capacity)
    began = clock.now()

    pages = list(ScanSlice(calls, SHAPE, 0, 1, 0).pages(None))

    seconds = clock.now() - began
    assert [record.keys["id"]["S"] for page in pages for record in page.records] == [str(n) for n in range(1, 101)]
    assert sum(page.capacity for page in pages) == 1_000.0
    assert table.refusals > 50
    assert 990 / capacity <= seconds <= 4 * 1_000 / capacity + 10


def test_a_rate_below_what_the_table_gives_is_never_throttled():
    calls, table, clock = busy_table(capacity=100.0)
    throttle, began = RateThrottle(50.0, clock, counts_units=True), clock.now()

    for page in ScanSlice(calls, SHAPE, 0, 1, 0).pages(None):
        throttle.take(len(page.records), page.capacity)
        clock.sleep(0.1)  # what loading a page takes

    assert table.refusals == 0
    assert clock.now() - began == pytest.approx(19.9, abs=0.2)


def test_a_verification_keeps_to_the_rate_too():
    calls, _, clock = busy_table(capacity=1e9)
    began = clock.now()

    pages = list(DynamoDBTable(calls, SHAPE, 1, RateThrottle(50.0, clock, counts_units=True)).pages())

    assert len(pages) == 100
    assert clock.now() - began == pytest.approx(19.8, abs=0.2)


# -- as an option -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "rate"), [(None, (0.0, False)), ("500", (500.0, False)), ("25%", (0.25, True)), ("100%", (1.0, True))]
)
def test_a_rate_is_items_or_a_share(text, rate):
    assert parse_rate(text) == rate


@pytest.mark.parametrize("text", ["", "0", "0%", "101%", "-5", "1.5", "5 %", "1e3", "fast", "1000000000"])
def test_anything_else_is_no_rate(text):
    with pytest.raises(UserError, match=r"it must be items a second, such as 500, or a share, such as 25%$"):
        parse_rate(text)


@pytest.fixture
def dynamodb():
    """A client whose only table has 400 units of read capacity."""
    client = boto3.client("dynamodb", region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test")
    with Stubber(client) as stubber:
        stubber.add_response("describe_table", {"Table": {"ProvisionedThroughput": {"ReadCapacityUnits": 400}}})
        yield client


def test_a_share_is_of_the_provisioned_units_and_counts_units(dynamodb):
    throttle = throttle_of("25%", "scan", dynamodb, "orders", ManualClock())

    assert (throttle.per_second, throttle.counts_units) == (100.0, True)


def test_a_number_counts_items_of_scans_and_of_exports(dynamodb):
    throttle = throttle_of("500", "export", dynamodb, "orders", ManualClock())

    assert (throttle.per_second, throttle.counts_units) == (500.0, False)
