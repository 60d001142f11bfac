"""What commands print: JSON for machines, tables for people, and plain text where nobody watches.

Invariant: standard output holds the result and nothing else; with `--json` it is one JSON document.
"""

import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import click
import orjson

Command = TypeVar("Command", bound=Callable[..., Any])


def json_option(command: Command) -> Command:
    """The option `--json`, as parameter `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of text.")(command)


def is_terminal() -> bool:
    """Whether a person watches standard output."""
    return sys.stdout.isatty()


def print_json(value: Any) -> None:
    """One JSON document, indented, its keys in the order given; `orjson.Fragment` passes through."""
    click.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())


def print_rows(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table: ruled on a terminal, else columns parted by two blanks under a line of headings."""
    rows = [list(row) for row in rows]
    if is_terminal():
        _print_ruled(headings, rows)
    else:
        _print_columns([list(headings), *rows])


def _print_ruled(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    table = Table(*headings, box=SIMPLE_HEAD)
    for row in rows:
        table.add_row(*row)
    Console(markup=False, highlight=False).print(table)


def _print_columns(rows: Sequence[Sequence[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
