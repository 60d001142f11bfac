"""The replayer as template.yaml declares it, on the laptop cloud: what a mapping parked ends in the index by itself."""

import json
from pathlib import Path

import orjson
import pytest
from replay_builders import parked_batch

from tailrace.adapters.opensearch import OpenSearchEngine
from tailrace.adapters.tables_file import read_tables
from tailrace_local.cloud import LaptopCloud
from tailrace_local.cloud_reports import invoke as invoke_in
from tailrace_local.laptop_tables import table_requests

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.slow
INSERT = json.loads((ROOT / "events/indexer/insert.json").read_text())["Records"]


@pytest.fixture(scope="module")
def cloud():
    tables = table_requests(read_tables(ROOT / "tables.yaml"))
    with LaptopCloud(ROOT / "template.yaml", tables) as running:
        yield running


def invoke(cloud, name):
    found = invoke_in(cloud, "replayer", (ROOT / f"events/replayer/{name}.json").read_bytes())
    assert found["function_error"] is None, found["log"]
    return found["response"]


def test_the_schedule_replays_what_a_mapping_parked_and_letters_wait_until_they_are_asked_for(cloud):
    table, [bucket] = table_of(INSERT[0]), cloud.template.buckets.values()
    cloud.clients.dynamodb.put_item(TableName=table, Item=INSERT[0]["dynamodb"]["NewImage"])
    cloud.drain(60)
    batch = orjson.dumps(parked_batch(*INSERT, {"eventSource": "aws:sqs"}))
    cloud.clients.s3.put_object(Bucket=bucket, Key="aws/lambda/1b2c/shardId-0/2026/11/21/a", Body=batch)

    by_schedule, by_event = invoke(cloud, "scheduled"), invoke(cloud, "letters")

    assert (by_schedule["batches"], by_schedule["letters"]["again"]) == ({"settled": 1, "failed": 0}, 0)
    assert by_schedule["outcomes"]["dead_lettered"] == 1
    assert (by_event["letters"]["again"], by_event["batches"]["settled"]) == (1, 0)
    assert [json.loads(letter)["hops"] for _, letter in cloud.dead_letters()] == [1]
    engine = OpenSearchEngine(cloud.engine.url)
    engine.request("POST", f"/{table}/_refresh")
    assert engine.request("GET", f"/{table}/_count")["count"] == 1


def table_of(wire):
    return wire["eventSourceARN"].split("/")[1]
