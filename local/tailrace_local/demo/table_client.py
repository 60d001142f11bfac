"""DynamoDB over plain signed HTTP: what the demo writes, without an SDK between it and the bytes.

The SDK would spend more of the two cores on turning 30,000 items into Python objects than the emulator spends on them.

Invariant: `send` returns only after the table has taken every write of the step, UnprocessedItems included.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import orjson
import requests
from requests_aws4auth import AWS4Auth

from tailrace.errors import TailraceError
from tailrace_local.demo.data import Item
from tailrace_local.demo.workload import Batch, Step, Update

TIMEOUT_SECONDS = 30.0
ATTEMPTS = 8
FIRST_PAUSE_SECONDS = 0.05
_RETRYABLE = ("ProvisionedThroughputExceededException", "ThrottlingException", "RequestLimitExceeded")


class TableError(TailraceError):
    """A table refused a request, or did not answer it after several attempts."""


class TableClient:
    """One DynamoDB endpoint through one kept-alive session. Not to be shared between threads."""

    def __init__(
        self,
        url: str,
        region: str = "us-east-1",
        session: requests.Session | None = None,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._url = url.rstrip("/") + "/"
        self._session = session or requests.Session()
        self._session.trust_env = False  # a proxy of the environment has no business on loopback
        self._session.auth = AWS4Auth("test", "test", region, "dynamodb")
        self._sleep = sleep

    def close(self) -> None:
        """Close the connection."""
        self._session.close()

    def send(self, step: Step) -> None:
        """Write one step. Raises TableError."""
        if isinstance(step, Update):
            self.call("UpdateItem", build_update_request(step))
        else:
            self._write_all(build_batch_request(step))

    def put(self, table: str, item: Item) -> None:
        """Write one item. Raises TableError."""
        self.call("PutItem", {"TableName": table, "Item": item})

    def call(self, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """One operation, tried again where the table is busy or silent. Raises TableError."""
        body, problem = orjson.dumps(request), ""
        for attempt in range(ATTEMPTS):
            if attempt:
                self._sleep(FIRST_PAUSE_SECONDS * 2 ** (attempt - 1))
            try:
                response = self._post(operation, body)
            except requests.RequestException as error:
                problem = type(error).__name__
                continue
            if response.status_code == 200:
                answer: dict[str, Any] = orjson.loads(response.content)
                return answer
            problem = _error_type(response)
            if response.status_code < 500 and problem not in _RETRYABLE:
                break
        raise TableError(f"{operation} was refused: {problem}")

    def _post(self, operation: str, body: bytes) -> requests.Response:
        headers = {"X-Amz-Target": f"DynamoDB_20120810.{operation}", "Content-Type": "application/x-amz-json-1.0"}
        return self._session.post(self._url, data=body, headers=headers, timeout=TIMEOUT_SECONDS)

    def _write_all(self, requested: Mapping[str, Any]) -> None:
        for attempt in range(ATTEMPTS):
            if attempt:
                self._sleep(FIRST_PAUSE_SECONDS * 2 ** (attempt - 1))
            unprocessed = self.call("BatchWriteItem", {"RequestItems": requested}).get("UnprocessedItems")
            if not unprocessed:
                return
            requested = unprocessed
        raise TableError(f"BatchWriteItem left items unprocessed after {ATTEMPTS} attempts")


def build_batch_request(step: Batch) -> dict[str, list[dict[str, Any]]]:
    """The `RequestItems` of a batch."""
    puts = [{"PutRequest": {"Item": item}} for item in step.puts]
    return {step.table: puts + [{"DeleteRequest": {"Key": key}} for key in step.deletes]}


def build_update_request(step: Update) -> dict[str, Any]:
    """An UpdateItem request; attribute names travel as placeholders, so that none meets a reserved word."""
    names = {f"#{number}": name for number, name in enumerate([*step.sets, *step.removes])}
    values = {f":{number}": value for number, value in enumerate(step.sets.values())}
    sets = ", ".join(f"#{number} = :{number}" for number in range(len(step.sets)))
    removes = ", ".join(f"#{number}" for number in range(len(step.sets), len(names)))
    request: dict[str, Any] = {"TableName": step.table, "Key": step.key, "ExpressionAttributeNames": names}
    request["UpdateExpression"] = (f"SET {sets} " * bool(sets) + f"REMOVE {removes}" * bool(removes)).strip()
    return request | ({"ExpressionAttributeValues": values} if values else {})


def _error_type(response: requests.Response) -> str:
    try:
        return str(orjson.loads(response.content)["__type"]).rpartition("#")[2]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return f"status {response.status_code}"
