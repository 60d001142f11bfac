"""`tailrace verify`: prove that a table's indices equal the table, or say where they do not.

Invariant: composition only; exit status 0 means that no difference was found, whatever was repaired counts as found.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from tailrace.adapters.clock import SystemClock
from tailrace.adapters.tables_file import read_tables
from tailrace.errors import UserError
from tailrace.tables import Tables, UnknownTableError
from tailrace.verifying import DEFAULT_LAG_SECONDS, VerifyOptions, verify_table
from tailrace_cli.console_output import json_option, print_json
from tailrace_cli.main import EXIT_FAILED
from tailrace_cli.tables import LOOPBACK, file_option
from tailrace_cli.verify_report import open_bar, print_certificate

if TYPE_CHECKING:
    from tailrace.adapters.opensearch import OpenSearchEngine
    from tailrace.sides import IndexSide, TableSide

DEFAULT_SEGMENTS = 4
MOST_SEGMENTS = 64
LONGEST_LAG_SECONDS = 3600.0


@click.command()
@click.argument("table")
@click.option("--deep", is_flag=True, help="Compare contents too, and not just the digests that documents carry.")
@click.option("--repair", is_flag=True, help="Write what differs again, by the versioned path, and look once more.")
@click.option(
    "--segments",
    type=click.IntRange(1, MOST_SEGMENTS),
    default=DEFAULT_SEGMENTS,
    show_default=True,
    help="How many scans read the table side by side.",
)
@click.option(
    "--lag",
    type=click.FloatRange(0, LONGEST_LAG_SECONDS),
    default=DEFAULT_LAG_SECONDS,
    show_default=True,
    help="Seconds that a difference must last to count.",
)
@file_option
@click.option("--url", envvar="OPENSEARCH_URL", required=True, help="OpenSearch.  [env: OPENSEARCH_URL]")
@click.option(
    "--service",
    envvar="OPENSEARCH_SERVICE",
    type=click.Choice(["es", "aoss", "none"]),
    help="How requests are signed.  [env: OPENSEARCH_SERVICE; default: none on loopback, else es]",
)
@json_option
def verify(
    table: str,
    deep: bool,
    repair: bool,
    segments: int,
    lag: float,
    file: Path,
    url: str,
    service: str | None,
    as_json: bool,
) -> int:
    """Compare every item of TABLE with its document, in both directions, and print a certificate.

    Writes nothing without --repair. Exit status 1 when anything differs, even if it was repaired: a second run
    proves the repair.
    """
    found = read_tables(file)
    refuse_unknown(found, table, file)
    service = service or guess_service(url)
    if service == "aoss":
        found = found.without_quarantine()
    with _open_sides(table, segments, url, service) as (items, documents, engine):
        options = VerifyOptions(lag, deep, engine if repair else None)
        with open_bar() as show:
            certificate = verify_table(found, items, documents, SystemClock(), options, show)
    print_json(certificate.as_dict()) if as_json else print_certificate(certificate)
    return 0 if certificate.is_clean else EXIT_FAILED


@contextmanager
def _open_sides(
    table: str, segments: int, url: str, service: str
) -> Iterator[tuple["TableSide", "IndexSide", "OpenSearchEngine"]]:
    """The table, its indices, and the engine that repairs are written to; all connections close with the block."""
    from tailrace.adapters.engine_access import open_engine
    from tailrace.adapters.index_pages import OpenSearchIndex
    from tailrace.adapters.table_scan import open_table

    with open_engine(url, service) as engine, open_table(table, SystemClock(), segments) as items:
        yield items, OpenSearchIndex(engine), engine


def refuse_unknown(tables: Tables, table: str, file: Path) -> None:
    """Raises UserError for a table that the file neither declares nor takes in by its defaults."""
    try:
        tables.spec(table)
    except UnknownTableError as error:
        known = ", ".join(tables.specs)
        raise UserError(f"{file}: {error}; declared are {known}") from error


def guess_service(url: str) -> str:
    """How requests are signed when nobody says so: not at all on loopback, else as a domain wants it."""
    return "none" if urlsplit(url).hostname in LOOPBACK else "es"
