"""The demo while it runs: bars for a person at a terminal, a plain line every few seconds for everybody else.

Invariant: all of it goes to standard error, so that standard output holds the result alone.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from tailrace_local.demo.results import Progress, TableProgress

PLAIN_SECONDS = 3.0
BAR_WIDTH = 30


class Display(Protocol):
    """Where the demo tells how it gets on; a context manager."""

    def notify(self, line: str) -> None:
        """One line about something that takes long."""

    def show(self, progress: Progress) -> None:
        """How it stands now."""

    def close(self) -> None:
        """No more of it; harmless when done twice."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None: ...


def open_display() -> Display:
    """Bars where standard error is a terminal, else lines."""
    return LiveDisplay() if sys.stderr.isatty() else PlainDisplay()


class PlainDisplay:
    """A line every few seconds, and one whenever something else is being done."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._phase = ""
        self._next_line = 0.0

    def notify(self, line: str) -> None:
        """See `Display.notify`."""
        click.echo(line, err=True)

    def show(self, progress: Progress) -> None:
        """See `Display.show`."""
        if progress.phase == self._phase and self._clock() < self._next_line:
            return
        self._phase, self._next_line = progress.phase, self._clock() + PLAIN_SECONDS
        click.echo(
            f"{progress.seconds:5.1f} s  {progress.phase}: {progress.written:,} of {progress.writes:,} written, "
            f"{progress.in_stream:,} in the stream, {progress.indexed:,} indexed",
            err=True,
        )

    def close(self) -> None:
        """See `Display.close`."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


class LiveDisplay:
    """A table that is drawn again and again, with a bar for each table; it vanishes at the end."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False, markup=False)
        self._live = Live(console=self._console, transient=True, refresh_per_second=8)

    def notify(self, line: str) -> None:
        """See `Display.notify`."""
        self._console.print(line)

    def show(self, progress: Progress) -> None:
        """See `Display.show`."""
        self._live.start()
        self._live.update(draw(progress))

    def close(self) -> None:
        """See `Display.close`."""
        self._live.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def draw(progress: Progress) -> Group:
    """The progress as a person sees it."""
    table = Table("table", "", box=SIMPLE_HEAD, pad_edge=False)
    for heading in ("written", "of", "in the stream", "indexed"):
        table.add_column(heading, justify="right")
    for one in progress.tables:
        table.add_row(one.table, *_cells(one))
    table.add_row("all", *_cells(progress))
    return Group(Text(f"{progress.seconds:5.1f} s  {progress.phase}"), table)


def _cells(one: TableProgress | Progress) -> list[ProgressBar | str]:
    bar = ProgressBar(total=max(1, one.writes), completed=min(one.indexed, one.writes), width=BAR_WIDTH)
    return [bar, *(f"{count:,}" for count in (one.written, one.writes, one.in_stream, one.indexed))]
