"""What `tailrace verify` shows: a bar while it runs, and the certificate at the end.

Invariant: ids and field names at most, never a value; the bar goes to standard error, and only to a terminal.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

import click

from tailrace.certificates import Certificate
from tailrace.differences import Difference, Kind
from tailrace.verifying import Progress, ignore_progress

_PHASES = {"table": "Items against documents", "index": "Documents against items", "suspects": "Looking again"}


@contextmanager
def open_bar() -> Iterator[Callable[[Progress], None]]:
    """Where a verification tells how far it is: a bar on a terminal, nothing elsewhere."""
    if not sys.stderr.isatty():
        yield ignore_progress
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(_PHASES["table"], total=None)

        def show(progress: Progress) -> None:
            total = max(progress.done, progress.total)
            bar.update(task, description=_PHASES[progress.phase], completed=progress.done, total=total)

        yield show


def print_certificate(certificate: Certificate) -> None:
    """The certificate for people: what was compared, what differs, both digests, and the verdict last."""
    rows = [
        ("table", certificate.table),
        *_index_rows(certificate),
        *_count_rows(certificate),
        *_proof_rows(certificate),
    ]
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        click.echo(f"{name:<{width}}  {value}")
    _print_tally("differences", certificate.differences.counts, certificate.differences.shown)
    _print_tally("allowed by the table's filter", certificate.allowed.counts, certificate.allowed.shown)
    _print_tally("not repaired", certificate.unrepaired.counts, certificate.unrepaired.shown)
    click.echo(_verdict(certificate))


def _index_rows(certificate: Certificate) -> list[tuple[str, str]]:
    notes = [(place, "" if place.is_written else " (not written to)") for place in certificate.places]
    return [("index", f"{place.generation}, alias {place.alias}{note}") for place, note in notes]


def _count_rows(certificate: Certificate) -> list[tuple[str, str]]:
    kept_out = f", {certificate.filtered:,} of them kept out by where" if certificate.filtered else ""
    rows = [
        ("items", f"{certificate.items:,}{kept_out}"),
        ("documents", f"{certificate.documents:,}"),
        ("tombstones", f"{certificate.tombstones:,}"),
        ("in flight", f"{certificate.in_flight:,} differences that were gone at the second look"),
    ]
    return rows if certificate.in_flight else rows[:-1]


def _proof_rows(certificate: Certificate) -> list[tuple[str, str]]:
    seconds = certificate.ended_at - certificate.started_at
    compared = "digests and contents" if certificate.is_deep else "digests"
    return [
        ("compared", f"{compared}; a difference counts after {certificate.lag_seconds:g} s"),
        ("started", _instant(certificate.started_at)),
        ("ended", f"{_instant(certificate.ended_at)}, after {seconds:.1f} s"),
        ("digest of the table", certificate.table_digest),
        ("digest of the index", certificate.index_digest),
    ]


def _print_tally(heading: str, counts: "dict[Kind, int]", shown: Sequence[Difference]) -> None:
    for kind in (kind for kind in Kind if counts.get(kind)):
        click.echo(f"\n{heading}: {counts[kind]:,} {kind.label}. {kind.sentence}")
        for one in (one for one in shown if one.kind is kind):
            fields = f", fields {', '.join(one.fields)}" if one.fields else ""
            click.echo(f"  {one.generation}/{one.id}{fields}{f': {one.why}' if one.why else ''}")


def _verdict(certificate: Certificate) -> str:
    total = certificate.differences.counts.total()
    if not total:
        return "\nClean: the index equals the table."
    repaired = f", {certificate.repaired:,} repaired; verify again" if certificate.repaired else ""
    return f"\n{total:,} difference{'s' if total > 1 else ''}{repaired}."


def _instant(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
