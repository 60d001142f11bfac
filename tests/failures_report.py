"""`make failures`: which rows of the failure list are covered by which tests, read from the tests themselves.

Invariant: a test covers a row when its name says `failure_22` or `failures_7_8`, or its text says `failure 22` or
`failures 7, 8`; a file covers what its first docstring says. Nothing is kept by hand.
"""

import ast
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from failures_rows import FAILURE_ROWS

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
    """The module and every test of it with the rows named: in names, and anywhere in the text, decorators included."""
    lines, module = source.splitlines(), ast.parse(source)
    yield "", rows_named("", ast.get_docstring(module) or "")
    for node in module.body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            yield f"::{node.name}", rows_named(node.name, "\n".join(lines[first - 1 : node.end_lineno]))


def rows_named(name: str, text: str) -> set[int]:
    """The rows that a test's name and text name."""
    told = [part for pair in _in_name(name) for part in pair] + _in_text(text)
    return {int(number) for part in told for number in _numbers(part)}


def render(covering: dict[int, list[str]]) -> str:
    """The report: each covered row with its tests, then the rows without one."""
    blocks = [
        "\n".join([f"{row:3} {FAILURE_ROWS[row]}", *(f"      {test}" for test in covering[row])])
        for row in FAILURE_ROWS
        if row in covering
    ]
    missing = [f"{row:3} {meaning}" for row, meaning in FAILURE_ROWS.items() if row not in covering]
    figures = f"{len(blocks)} of {len(FAILURE_ROWS)} rows are covered."
    return "\n".join([*blocks, "", "Without a test:", *missing, "", figures, ""])


if __name__ == "__main__":
    sys.stdout.write(render(coverage()))
