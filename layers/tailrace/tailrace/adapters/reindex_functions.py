"""The reindexer function's reindex of one table, from its settings and the event.

Invariant: connections close with the step, and an engine that is away is an EngineError, which is worth another try,
and not a mistake of the user's.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import requests

from tailrace.adapters.clock import SystemClock
from tailrace.adapters.collector import slow_down_collector
from tailrace.adapters.dynamodb import DynamoDBItems
from tailrace.adapters.engine_access import build_engine
from tailrace.adapters.letters import S3LetterBox
from tailrace.adapters.opensearch import OpenSearchEngine
from tailrace.adapters.reindex_composition import ReindexParts, build_reindexer, build_source
from tailrace.adapters.table_scan import DynamoDBTable, open_table
from tailrace.adapters.tables_file import read_tables
from tailrace.errors import UserError
from tailrace.jobs import JobStore
from tailrace.reindexing import Reindexer
from tailrace.settings import ReindexerSettings, Settings
from tailrace.sources import Source

SOURCES = ("scan", "export", "incremental")


@contextmanager
def open_reindexer(settings: ReindexerSettings, event: Mapping[str, Any]) -> Iterator[Reindexer]:
    """The reindexer of the event's table. Raises UserError for an event that names none, or an unknown source."""
    indexing, clock = settings.indexing, SystemClock()
    specs = read_tables(indexing.tables_path)
    table = (event.get("input") or event).get("table", "")
    if table not in specs.specs:
        raise UserError(f"the event names table {table!r}: it must be one of {', '.join(specs.specs)}")
    dynamodb, s3 = _connect("dynamodb", indexing.region), _connect("s3", indexing.region)
    box = S3LetterBox(s3, indexing.dead_letter_bucket)
    slow_down_collector()
    with _open_engine(indexing) as engine, open_table(table, clock, client=dynamodb) as items:
        parts = ReindexParts(
            specs=specs.without_quarantine() if engine.is_serverless else specs,
            table=items,
            items=DynamoDBItems(dynamodb),
            source=_choose_source(JobStore(box), items, dynamodb, s3, indexing, event),
            engine=engine,
            open_engine=partial(_open_engine, indexing),
            box=box,
            clock=clock,
            fence_seconds=settings.fence_seconds,
            max_bulk_bytes=indexing.max_bulk_bytes,
        )
        yield build_reindexer(parts, _ignore, _ignore, _ignore)


def _choose_source(
    jobs: JobStore, items: DynamoDBTable, dynamodb: Any, s3: Any, settings: Settings, event: Mapping[str, Any]
) -> Source:
    """The source of the job that the event is about, else the one that the event names."""
    asked: Mapping[str, Any] = event.get("input") or {}
    job = jobs.read(items.shape().name)
    is_new = event.get("step") == "begin" and not asked.get("resume") and (job is None or job.id != event.get("job"))
    kind = asked.get("source", "scan") if is_new or job is None else job.source
    if kind not in SOURCES:
        raise UserError(f"the event names source {kind!r}: it must be one of {', '.join(SOURCES)}")
    return build_source(kind, items, dynamodb, s3, settings.dead_letter_bucket)


@contextmanager
def _open_engine(settings: Settings) -> Iterator[OpenSearchEngine]:
    with requests.Session() as session:
        yield build_engine(
            settings.opensearch_url,
            settings.opensearch_service,
            settings.region,
            is_gzipped=settings.is_gzipped,
            session=session,
        )


def _connect(service: str, region: str) -> Any:
    import boto3
    from botocore.config import Config

    config = Config(connect_timeout=3, read_timeout=20, retries={"mode": "standard", "total_max_attempts": 5})
    return boto3.client(service, region_name=region, config=config)


def _ignore(*_: object) -> None:
    """Nobody watches an invocation: the job's record tells how far it is."""
