"""The demo's end as a person reads it: account, freshness, searches, certificates, verdict.

Invariant: it shows what the result holds and judges nothing itself; differences are shown by id and field name alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tailrace.certificates import Certificate
from tailrace.differences import Kind
from tailrace_local.demo.freshness import Freshness
from tailrace_local.demo.results import AccountSummary, DemoResult, Disturbance
from tailrace_local.demo.searches import SearchResult

OUTCOMES = ("indexed", "deleted", "superseded", "stale", "duplicate", "filtered", "dead_lettered", "failed")
MOST_DIFFERENCES = 10
PLAIN_WIDTH = 120  # where no terminal says how wide it is


def print_report(result: DemoResult) -> None:
    """Everything, to standard output."""
    console = _open_console()
    for search in result.searches:
        _print_search(console, search)
    _print_source(console, result.disturbance)
    _print_account(console, result.account)
    _print_speed(console, result)
    _print_certificates(console, result)
    _print_verdict(console, result)


def print_endpoints(engine_url: str, tables_url: str) -> None:
    """Where to look around while everything is kept running; to standard error, beside the result."""
    for line in (
        "",
        "Everything keeps running until Ctrl-C. For example:",
        f"  curl '{engine_url}/flights/_search?q=dest:SFO&size=1&pretty'",
        f"  curl '{engine_url}/_cat/aliases?v'",
        "  AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_DEFAULT_REGION=us-east-1 \\",
        f"    aws --endpoint-url {tables_url} dynamodb scan --table-name airlines --max-items 1",
    ):
        click.echo(line, err=True)


def _open_console() -> Console:
    console = Console(highlight=False, markup=False)
    return console if console.is_terminal else Console(highlight=False, markup=False, width=PLAIN_WIDTH)


def _print_heading(console: Console, text: str) -> None:
    console.print(Text(f"\n{text}", style="bold"))


def _print_table(console: Console, headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    rows = list(rows)
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for heading, cells in zip(headings, zip(*rows, strict=True), strict=False):
        table.add_column(heading, justify="right" if all(map(_is_number, cells)) else "left", overflow="fold")
    for row in rows:
        table.add_row(*row)
    console.print(table)


_is_number = re.compile(r"-?[0-9][0-9,.]*").fullmatch


def _print_search(console: Console, search: SearchResult) -> None:
    _print_heading(console, search.title)
    console.print(f"GET {search.alias}/_search", style="dim")
    _print_table(console, search.columns, search.rows)


def _print_source(console: Console, disturbance: Disturbance | None) -> None:
    if disturbance is None:
        _print_heading(console, "Source: DynamoDB Streams")
        return
    _print_heading(console, "Source: Kinesis Data Streams for DynamoDB")
    console.print(
        f"{disturbance.changes:,} changes of all tables went into one data stream, {disturbance.duplicated:,} of them "
        f"twice and {disturbance.displaced:,} late, as the service may do.",
        soft_wrap=True,
    )


def _print_account(console: Console, account: AccountSummary) -> None:
    _print_heading(console, "Conservation account: every record that came in has an outcome")
    headings = ("table", "records in", *(name.replace("_", "-") for name in OUTCOMES))
    rows = [(table, *_counts(counts)) for table, counts in account.by_table.items()]
    _print_table(console, headings, [*rows, ("all", *_counts(account.total))])
    console.print(
        f"{account.changes:,} changes were made; {account.total['records_in']:,} records came in, in "
        f"{account.batches:,} batches: {max(0, account.redelivered):,} of them again, as delivery is at least once.",
        soft_wrap=True,
    )


def _counts(counts: Mapping[str, int]) -> list[str]:
    return [f"{counts[name]:,}" for name in ("records_in", *OUTCOMES)]


def _print_speed(console: Console, result: DemoResult) -> None:
    _print_heading(console, "Speed")
    console.print(
        f"{result.documents_per_second:,.0f} documents per second: {result.account.changes:,} changes, written in "
        f"{result.writing_seconds:.1f} s and all indexed {result.settling_seconds:.1f} s later.",
        soft_wrap=True,
    )
    console.print(_describe_freshness(result.freshness), soft_wrap=True)


def _describe_freshness(freshness: Freshness) -> str:
    if freshness.p50_seconds is None or freshness.p99_seconds is None:
        return "Freshness: no probe was found."
    found = "" if freshness.found == freshness.probes else f" ({freshness.probes - freshness.found} were never found)"
    return (
        f"Freshness: {freshness.probes} flights were written one at a time during all this, and searched for{found}: "
        f"from write to searchable p50 {freshness.p50_seconds:.2f} s, p99 {freshness.p99_seconds:.2f} s, "
        "the functions' first starts included."
    )


def _print_certificates(console: Console, result: DemoResult) -> None:
    _print_heading(console, "Every table verified against its indices, in both directions and by content")
    headings = ("table", "items", "documents", "tombstones", "differences", "digest of both sides")
    _print_table(console, headings, map(_certificate_row, result.certificates))
    check = result.cross_check
    console.print(
        f"Second opinion, without Tailrace's code: {check.items} items looked at, {len(check.differences)} differences."
    )


def _certificate_row(one: Certificate) -> Sequence[str]:
    counts = (f"{count:,}" for count in (one.items, one.documents, one.tombstones))
    kinds = one.differences.counts
    differences = ", ".join(f"{kinds[kind]:,} {kind.label}" for kind in Kind if kinds[kind])
    digest = one.table_digest if one.table_digest == one.index_digest else "they differ"
    return (one.table, *counts, differences or "0", digest)


def _print_verdict(console: Console, result: DemoResult) -> None:
    shown = list(islice(_describe_differences(result), MOST_DIFFERENCES))
    for line in shown:
        console.print(line, style="red", soft_wrap=True)
    if result.differences > len(shown):
        console.print(f"and {result.differences - len(shown):,} more differences", style="red")
    for complaint in result.complaints():
        console.print(f"Not good: {complaint}.", style="bold red")
    if result.is_good:
        items = sum(one.items - one.filtered for one in result.certificates)
        verdict = f"All {items:,} items equal their documents. Every record is accounted for."
        console.print(f"\n{verdict}", style="bold green")


def _describe_differences(result: DemoResult) -> Iterator[str]:
    for certificate in result.certificates:
        for one in certificate.differences.shown:
            yield _describe_difference(one.kind.label, one.id, one.generation, one.fields)
    for other in result.cross_check.differences:
        yield _describe_difference(f"second opinion, {other.kind}", other.id, other.alias, other.fields)


def _describe_difference(kind: str, id_: str, place: str, fields: Sequence[str]) -> str:
    names = f": {', '.join(fields)}" if fields else ""
    return f"{kind}: {id_} in {place}{names}"
