"""A whole table in DynamoDB: parallel consistent scans, and consistent reads by key in batches.

Invariant: every item that was there throughout is handed over once; memory holds one page per segment.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import Any

import orjson
import requests
from requests.adapters import HTTPAdapter

from tailrace.adapters.dynamodb_calls import ATTEMPTS, DynamoDBCalls, DynamoDBError, parse_answer
from tailrace.adapters.table_descriptions import connect, describe_table
from tailrace.bulk import halve
from tailrace.errors import UserError
from tailrace.failures import ItemReadError
from tailrace.identity import canonical_key
from tailrace.loading import Throttle
from tailrace.ports import Clock
from tailrace.records import Image
from tailrace.sides import TableShape

DEFAULT_SEGMENTS = 4
KEYS_PER_READ = 100  # DynamoDB quota: BatchGetItem
MOST_READS = 20  # of one batch, each with what the one before left out


class DynamoDBTable:
    """See `sides.TableSide`. `calls` asks DynamoDB, `shape` is the table's, `segments` scans run side by side, as fast
    as a throttle lets them.
    """

    def __init__(
        self,
        calls: DynamoDBCalls,
        shape: TableShape,
        segments: int = DEFAULT_SEGMENTS,
        throttle: Throttle | None = None,
    ) -> None:
        self.calls = calls
        self._shape = shape
        self._segments = segments
        self._throttle = throttle

    def shape(self) -> TableShape:
        """See `sides.TableSide.shape`."""
        return self._shape

    def pages(self) -> Iterator[Sequence[Image]]:
        """See `sides.TableSide.pages`. Each segment reads one page ahead, which stays text until it is its turn."""
        with ThreadPoolExecutor(self._segments) as pool:
            running = {pool.submit(self._scan, segment, None): segment for segment in range(self._segments)}
            while running:
                future = next(iter(wait(running, return_when=FIRST_COMPLETED).done))
                segment, answer = running.pop(future), parse_answer("Scan", future.result())
                if self._throttle is not None:
                    units = answer.get("ConsumedCapacity", {}).get("CapacityUnits", 0.0)
                    self._throttle.take(len(answer["Items"]), units)
                if last_key := answer.get("LastEvaluatedKey"):
                    running[pool.submit(self._scan, segment, last_key)] = segment
                yield answer.pop("Items")

    def read(self, keys: Sequence[Image]) -> Sequence[Image | None]:
        """See `sides.TableSide.read`."""
        distinct = {self._name(key): key for key in keys}
        wanted = list(distinct.values())
        found: dict[bytes, Image] = {}
        for start in range(0, len(wanted), KEYS_PER_READ):
            found.update(self._read_batch(wanted[start : start + KEYS_PER_READ]))
        return [found.get(self._name(key)) for key in keys]

    def _scan(self, segment: int, last_key: Image | None) -> bytes:
        request: dict[str, Any] = {"TableName": self._shape.name, "ConsistentRead": True}
        request |= {"ReturnConsumedCapacity": "TOTAL"} if self._throttle is not None else {}
        request |= {"Segment": segment, "TotalSegments": self._segments} if self._segments > 1 else {}
        try:
            return self.calls.fetch("Scan", request | ({"ExclusiveStartKey": last_key} if last_key else {}))
        except DynamoDBError as error:
            raise ItemReadError(f"table {self._shape.name}: {error}") from error

    def _read_batch(self, keys: Sequence[Image]) -> dict[bytes, Image]:
        """The items of at most 100 different keys. One key that no item could have would make DynamoDB refuse all."""
        try:
            return self._read_all(keys)
        except DynamoDBError as error:
            if error.kind != "ValidationException":
                raise ItemReadError(f"table {self._shape.name}: {error}") from error
        if len(keys) == 1:
            return {}
        first, second = halve(keys)
        return self._read_batch(first) | self._read_batch(second)

    def _read_all(self, keys: Sequence[Image]) -> dict[bytes, Image]:
        """DynamoDB leaves out of its answer what exceeds 16 MB or its throughput: that is asked for again."""
        found: dict[bytes, Image] = {}
        request: Mapping[str, Any] = {self._shape.name: {"Keys": list(keys), "ConsistentRead": True}}
        for attempt in range(MOST_READS):
            answer = self.calls.call("BatchGetItem", {"RequestItems": request})
            items = answer["Responses"].get(self._shape.name, [])
            found.update((self._name(item), item) for item in items)
            request = answer.get("UnprocessedKeys", {})
            if not request:
                return found
            if not items:
                self.calls.pause(attempt)
        raise ItemReadError(f"table {self._shape.name} left keys of a batch unread again and again")

    def _name(self, image: Image) -> bytes:
        return orjson.dumps(canonical_key(image, tuple(self._shape.key_types)))


def read_shape(client: Any, name: str) -> TableShape:
    """The table's shape, by DescribeTable of a boto3 client. Raises UserError when there is no such table."""
    description = describe_table(client, name)
    if description is None:
        raise UserError(f"DynamoDB has no table {name}: check the name, AWS_REGION and AWS_ENDPOINT_URL")
    types = {part["AttributeName"]: part["AttributeType"] for part in description["AttributeDefinitions"]}
    key = [part["AttributeName"] for part in description["KeySchema"]]  # DynamoDB lists HASH before RANGE
    return TableShape(name, {part: types[part] for part in key}, description.get("ItemCount", 0))


@contextmanager
def open_table(
    name: str,
    clock: Clock,
    segments: int = DEFAULT_SEGMENTS,
    client: Any = None,
    credentials: Any = None,
    throttle: Throttle | None = None,
    attempts: int = ATTEMPTS,
) -> Iterator[DynamoDBTable]:
    """A table of the environment at hand, or by a boto3 DynamoDB `client` and botocore `credentials`; each call is
    tried so many times while DynamoDB is busy.

    Its connections close with the block. Raises UserError without credentials or region, when DynamoDB does not
    answer, or has no such table.
    """
    client = client or connect()
    shape = read_shape(client, name)
    with requests.Session() as session:
        session.mount("http://", HTTPAdapter(pool_maxsize=segments))
        session.mount("https://", HTTPAdapter(pool_maxsize=segments))
        meta, credentials = client.meta, credentials or _find_credentials()
        calls = DynamoDBCalls(meta.endpoint_url, meta.region_name, credentials, session, clock, attempts)
        yield DynamoDBTable(calls, shape, segments, throttle)


def _find_credentials() -> Any:
    import boto3

    credentials = boto3.Session().get_credentials()
    if credentials is None:
        raise UserError("DynamoDB needs AWS credentials; an emulator takes any, such as AWS_ACCESS_KEY_ID=local")
    return credentials
