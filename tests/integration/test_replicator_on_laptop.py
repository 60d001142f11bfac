"""The replicator as template.yaml declares it, on the laptop cloud: table to stream to Kinesis to OpenSearch."""

from pathlib import Path

import pytest

from tailrace.adapters.opensearch import OpenSearchEngine
from tailrace.adapters.tables_file import read_tables
from tailrace_local.cloud import LaptopCloud
from tailrace_local.laptop_tables import table_requests

ROOT = Path(__file__).resolve().parents[2]
PARAMETERS = {"ArnOfChangeStream": "create", "ReplicateToChangeStream": "true"}
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cloud():
    tables = table_requests(read_tables(ROOT / "tables.yaml"))
    with LaptopCloud(ROOT / "template.yaml", tables, parameters=PARAMETERS) as running:
        yield running


def put(cloud, carrier, name):
    cloud.clients.dynamodb.put_item(TableName="airlines", Item={"carrier": {"S": carrier}, "name": {"S": name}})


def test_law_2_what_the_replicator_carries_ends_as_the_table_and_comes_by_that_way_alone(cloud):
    for number in range(200):
        put(cloud, f"c{number % 50}", f"name {number}")
    for number in range(40, 50):
        cloud.clients.dynamodb.delete_item(TableName="airlines", Key={"carrier": {"S": f"c{number}"}})

    cloud.drain(60)

    engine = OpenSearchEngine(cloud.engine.url)
    engine.request("POST", "/airlines/_refresh")
    hits = engine.request("POST", "/airlines/_search", {"size": 100})["hits"]["hits"]
    assert {hit["_id"]: hit["_source"]["name"] for hit in hits} == {f"c{n}": f"name {150 + n}" for n in range(40)}
    assert {hit["_source"]["ddb"]["source"] for hit in hits} == {"replicator"}
    assert list(cloud.dead_letters()) == []
    delivered = {status.name: status.counters.delivered for status in cloud.statuses()}
    assert delivered["ReplicatorFunctionAirlines"] == delivered["ChangeStreamEvents"] == 210
    assert [name for name in delivered if name.startswith("IndexerFunction")] == []
