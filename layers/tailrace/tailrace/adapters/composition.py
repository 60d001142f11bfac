"""Settings to a working pipeline: the one place that chooses the adapters.

Invariant: nothing is connected before it is used; the SDK is loaded when a dead letter, a table read or a signature
first needs it, since it costs more than all else of a cold start.
"""

from collections.abc import Callable
from typing import Any

from tailrace.adapters.clock import SystemClock
from tailrace.adapters.opensearch import OpenSearchEngine
from tailrace.adapters.signing import build_auth
from tailrace.adapters.tables_file import read_tables
from tailrace.delivery import DeliveryPolicy
from tailrace.pipeline import Pipeline
from tailrace.records import Image
from tailrace.settings import Settings


def build_pipeline(settings: Settings) -> Pipeline:
    """The indexer's pipeline for an environment. Raises UserError for tables that cannot be read."""
    return Pipeline(
        tables=read_tables(settings.tables_path),
        engine=OpenSearchEngine(settings.opensearch_url, auth=build_auth(settings.opensearch_service, settings.region)),
        dead_letters=_LateDeadLetters(settings),
        items=_LateItems(settings),
        clock=SystemClock(),
        policy=DeliveryPolicy(max_bulk_bytes=settings.max_bulk_bytes),
    )


class _Late:
    """An adapter on a boto3 client that is made on first use."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._made: Any = None

    def _get(self, service: str, make: Callable[[Any], Any]) -> Any:
        if self._made is None:
            import boto3

            self._made = make(boto3.client(service, region_name=self._settings.region))
        return self._made


class _LateDeadLetters(_Late):
    def put(self, key: str, body: bytes) -> None:
        from tailrace.adapters.s3 import S3DeadLetters

        bucket = self._settings.dead_letter_bucket
        self._get("s3", lambda client: S3DeadLetters(client, bucket)).put(key, body)


class _LateItems(_Late):
    def read(self, table: str, keys: Image) -> Image | None:
        from tailrace.adapters.dynamodb import DynamoDBItems

        item: Image | None = self._get("dynamodb", DynamoDBItems).read(table, keys)
        return item
