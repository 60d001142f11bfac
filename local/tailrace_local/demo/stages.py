"""Where the demo plays: a laptop cloud with the five tables, as far as the job looks at it.

Invariant: a stage has a running mapping for each of the five tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from tailrace.decoding import table_of_stream
from tailrace.errors import UserError
from tailrace.tables import Tables
from tailrace_local.demo.data import KEYS
from tailrace_local.event_sources import MappingStatus

if TYPE_CHECKING:
    from tailrace_local.cloud import LaptopCloud


class RunningMapping(Protocol):
    """An event source mapping at work; see `StreamMapping`."""

    def status(self) -> MappingStatus:
        """What it has done so far."""

    def drain(self, timeout_seconds: float) -> None:
        """Return when all is settled. Raises `UndeliveredError` after the timeout."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A pipeline that runs: engine, endpoint of the tables, mappings by table, folder of the function's logs, SDK."""

    engine_url: str
    tables_url: str
    mappings: Mapping[str, RunningMapping]
    logs: Path
    sdk: Any  # boto3's DynamoDB client


def refuse_other_tables(tables: Tables) -> None:
    """Raise UserError unless tables.yaml declares the five tables with the keys that the data has."""
    for table, key in KEYS.items():
        if table not in tables.specs or tables.spec(table).key != key:
            wanted = ", ".join(key)
            raise UserError(f"tables.yaml: the demo needs the table {table} with the key [{wanted}]; put it back")


def open_stage(cloud: LaptopCloud) -> Stage:
    """The stage that a started laptop cloud is. Raises UserError where the template follows not all five tables."""
    by_table = {table_of_stream(one.stream_arn): one for one in cloud.template.mappings if one.name in cloud.mappings}
    for table in KEYS:
        if table not in by_table:
            raise UserError(f"{cloud.path.name}: nothing follows the table {table}: run `tailrace tables render`")
    function = cloud.functions[by_table["flights"].function]
    return Stage(
        engine_url=cloud.engine.url,
        tables_url=cloud.emulator.url,
        mappings={table: cloud.mappings[by_table[table].name] for table in KEYS},
        logs=function.spec.logs,
        sdk=cloud.clients.dynamodb,
    )
