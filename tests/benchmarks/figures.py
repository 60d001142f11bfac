"""A table of figures, for the terminal and for the page.

Invariant: both show the same text; nothing is rounded twice.
"""

from dataclasses import dataclass

from rich.table import Table


@dataclass(frozen=True, slots=True)
class Figures:
    """One table: its title, its columns, rows of text, notes below it; and what is drawn of it, file name to SVG."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()
    drawings: tuple[tuple[str, str], ...] = ()

    def as_table(self) -> Table:
        """For the terminal, without title and notes."""
        first, *others = self.columns
        table = Table(first)
        for column in others:
            table.add_column(column, justify="right")
        for row in self.rows:
            table.add_row(*(cell.replace("`", "") for cell in row))
        return table

    def as_markdown(self) -> str:
        """For the page, without the title."""
        dashes = ("---", *("---:" for _ in self.columns[1:]))
        lines = [f"| {' | '.join(cells)} |" for cells in (self.columns, dashes, *self.rows)]
        return "\n\n".join(["\n".join(lines), *self.notes])


def count(value: float) -> str:
    """A large number, such as `12,814`."""
    return f"{value:,.0f}"


def tenths(value: float) -> str:
    """A small number with one digit after the point; from a hundred on without."""
    return f"{value:.1f}" if value < 100 else count(value)


def hundredths(value: float | None, unit: str = "") -> str:
    """A ratio or seconds with two digits after the point; a hyphen where there is none."""
    return "-" if value is None else f"{value:.2f}{unit}"
