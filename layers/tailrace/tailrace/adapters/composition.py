"""Settings to a working pipeline: the one place that chooses the adapters.

Invariant: nothing is connected before it is used; the SDK is loaded when a dead letter, a table read or a signature
first needs it, since it costs more than all else of a cold start.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from threading import Lock
from typing import TYPE_CHECKING, Any

from tailrace.adapters.clock import SystemClock
from tailrace.adapters.engine_access import build_engine
from tailrace.adapters.opensearch import OpenSearchEngine
from tailrace.adapters.tables_file import read_tables
from tailrace.adapters.tracing import ENGINE_CALLS, ITEM_CALLS, LETTER_CALLS, STREAM_CALLS, traced
from tailrace.delivery import DeliveryPolicy
from tailrace.pipeline import LETTERS_AT_ONCE, Pipeline
from tailrace.ports import StreamEntry
from tailrace.records import Image
from tailrace.settings import ReplayerSettings, ReplicatorSettings, Settings

if TYPE_CHECKING:  # what only one function needs would cost the cold start of all
    from tailrace.replaying import Replayer
    from tailrace.replication import Replicator
    from tailrace.sweeping import Sweeper


def build_pipeline(settings: Settings) -> Pipeline:
    """The indexer's pipeline for an environment. Raises UserError for tables that cannot be read."""
    engine, tables = _build_engine(settings), read_tables(settings.tables_path)
    return Pipeline(
        tables=tables.without_quarantine() if engine.is_serverless else tables,
        engine=traced(engine, ENGINE_CALLS),
        dead_letters=traced(_LateDeadLetters(settings.region, settings.dead_letter_bucket), LETTER_CALLS),
        items=traced(_LateItems(settings.region), ITEM_CALLS),
        clock=SystemClock(),
        policy=DeliveryPolicy(max_bulk_bytes=settings.max_bulk_bytes),
    )


def build_replicator(settings: ReplicatorSettings) -> "Replicator":
    """The replicator for an environment. Raises UserError for tables that cannot be read."""
    from tailrace.replication import Replicator

    return Replicator(
        tables=read_tables(settings.tables_path),
        stream=traced(_LateChangeStream(settings.region, settings.stream), STREAM_CALLS),
        dead_letters=traced(_LateDeadLetters(settings.region, settings.dead_letter_bucket), LETTER_CALLS),
        clock=SystemClock(),
    )


def build_sweeper(settings: Settings) -> "Sweeper":
    """The sweeper for an environment. Raises UserError for tables that cannot be read."""
    from tailrace.adapters.tombstones import OpenSearchTombstones
    from tailrace.sweeping import Sweeper

    engine = _build_engine(settings)
    return Sweeper(read_tables(settings.tables_path), OpenSearchTombstones(engine), SystemClock())


def build_replayer(settings: ReplayerSettings) -> "Replayer":
    """The replayer for an environment. Raises UserError for tables that cannot be read."""
    from tailrace.adapters.letters import S3LetterBox
    from tailrace.replaying import Replayer

    indexing = settings.indexing
    box = S3LetterBox(_connect("s3", indexing.region), indexing.dead_letter_bucket)
    pipeline = replace(build_pipeline(indexing), dead_letters=traced(box, LETTER_CALLS))
    return Replayer(pipeline, box, settings.max_hops)


def _connect(service: str, region: str) -> Any:
    import boto3
    from botocore.config import Config

    # The SDK's own patience (5 times 60 seconds) is longer than an invocation.
    patience = {"mode": "standard", "total_max_attempts": 3}
    config = Config(connect_timeout=3, read_timeout=10, retries=patience, max_pool_connections=LETTERS_AT_ONCE)
    return boto3.client(service, region_name=region, config=config)


def _build_engine(settings: Settings) -> OpenSearchEngine:
    url, service, region = settings.opensearch_url, settings.opensearch_service, settings.region
    return build_engine(url, service, region, is_gzipped=settings.is_gzipped)


class _Late:
    """An adapter on a boto3 client that is made on first use, once: several letters may be the first at a time."""

    def __init__(self, region: str, name: str = "") -> None:
        self._region = region
        self._name = name
        self._made: Any = None
        self._lock = Lock()

    def _get(self, service: str, make: Callable[[Any], Any]) -> Any:
        with self._lock:
            if self._made is None:
                self._made = make(_connect(service, self._region))
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
