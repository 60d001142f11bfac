"""`tailrace reindex`: a new generation of a table's indices, built beside the searched one and swapped in.

Invariant: composition only; exit status 0 means that what was asked for is done, 1 that nothing was swapped, and
whatever ends a job early is one sentence that says how to go on.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from secrets import token_hex
from time import gmtime, strftime
from typing import TYPE_CHECKING, Any

import click

from tailrace.adapters.clock import SystemClock
from tailrace.adapters.tables_file import read_tables
from tailrace.errors import UserError
from tailrace.jobs import Job, JobStore, Phase
from tailrace.letterboxes import LetterBoxError
from tailrace.sources import refuse_losses
from tailrace.tables import Tables, TableSpec
from tailrace_cli.main import EXIT_FAILED
from tailrace_cli.reindex_ends import end_at_once_on_interrupt, say_how_to_go_on
from tailrace_cli.reindex_report import Reporter, open_reporter
from tailrace_cli.reindex_sources import (
    connect,
    estimate_costs,
    parse_rate,
    refuse_unusable_source,
    refuse_wrong_exports,
    throttle_of,
)
from tailrace_cli.tables import file_option
from tailrace_cli.verify import guess_service, refuse_unknown

if TYPE_CHECKING:
    from tailrace.adapters.letters import S3LetterBox
    from tailrace.reindexing import Reindexer

DEFAULT_SEGMENTS = 4
MOST_SEGMENTS = 64
DEFAULT_FENCE_SECONDS = 130.0  # template.yaml gives every function 120 s; clocks differ
ACTIONS = ("dry_run", "status", "resume", "abort", "rollback", "finish")


@click.command()
@click.argument("table")
@click.option(
    "--from",
    "source",
    type=click.Choice(["scan", "export", "incremental"]),
    default="scan",
    show_default=True,
    help="Scan the table, load a full export, or a full export and what changed since.",
)
@click.option("--export", "exports", multiple=True, help="An export that exists: s3://BUCKET/PREFIX/AWSDynamoDB/ID.")
@click.option("--rate", help="Most items a second, or a share of the table's read capacity such as 25%.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, how much there is to read, and what it takes.")
@click.option("--status", is_flag=True, help="Say how far the reindex is.")
@click.option("--resume", is_flag=True, help="Go on with a reindex that was stopped, from where it began to read.")
@click.option("--abort", is_flag=True, help="Give up a reindex that has not swapped yet; what is searched stays.")
@click.option("--rollback", is_flag=True, help="Search the generation again that the last reindex left.")
@click.option("--finish", is_flag=True, help="Drop the generation that the last reindex left: no way back after it.")
@click.option("--segments", type=click.IntRange(1, MOST_SEGMENTS), default=DEFAULT_SEGMENTS, show_default=True,
              help="How many scans, or files of an export, are loaded side by side.")  # fmt: skip
@click.option("--fence", type=click.FloatRange(0), default=DEFAULT_FENCE_SECONDS, show_default=True,
              help="Seconds after which no function is at work that began before the announcement.")  # fmt: skip
@click.option("--without-removed", is_flag=True,
              help="Give up the documents of removed items that the table's filter has kept.")  # fmt: skip
@file_option
@click.option("--url", envvar="OPENSEARCH_URL", required=True, help="OpenSearch.  [env: OPENSEARCH_URL]")
@click.option(
    "--service",
    envvar="OPENSEARCH_SERVICE",
    type=click.Choice(["es", "aoss", "none"]),
    help="How requests are signed.  [env: OPENSEARCH_SERVICE; default: none on loopback, else es]",
)
@click.option("--region", envvar="AWS_REGION", help="Region of table, bucket and OpenSearch.  [env: AWS_REGION]")
@click.option(
    "--bucket", envvar="DEAD_LETTER_BUCKET", required=True, help="Dead-letter bucket.  [env: DEAD_LETTER_BUCKET]"
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document a line for each event, a summary last.")
def reindex(table: str, file: Path, as_json: bool, **options: Any) -> int:
    """Build a new generation of TABLE's indices beside the searched one, prove it equal to the table, and swap it in.

    Searches go on all the time. Kill it whenever you like: --resume goes on. Exit status 1 when it could not be
    proved, and so was not swapped.
    """
    action = _choose_action(options)
    parse_rate(options["rate"])
    refuse_wrong_exports(options)
    specs = read_tables(file)
    refuse_unknown(specs, table, file)
    if action in ("begin", "dry_run"):
        refuse_losses(specs.spec(table), "--without-removed", is_accepted=options["without_removed"])
    with open_reporter(as_json) as report:
        return _act(action, specs, table, options, report)


def _choose_action(options: dict[str, Any]) -> str:
    chosen = [name for name in ACTIONS if options[name]]
    if len(chosen) > 1:
        raise UserError(f"choose one of {', '.join('--' + name.replace('_', '-') for name in chosen)}")
    return chosen[0] if chosen else "begin"


def _act(action: str, specs: Tables, table: str, options: dict[str, Any], report: Reporter) -> int:
    box, job = _read_job(table, options)
    if action in ("begin", "dry_run"):
        with _open_reindexer(specs, table, None, box, options, report) as reindexer:
            if action == "dry_run":
                report.plan(reindexer.plan(), options["costs"])
                return 0
            reindexer.generations.read_aliases(table)  # an engine that is away shall not leave a job behind
            with say_how_to_go_on(table):
                job = reindexer.begin(_new_id(), options["segments"], options["exports"])
                return _run(reindexer, job, report)
    if job is None:
        raise UserError(f"there is no reindex of {table} in bucket {options['bucket']}: begin one without options")
    if action == "status":
        report.end(action, job, JobStore(box).find_checkpoints(job))
        return 0
    if action == "resume":
        with say_how_to_go_on(table), _open_reindexer(specs, table, job, box, options, report) as reindexer:
            return _run(reindexer, job, report)
    return _switch(action, specs.spec(table), job, box, options, report)


def _run(reindexer: "Reindexer", job: Job, report: Reporter) -> int:
    with end_at_once_on_interrupt(job.table, report.close):
        report.begin(reindexer.jobs.find_checkpoints(job))
        certificate = reindexer.run(job)
        job = reindexer.jobs.read(job.table) or job
        report.summarise(job, reindexer.jobs.find_checkpoints(job), certificate)
    return 0 if job.phase in (Phase.SWAPPED, Phase.ROLLED_BACK) else EXIT_FAILED


def _switch(
    action: str, spec: TableSpec, job: Job, box: "S3LetterBox", options: dict[str, Any], report: Reporter
) -> int:
    from tailrace.adapters.engine_access import open_engine
    from tailrace.adapters.reindex_composition import build_switch

    url, region = options["url"], options["region"]
    with open_engine(url, options["service"] or guess_service(url), region) as engine:
        switch = build_switch(spec, engine, box, report.phase)
        if action == "rollback":
            job = switch.roll_back(job)
        elif action == "abort":
            switch.abort(job)
        else:
            switch.finish(job)
    report.end(action, job, {})
    return 0


def _read_job(table: str, options: dict[str, Any]) -> tuple["S3LetterBox", Job | None]:
    from tailrace.adapters.letters import S3LetterBox

    box = S3LetterBox(connect("s3", options["region"]), options["bucket"])
    try:
        next(box.list(f"reindex/{table}/"), None)  # reading alone would take a bucket that is missing for an empty one
        return box, JobStore(box).read(table)
    except LetterBoxError as error:
        raise UserError(f"{error}: check --bucket, --region and your credentials") from error


def _new_id() -> str:
    return f"{strftime('%Y%m%dT%H%M%S', gmtime())}-{token_hex(3)}"


@contextmanager
def _open_reindexer(
    specs: Tables, table: str, job: Job | None, box: "S3LetterBox", options: dict[str, Any], report: Reporter
) -> Iterator["Reindexer"]:
    """The reindexer of a job, or of a new one that the options name; all connections close with the block."""
    from tailrace.adapters.collector import slow_down_collector
    from tailrace.adapters.dynamodb import DynamoDBItems
    from tailrace.adapters.dynamodb_calls import PATIENT_ATTEMPTS
    from tailrace.adapters.engine_access import open_engine
    from tailrace.adapters.reindex_composition import ReindexParts, build_reindexer, build_source
    from tailrace.adapters.table_scan import open_table

    url, region, clock = options["url"], options["region"], SystemClock()
    open_own = partial(open_engine, url, options["service"] or guess_service(url), region)
    dynamodb, s3 = connect("dynamodb", region), connect("s3", region)
    source = job.source if job else options["source"]
    workers = job.segments if job else options["segments"]
    throttle = throttle_of(options["rate"], source, dynamodb, table, clock)
    open_items = partial(open_table, table, clock, workers, dynamodb, throttle=throttle, attempts=PATIENT_ATTEMPTS)
    slow_down_collector()
    with open_own() as engine, open_items() as items:
        report.expect(items.shape().item_count)
        parts = ReindexParts(
            specs=specs.without_quarantine() if engine.is_serverless else specs,
            table=items,
            items=DynamoDBItems(dynamodb),
            source=build_source(source, items, dynamodb, s3, options["bucket"]),
            engine=engine,
            open_engine=open_own,
            box=box,
            clock=clock,
            fence_seconds=options["fence"],
            throttle=throttle,
            workers=workers,
        )
        if job is None:
            refuse_unusable_source(parts.source, dynamodb, table, options["exports"])
            options["costs"] = estimate_costs(dynamodb, table, options)
        yield build_reindexer(parts, report.phase, report.page, report.verification)
