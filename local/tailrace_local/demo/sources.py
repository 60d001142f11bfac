"""Which way the demo's changes take: the tables' own streams, or Kinesis Data Streams for DynamoDB.

Invariant: the repository's tables.yaml and its compiled form stay as they are; another source means another compiled
file, in a folder of the run's own, which the functions are pointed to.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from tailrace.adapters.tables_file import read_document, read_tables
from tailrace.tables import Tables, compile_tables, load_tables
from tailrace_local.demo.data import KEYS
from tailrace_local.disturbances import DestinationPolicy
from tailrace_local.instances import InstanceDirectory
from tailrace_local.laptop_tables import kinesis_tables, table_requests
from tailrace_local.paths import state_directory

SOURCES = ("streams", "kinesis")
UNRULY = DestinationPolicy(duplicated=0.02, displaced=0.02)
"""A little of both that the real service may do: one change in 50 comes twice, and one in 50 late."""


@dataclass(frozen=True, slots=True)
class DemoTables:
    """The tables as this run has them, and what the laptop cloud has to be told of them."""

    specs: Tables
    variables: Mapping[str, str] = field(default_factory=dict)

    def cloud_options(self, policy: DestinationPolicy = UNRULY) -> dict[str, Any]:
        """Keyword arguments for a `LaptopCloud`."""
        by_kinesis = kinesis_tables(self.specs)
        return {
            "tables": table_requests(self.specs),
            "variables": self.variables,
            "kinesis_tables": by_kinesis,
            "parameters": {"ArnOfChangeStream": "create"} if by_kinesis else {},
            "destination": policy,
        }


@contextmanager
def prepare_tables(path: Path, source: str) -> Iterator[DemoTables]:
    """The tables of a tables file, the demo's five coming by this source. Raises UserError for a wrong file."""
    specs = read_tables(path)
    if source == "streams":
        yield DemoTables(specs)
        return
    compiled = compile_with_source(read_document(path), source)
    directory = InstanceDirectory("demo", state_directory() / "run")
    try:
        file = directory.path / "tables.json"
        file.write_bytes(orjson.dumps(compiled))
        yield DemoTables(load_tables(compiled), {"TAILRACE_TABLES": str(file)})
    finally:
        directory.remove()


def compile_with_source(document: object, source: str) -> dict[str, Any]:
    """The compiled tables, with the demo's own coming by this source."""
    compiled: dict[str, Any] = compile_tables(document)
    for name in KEYS.keys() & compiled["tables"].keys():
        compiled["tables"][name]["source"] = source
    return compiled
