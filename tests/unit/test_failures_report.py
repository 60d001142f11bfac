"""The report of failure rows counts what tests say of themselves, and the rows of the finished parts stay covered."""

import pytest
from failures_report import coverage, render, rows_named
from failures_rows import FAILURE_ROWS

CONVERGENCE = {*range(1, 4), *range(6, 26), *range(38, 41), 50, 52, 63, *range(78, 83)}


@pytest.mark.parametrize(
    ("name", "text", "rows"),
    [
        ("test_failure_22_remove_then_insert", "", {22}),
        ("test_failure_3_two_writes_of_1_second", "", {3}),
        ("test_failures_7_8_ids", "", {7, 8}),
        ("test_ids", '"""As in failures 7, 8 and 85."""', {7, 8, 85}),
        ("test_tables", "{},  # failure 20", {20}),
        ("test_of_a_failure", "failures happen", set()),
    ],
)
def test_rows_are_read_from_names_and_texts(name, text, rows):
    assert rows_named(name, text) == rows


def test_a_report_names_what_is_covered_and_what_is_not(tmp_path):
    (tmp_path / "test_x.py").write_text("def test_failure_2_a():\n    pass\n\ndef helper():\n    'failure 3'\n")

    report = render(coverage(tmp_path))

    covered = "  2 a backfilled row overwrites or revives what was removed since\n      test_x.py::test_failure_2_a\n"
    assert report.startswith(covered)
    assert "Without a test:\n  1 stream records expire while a backfill runs\n  3 the later of two" in report
    assert report.endswith("1 of 86 rows are covered.\n")


def test_no_test_names_a_row_that_does_not_exist():
    assert set(coverage()) <= set(FAILURE_ROWS) == set(range(1, 87))


def test_every_row_about_convergence_is_covered():
    assert CONVERGENCE - set(coverage()) == set()
