"""Where the demo plays: a laptop cloud with the five tables, as far as the job looks at it.

Invariant: each of the five tables is on exactly one route, and every route has a running mapping at its end.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from tailrace.errors import UserError
from tailrace.tables import Tables
from tailrace_local.arns import table_of_stream
from tailrace_local.cloud_reports import find_function
from tailrace_local.demo.data import KEYS
from tailrace_local.demo.results import Disturbance
from tailrace_local.event_sources import MappingStatus

if TYPE_CHECKING:
    from tailrace_local.clients import Clients
    from tailrace_local.cloud import LaptopCloud
    from tailrace_local.event_source_properties import EventSourceMapping
    from tailrace_local.kinesis_destination import KinesisDestination


class RunningMapping(Protocol):
    """An event source mapping at work; see `StreamMapping`."""

    def status(self) -> MappingStatus:
        """What it has done so far."""

    def drain(self, timeout_seconds: float) -> None:
        """Return when all is settled. Raises `UndeliveredError` after the timeout."""


@dataclass(frozen=True, slots=True)
class Route:
    """How changes reach the indexer: the tables that share the way, and the mapping at its end."""

    tables: tuple[str, ...]
    mapping: RunningMapping

    @property
    def name(self) -> str:
        """The table, or that there are several."""
        return self.tables[0] if len(self.tables) == 1 else f"{len(self.tables)} tables"


@dataclass(frozen=True, slots=True)
class LogFiles:
    """The logs of one function: their folder, and a pattern for their names."""

    folder: Path
    pattern: str


@dataclass(frozen=True, slots=True)
class Stage:
    """A pipeline that runs: engine, endpoint of the tables, routes to the indexer, its logs, SDK clients.

    `running` is all that moves records, in the direction in which they move; `destinations` are the tables' own.
    """

    engine_url: str
    tables_url: str
    routes: tuple[Route, ...]
    running: Sequence[RunningMapping]
    destinations: Sequence[KinesisDestination]
    logs: LogFiles
    clients: Clients

    def disturbance(self) -> Disturbance | None:
        """What the Kinesis destinations did beside their duty; None without any."""
        if not self.destinations:
            return None
        counts = [destination.counters for destination in self.destinations]
        return Disturbance(
            changes=sum(each.changes for each in counts),
            duplicated=sum(each.duplicated for each in counts),
            displaced=sum(each.displaced for each in counts),
            too_large=sum(each.too_large for each in counts),
        )


def refuse_other_tables(tables: Tables) -> None:
    """Raise UserError unless tables.yaml declares the five tables with the keys that the data has."""
    for table, key in KEYS.items():
        if table not in tables.specs or tables.spec(table).key != key:
            wanted = ", ".join(key)
            raise UserError(f"tables.yaml: the demo needs the table {table} with the key [{wanted}]; put it back")


def open_stage(cloud: LaptopCloud) -> Stage:
    """The stage that a started laptop cloud is. Raises UserError where the template follows not all five tables."""
    indexer = find_function(cloud.template.functions, "indexer")
    running = [one for one in cloud.template.mappings if one.name in cloud.mappings and one.function == indexer]
    routes = tuple(_kinesis_routes(cloud, running) if cloud.destinations else _stream_routes(cloud, running))
    function = cloud.functions[indexer].spec
    return Stage(
        engine_url=cloud.engine.url,
        tables_url=cloud.emulator.url,
        routes=routes,
        running=cloud.running,
        destinations=tuple(cloud.destinations.values()),
        logs=LogFiles(function.logs, f"{function.name}-*.log"),
        clients=cloud.clients,
    )


def _stream_routes(cloud: LaptopCloud, running: Sequence[EventSourceMapping]) -> Iterator[Route]:
    by_table = {table_of_stream(one.stream_arn): one.name for one in running if one.kind == "DynamoDB"}
    for table in KEYS:
        if table not in by_table:
            raise UserError(f"{cloud.path.name}: nothing follows the table {table}: run `tailrace tables render`")
        yield Route((table,), cloud.mappings[by_table[table]])


def _kinesis_routes(cloud: LaptopCloud, running: Sequence[EventSourceMapping]) -> Iterator[Route]:
    names = [one.name for one in running if one.kind == "Kinesis"]
    if len(names) != 1:
        raise UserError(f"{cloud.path.name}: the demo needs one event source of Type Kinesis, and finds {len(names)}")
    yield Route(tuple(KEYS), cloud.mappings[names[0]])
