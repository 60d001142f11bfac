"""The report of failure rows counts what tests say of themselves, and the rows of the finished parts stay covered."""

from pathlib import Path

import pytest
from failures_report import coverage, open_rows, render, render_absent, rows_named
from failures_rows import CANNOT_ARISE, FAILURE_ROWS

GUARANTEES = Path(__file__).resolve().parents[2] / "docs/guarantees.md"
CONVERGENCE = {*range(1, 4), *range(6, 26), *range(38, 41), 50, 52, 63, *range(78, 83)}
DELIVERY = {
    4, 5, 10, 16, 17, *range(26, 38), *range(41, 50), 51, *range(53, 56), *range(57, 63), 79, 81, 83, 84,
}  # fmt: skip
REINDEX = {1, 2, 41, 42, 47, 55, 56, 64, 83}


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

    report = render(coverage(tmp_path), {2: "never", 4: "no shard is read"})

    covered = "  2 a backfilled row overwrites or revives what was removed since\n      test_x.py::test_failure_2_a\n"
    assert report.startswith(covered)
    assert "Cannot arise:\n  4 a throttled source read skips a shard\n      no shard is read\n\nOpen:\n  1 " in report
    assert report.endswith("1 of 86 rows are covered, 1 cannot arise, 84 are open.\n")


def test_tests_in_classes_count_and_so_does_what_the_class_says(tmp_path):
    (tmp_path / "test_x.py").write_text("class TestIt:\n    'failure 7'\n    def test_failure_5_a(self): pass\n")

    assert coverage(tmp_path) == {5: ["test_x.py::TestIt::test_failure_5_a"], 7: ["test_x.py::TestIt"]}


def test_no_test_names_a_row_that_does_not_exist():
    assert set(coverage()) <= set(FAILURE_ROWS) == set(range(1, 87))


def test_every_row_about_convergence_is_covered():
    assert CONVERGENCE - set(coverage()) == set()


def test_every_row_about_reindexing_is_covered():
    assert REINDEX - set(coverage()) == set()


def test_every_row_about_delivery_is_covered_or_cannot_arise():
    assert DELIVERY & open_rows(coverage()) == set()


def test_what_cannot_arise_is_a_row_and_stands_in_the_docs_as_it_is_here():
    printed = GUARANTEES.read_text().partition("<!-- cannot arise -->\n")[2].partition("<!-- /cannot arise -->")[0]

    assert set(FAILURE_ROWS) >= set(CANNOT_ARISE)
    assert printed.splitlines() == render_absent()
