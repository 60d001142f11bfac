"""Settings to a working pipeline: the one place that chooses the adapters.

Invariant: nothing is connected before it is used; the SDK is loaded when a dead letter, a table read or a signature
first needs it, since it costs more than all else of a cold start.
"""

from collections.abc import Callable, Sequence
from typing import Any

from tailrace.adapters.clock import SystemClock
from tailrace.adapters.opensearch import OpenSearchEngine
from tailrace.adapters.signing import build_auth
from tailrace.adapters.tables_file import read_tables
from tailrace.adapters.tombstones import OpenSearchTombstones
from tailrace.delivery import DeliveryPolicy
from tailrace.pipeline import Pipeline
from tailrace.ports import StreamEntry
from tailrace.records import Image
from tailrace.replication import Replicator
from tailrace.settings import ReplicatorSettings, Settings
from tailrace.sweeping import Sweeper


def build_pipeline(settings: Settings) -> Pipeline:
    """The indexer's pipeline for an environment. Raises UserError for tables that cannot be read."""
    return Pipeline(
        tables=read_tables(settings.tables_path),
        engine=OpenSearchEngine(settings.opensearch_url, auth=build_auth(settings.opensearch_service, settings.region)),
        dead_letters=_LateDeadLetters(settings.region, settings.dead_letter_bucket),
        items=_LateItems(settings.region),
        clock=SystemClock(),
        policy=DeliveryPolicy(max_bulk_bytes=settings.max_bulk_bytes),
    )


def build_replicator(settings: ReplicatorSettings) -> Replicator:
    """The replicator for an environment. Raises UserError for tables that cannot be read."""
    return Replicator(
        tables=read_tables(settings.tables_path),
        stream=_LateChangeStream(settings.region, settings.stream),
        dead_letters=_LateDeadLetters(settings.region, settings.dead_letter_bucket),
        clock=SystemClock(),
    )


def build_sweeper(settings: Settings) -> Sweeper:
    """The sweeper for an environment. Raises UserError for tables that cannot be read."""
    engine = OpenSearchEngine(settings.opensearch_url, auth=build_auth(settings.opensearch_service, settings.region))
    return Sweeper(read_tables(settings.tables_path), OpenSearchTombstones(engine), SystemClock())


class _Late:
    """An adapter on a boto3 client that is made on first use."""

    def __init__(self, region: str, name: str = "") -> None:
        self._region = region
        self._name = name
        self._made: Any = None

    def _get(self, service: str, make: Callable[[Any], Any]) -> Any:
        if self._made is None:
            import boto3
            from botocore.config import Config

            # The SDK's own patience (5 times 60 seconds) is longer than an invocation.
            config = Config(connect_timeout=3, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 3})
            self._made = make(boto3.client(service, region_name=self._region, config=config))
        return self._made


class _LateDeadLetters(_Late):
    def put(self, key: str, body: bytes) -> None:
        from tailrace.adapters.s3 import S3DeadLetters

        self._get("s3", lambda client: S3DeadLetters(client, self._name)).put(key, body)


class _LateItems(_Late):
    def read(self, table: str, keys: Image) -> Image | None:
        from tailrace.adapters.dynamodb import DynamoDBItems

        item: Image | None = self._get("dynamodb", DynamoDBItems).read(table, keys)
        return item


class _LateChangeStream(_Late):
    def put(self, entries: Sequence[StreamEntry]) -> Sequence[str | None]:
        from tailrace.adapters.kinesis import KinesisChangeStream

        stream = self._get("kinesis", lambda client: KinesisChangeStream(client, self._name))
        codes: Sequence[str | None] = stream.put(entries)
        return codes
