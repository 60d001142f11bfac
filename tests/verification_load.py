"""Fills a table and its indices with equal content, fast: items by BatchWriteItem, documents by rendered bodies.

The documents are the planner's own; only the way to the engine is shorter.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import requests
from benchmarks.samples import SECOND, item
from botocore.credentials import Credentials
from requests.adapters import HTTPAdapter

from tailrace.actions import Action, Planner
from tailrace.adapters.clock import SystemClock
from tailrace.adapters.dynamodb_calls import DynamoDBCalls
from tailrace.adapters.opensearch import OpenSearchEngine
from tailrace.bulk import pack
from tailrace.expectations import scan_record
from tailrace.generations import alias_name, build_index_request
from tailrace.records import NANOSECONDS
from tailrace.tables import Tables

KEY_NAMES = ("customer_id", "order_id")
VERSION = SECOND * NANOSECONDS
ITEMS_PER_WRITE = 25  # DynamoDB quota: BatchWriteItem
WRITERS = 4
BULK_BYTES = 4 * 1024 * 1024
CREDENTIALS = Credentials("test", "test")
REGION = "us-east-1"


def dynamodb_client(url: str) -> Any:
    """A boto3 client of an emulator."""
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    return boto3.client("dynamodb", endpoint_url=url, region_name=REGION, **keys)


def create_table(client: Any, name: str) -> None:
    """A table keyed as the sample items are."""
    client.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": part, "AttributeType": "S"} for part in KEY_NAMES],
        KeySchema=[
            {"AttributeName": KEY_NAMES[0], "KeyType": "HASH"},
            {"AttributeName": KEY_NAMES[1], "KeyType": "RANGE"},
        ],
    )


def fill_table(url: str, name: str, count: int) -> None:
    """The items 0 .. count - 1."""
    with requests.Session() as session, ThreadPoolExecutor(WRITERS) as writers:
        session.mount("http://", HTTPAdapter(pool_maxsize=WRITERS))
        calls = DynamoDBCalls(url, REGION, CREDENTIALS, session, SystemClock())

        def write(first: int) -> None:
            puts = [{"PutRequest": {"Item": item(n)}} for n in range(first, min(first + ITEMS_PER_WRITE, count))]
            assert not calls.call("BatchWriteItem", {"RequestItems": {name: puts}}).get("UnprocessedItems")

        list(writers.map(write, range(0, count, ITEMS_PER_WRITE)))


def fill_index(engine: OpenSearchEngine, tables: Tables, name: str, count: int) -> None:
    """The documents of the items 0 .. count - 1."""
    spec = tables.spec(name)
    for type_ in ("PAID", "NEW", "SHIPPED"):
        alias = alias_name(spec, type_.lower())
        engine.ensure_index(alias, build_index_request(spec, alias))
    for body in pack(plan_documents(tables, name, range(count)), BULK_BYTES):
        assert {result.status for result in engine.bulk(body.content, len(body.actions))} == {201}
    engine.request("POST", f"/{spec.index_prefix}*/_refresh")


def plan_documents(tables: Tables, name: str, numbers: Any, version: int = VERSION) -> Iterator[Action]:
    """The bulk actions of items, by their numbers."""
    planner = Planner(tables)
    for number in numbers:
        yield plan_document(planner, name, item(number), version)


def plan_document(planner: Planner, name: str, image: dict[str, Any], version: int = VERSION) -> Action:
    """The bulk action of one item."""
    keys = {part: image[part] for part in KEY_NAMES}
    [action] = planner.plan(scan_record(name, keys, image, version), 0)
    return action
