"""`make failures`: which rows of the failure list are covered by which tests, read from the tests themselves.

Invariant: a test covers a row when its name says `failure_22` or `failures_7_8`, or its text says `failure 22` or
`failures 7, 8`; a file or a class covers what its first docstring says. Nothing is kept by hand but the sentences why
a row cannot arise.
"""

import ast
import re
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

from failures_rows import CANNOT_ARISE, FAILURE_ROWS

TESTS = Path(__file__).resolve().parent
OWN_TEST = TESTS / "unit" / "test_failures_report.py"  # its examples are no coverage
_in_name = re.compile(r"failure_(\d+)|failures((?:_\d+)+)").findall
_in_text = re.compile(r"\b[Ff]ailures? (\d+(?:(?:, | and )\d+)*)").findall
_numbers = re.compile(r"\d+").findall


def coverage(folder: Path = TESTS) -> dict[int, list[str]]:
    """Each row that is covered, with the tests that name it as `file::test`, or files."""
    covering: defaultdict[int, list[str]] = defaultdict(list)
    for path in sorted(set(folder.rglob("test_*.py")) - {OWN_TEST}):
        for test, rows in _tests(path.read_text(encoding="utf-8")):
            for row in rows:
                covering[row].append(f"{path.relative_to(folder)}{test}")
    return dict(sorted(covering.items()))


def _tests(source: str) -> Iterator[tuple[str, set[int]]]:
    """The module, its classes and every test with the rows named: in names, and anywhere in the text of a test."""
    lines, module = source.splitlines(), ast.parse(source)
    yield "", rows_named("", ast.get_docstring(module) or "")
    for owner, node in _members(module):
        if isinstance(node, ast.ClassDef):
            yield f"::{node.name}", rows_named("", ast.get_docstring(node) or "")
        elif isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            yield f"{owner}::{node.name}", rows_named(node.name, "\n".join(lines[first - 1 : node.end_lineno]))


def _members(module: ast.Module) -> Iterator[tuple[str, ast.stmt]]:
    """What stands at the top of a module, and in its classes."""
    for node in module.body:
        yield "", node
        if isinstance(node, ast.ClassDef):
            yield from ((f"::{node.name}", inner) for inner in node.body)


def rows_named(name: str, text: str) -> set[int]:
    """The rows that a test's name and text name."""
    told = [part for pair in _in_name(name) for part in pair] + _in_text(text)
    return {int(number) for part in told for number in _numbers(part)}


def render(covering: dict[int, list[str]], cannot_arise: Mapping[int, str] = CANNOT_ARISE) -> str:
    """The report: each covered row with its tests, the rows that cannot arise with their reason, then the open ones."""
    covered = [
        "\n".join([_line(row), *(f"      {test}" for test in covering[row])]) for row in FAILURE_ROWS if row in covering
    ]
    absent = [f"{_line(row)}\n      {why}" for row, why in cannot_arise.items() if row not in covering]
    still_open = sorted(open_rows(covering, cannot_arise))
    figures = f"{len(covered)} of {len(FAILURE_ROWS)} rows are covered, {len(absent)} cannot arise, "
    parts = [*covered, "", "Cannot arise:", *absent, "", "Open:", *map(_line, still_open), ""]
    return "\n".join([*parts, f"{figures}{len(still_open)} are open.", ""])


def open_rows(covering: Mapping[int, object], cannot_arise: Mapping[int, str] = CANNOT_ARISE) -> set[int]:
    """The rows without a test and without a sentence."""
    return FAILURE_ROWS.keys() - covering.keys() - cannot_arise.keys()


def render_absent() -> list[str]:
    """The lines of the table in docs/guarantees.md: what cannot arise, and why."""
    rows = [f"| {row} | {FAILURE_ROWS[row]} | {why} |" for row, why in CANNOT_ARISE.items()]
    return ["| Row | What happens elsewhere | Why it cannot arise here |", "|---|---|---|", *rows]


def _line(row: int) -> str:
    return f"{row:3} {FAILURE_ROWS[row]}"


if __name__ == "__main__":
    sys.stdout.write(render(coverage()))
