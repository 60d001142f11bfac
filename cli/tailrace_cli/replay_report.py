"""What `tailrace replay` shows: a bar while it runs, and at the end what became of each table's letters.

Invariant: tables, reasons and keys of objects, never a value; the bar goes to standard error, and only to a terminal.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

from tailrace.replaying import Step, ignore_step
from tailrace.replays import End, ReplayReport
from tailrace_cli.console_output import print_rows

_DONE = {
    End.SETTLED: "settled",
    End.AGAIN: "failed again",
    End.PARKED: "parked",
    End.FAILED: "left",
}
_FORESEEN = {End.READY: "would be sent", End.REFUSED: "would fail again", End.TO_PARK: "would be parked"}


@contextmanager
def open_bar(total: int) -> Iterator[Callable[[Step], None]]:
    """Where a replay tells how far it is: a bar on a terminal, nothing elsewhere."""
    if not sys.stderr.isatty():
        yield ignore_step
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("Letters and batches"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=total)
        yield lambda step: bar.advance(task, step.objects)


def print_report(report: ReplayReport) -> None:
    """The report for people: a line for each table and reason, what is not ours, and the verdict last."""
    ends = _FORESEEN if report.is_dry_run else _DONE
    rows = [
        [line.kind, line.tables, line.reason, *(f"{counts.get(end, 0):,}" for end in ends)]
        for line, counts in sorted(report.lines.items())
    ]
    if rows:
        print_rows(["", "table", "reason", *ends.values()], rows)
    for key, why in report.unreadable:
        click.echo(f"left {key}: {why}")
    if report.unreadable_count > len(report.unreadable):
        click.echo(f"left {report.unreadable_count - len(report.unreadable):,} more that are no letters")
    click.echo(_verdict(report))


def _verdict(report: ReplayReport) -> str:
    if report.is_dry_run:
        ready = sum(report.count(kind, End.READY) for kind in ("letter", "batch"))
        return f"{ready:,} would be sent; nothing was written (dry run)" if report.lines else "nothing to replay"
    outcomes = ", ".join(f"{count:,} {name.replace('_', '-')}" for name, count in report.outcomes.items() if count)
    if not report.is_finished:
        return f"stopped: OpenSearch or the bucket takes nothing; mend that, and repeat ({outcomes or 'no record'})"
    if not report.lines and not report.unreadable_count:
        return "nothing to replay"
    return f"records: {outcomes or 'none'}" + ("" if report.is_clean else "; some are left")
