"""`tailrace replay`: dead letters and parked batches go to the index again, once their cause is mended.

Invariant: composition only; exit status 0 means that all that was selected is settled and gone from the bucket.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click

from tailrace.adapters.clock import SystemClock
from tailrace.adapters.tables_file import read_tables
from tailrace.deadletters import DEFAULT_MAX_HOPS
from tailrace.errors import UserError
from tailrace.generations import DEFAULT_TYPE, alias_name
from tailrace.letterboxes import LetterBoxError
from tailrace.selections import Selection, select
from tailrace.tables import Tables
from tailrace_cli.console_output import json_option, print_json
from tailrace_cli.main import EXIT_FAILED
from tailrace_cli.replay_report import open_bar, print_report
from tailrace_cli.tables import LOOPBACK, file_option

if TYPE_CHECKING:
    from tailrace.replaying import Replayer

TIMES = "an instant, or a time ago such as 3d, 2h"


@click.command()
@click.option("--table", help="Letters of this table alone, and batches with records of it.")
@click.option("--since", help=f"What first failed at this time or later: {TIMES}.")
@click.option("--until", help="What first failed before this time.")
@click.option("--reason", help="Letters with this reason alone, or batches given up under this condition.")
@click.option("--parked", is_flag=True, help="The letters that were replayed in vain too often, instead of the others.")
@click.option(
    "--batches/--no-batches", default=None, help="Parked batches, too.  [default: yes, but not with --parked]"
)
@click.option("--dry-run", is_flag=True, help="Write nothing; count by table and reason, and say what would happen.")
@click.option(
    "--max-hops",
    envvar="TAILRACE_MAX_HOPS",
    type=click.IntRange(1),
    default=DEFAULT_MAX_HOPS,
    show_default=True,
    help="Park a letter at its so many-th failed replay.  [env: TAILRACE_MAX_HOPS]",
)
@file_option
@click.option("--url", envvar="OPENSEARCH_URL", required=True, help="OpenSearch.  [env: OPENSEARCH_URL]")
@click.option(
    "--service",
    envvar="OPENSEARCH_SERVICE",
    type=click.Choice(["es", "aoss", "none"]),
    help="How requests are signed.  [env: OPENSEARCH_SERVICE; default: none on loopback, else es]",
)
@click.option("--region", envvar="AWS_REGION", help="Region of bucket, tables and OpenSearch.  [env: AWS_REGION]")
@click.option(
    "--bucket", envvar="DEAD_LETTER_BUCKET", required=True, help="Dead-letter bucket.  [env: DEAD_LETTER_BUCKET]"
)
@json_option
def replay(
    parked: bool,
    batches: bool | None,
    dry_run: bool,
    file: Path,
    as_json: bool,
    **options: Any,
) -> int:
    """Write dead letters and parked batches to the index, by the path of every change, and delete what is settled.

    Older changes never overwrite newer ones, so it may be run at any time, twice, and beside another. Exit status 1
    when anything is left: a letter that failed again, an engine that does not answer, an object that is no letter.
    """
    found = read_tables(file)
    texts = {name: options[name] for name in ("table", "since", "until", "reason")}
    wants_batches = not parked if batches is None else batches
    selection = select(**texts, parked=parked, batches=wants_batches, now=SystemClock().now())
    with _open_replayer(found, options, is_dry_run=dry_run) as replayer:
        report = _run(replayer, selection, is_dry_run=dry_run)
    print_json(report.as_dict()) if as_json else print_report(report)
    return 0 if dry_run or report.is_clean else EXIT_FAILED


def _run(replayer: "Replayer", selection: Selection, *, is_dry_run: bool) -> Any:
    try:
        total = replayer.count(selection)
    except LetterBoxError as error:
        raise UserError(f"{error}: check --bucket, --region and your credentials") from error
    with open_bar(total) as observe:
        return replayer.forecast(selection, observe) if is_dry_run else replayer.replay(selection, inf, observe)


@contextmanager
def _open_replayer(tables: Tables, options: dict[str, Any], *, is_dry_run: bool) -> Iterator["Replayer"]:
    """The replayer on what the options name. Raises UserError for an OpenSearch that cannot be used."""
    from tailrace.adapters.dynamodb import DynamoDBItems
    from tailrace.adapters.engine_access import open_engine
    from tailrace.adapters.letters import S3LetterBox
    from tailrace.pipeline import Pipeline
    from tailrace.replaying import Replayer

    url, region = options["url"], options["region"]
    box = S3LetterBox(_connect("s3", region), options["bucket"])
    items = DynamoDBItems(_connect("dynamodb", region))
    with open_engine(url, options["service"] or _guess_service(url), region) as engine:
        for spec in [] if is_dry_run else list(tables.specs.values())[:1]:
            engine.has_alias(alias_name(spec, DEFAULT_TYPE))  # a URL that is wrong shall not cost a minute of retries
        tables = tables.without_quarantine() if engine.is_serverless else tables
        yield Replayer(Pipeline(tables, engine, box, items, SystemClock()), box, options["max_hops"])


def _connect(service: str, region: str | None) -> Any:
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError

    config = Config(connect_timeout=5, read_timeout=30, retries={"mode": "standard", "total_max_attempts": 5})
    try:
        return boto3.client(service, region_name=region, config=config)
    except (BotoCoreError, ValueError) as error:
        raise UserError(f"AWS cannot be asked for {service}: {error}") from error


def _guess_service(url: str) -> str:
    return "none" if urlsplit(url).hostname in LOOPBACK else "es"
