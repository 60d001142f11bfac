"""`make bench`: every figure of docs/benchmarks.md, as ratios in one run; `--write` puts them into the page.

Invariant: composition only; a section that was asked for is measured, shown and, if wanted, written, one by one.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime

from rich.console import Console

from benchmarks.pages import describe_machine, write_figures
from benchmarks.sections import SECTIONS
from benchmarks.servers import Servers
from tailrace.errors import UserError

EXIT_USAGE = 2
FILE_COLUMNS = 140


def read_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """`sections` (all of them where none is named) and `write`. Ends with status 2 after a mistake."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure what docs/benchmarks.md shows.")
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=f"one of: {', '.join(SECTIONS)}; without: all")
    parser.add_argument("--write", action="store_true", help="put the figures into docs/benchmarks.md")
    given = parser.parse_args(arguments)
    if unknown := [name for name in given.sections if name not in SECTIONS]:
        parser.error(f"there is no section {unknown[0]}: the sections are {', '.join(SECTIONS)}")
    given.sections = given.sections or list(SECTIONS)
    return given


def run(sections: Sequence[str], console: Console, *, is_written: bool) -> None:
    """Measure these sections in this order. Raises UserError where a server or a package cannot be had."""
    console.print(describe_machine(), highlight=False)
    with Servers() as servers:
        for name in sections:
            started = time.monotonic()
            figures = SECTIONS[name](servers)
            console.print(f"\n{figures.title} ({time.monotonic() - started:.0f} s)", highlight=False)
            console.print(figures.as_table(), *figures.notes, sep="\n", highlight=False)
            if is_written:
                write_figures(name, figures, datetime.now(UTC).date())


def main(arguments: Sequence[str]) -> int:
    """The exit status."""
    given = read_arguments(arguments)
    try:
        run(given.sections, Console(width=None if sys.stdout.isatty() else FILE_COLUMNS), is_written=given.write)
    except UserError as error:
        print(f"Error: {error}", file=sys.stderr)
        return EXIT_USAGE
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
