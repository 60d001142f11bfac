"""Order of changes."""

import pytest

from tailrace.versions import Verdict, compare_sequence_numbers, version_of_seconds


@pytest.mark.parametrize(
    ("seconds", "version"), [(1_763_726_400, 1_763_726_400_000_000_000), (1693997155.0, 1693997155000000000)]
)
def test_a_whole_second_is_scaled_to_nanoseconds(seconds, version):
    assert version_of_seconds(seconds) == version


@pytest.mark.parametrize(
    ("ours", "stored", "verdict"),
    [
        ("9" * 21, "1" + "0" * 21, Verdict.STALE),  # 21 digits against 22: text would say the opposite (trap 2)
        ("1" + "0" * 21, "9" * 21, Verdict.NEWER),
        ("7", "7", Verdict.DUPLICATE),
        ("007", "7", Verdict.DUPLICATE),
        (None, "7", Verdict.UNDECIDED),
        ("7", None, Verdict.UNDECIDED),
    ],
)
def test_sequence_numbers_compare_as_integers(ours, stored, verdict):
    assert compare_sequence_numbers(ours, stored) is verdict
