"""Order of changes."""

import pytest

from tailrace.ports import StoredDocument
from tailrace.versions import (
    Verdict,
    compare_changes,
    compare_sequence_numbers,
    version_of_instant,
    version_of_seconds,
)

INSTANT = 1_763_726_400_123_456_000


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


@pytest.mark.parametrize(
    ("instant", "precision", "version"),
    [
        (1_763_726_400_123_456, "MICROSECOND", INSTANT),
        (1_763_726_400_123, "MILLISECOND", 1_763_726_400_123_000_000),
        (1_763_726_400_123_456, None, INSTANT),
        (1_763_726_400_123, None, 1_763_726_400_123_000_000),
        (1_763_726_400, None, 1_763_726_400_000_000_000),
        (99_999_999_999_999, None, 99_999_999_999_999_000_000),
        (100_000_000_000_000, None, 100_000_000_000_000_000),
    ],
)
def test_failure_80_an_instant_is_scaled_by_its_unit(instant, precision, version):
    assert version_of_instant(instant, precision) == version


@pytest.mark.parametrize(("instant", "precision"), [(1_763_726_400_123, "MICROSECOND"), (1, "MILLISECOND"), (1, "DAY")])
def test_trap_10_a_flag_that_contradicts_the_magnitude_is_refused(instant, precision):
    with pytest.raises(ValueError, match="ApproximateCreationDateTimePrecision"):
        version_of_instant(instant, precision)


def change(version, sequence_number=None, event_id=None):
    return StoredDocument(version, sequence_number, event_id)


@pytest.mark.parametrize(
    ("ours", "theirs", "verdict"),
    [
        (change(INSTANT + 1000, None, "a"), change(INSTANT, None, "b"), Verdict.NEWER),
        (change(INSTANT, None, "a"), change(INSTANT + 1000, None, "b"), Verdict.STALE),
        (change(INSTANT, None, "a"), change(INSTANT, None, "a"), Verdict.DUPLICATE),
        (change(INSTANT, None, "a"), change(INSTANT, None, "b"), Verdict.UNDECIDED),
        (change(INSTANT), change(INSTANT), Verdict.UNDECIDED),
        (change(INSTANT, None, "a"), change(INSTANT + 7, None, "b"), Verdict.UNDECIDED),  # settled above it before
        (change(INSTANT, None, "a"), change(1_763_726_400_123_000_000, None, "b"), Verdict.UNDECIDED),  # ms against µs
        (change(INSTANT, None, "a"), change(1_763_726_400_000_000_000, None, "b"), Verdict.UNDECIDED),  # s against µs
        (change(INSTANT, None, "a"), change(1_763_726_400_122_000_000, None, "b"), Verdict.NEWER),
        (change(INSTANT, None, "a"), change(INSTANT + 1000, "7", "a"), Verdict.UNDECIDED),  # Kinesis against Streams
        (change(INSTANT, "7", "a"), change(INSTANT + 1000, "6", "b"), Verdict.NEWER),
        (change(INSTANT, "7", "a"), change(INSTANT, "7", "b"), Verdict.DUPLICATE),
    ],
)
def test_trap_13_changes_are_ordered_by_sequence_number_or_instant_and_never_guessed(ours, theirs, verdict):
    assert compare_changes(ours, theirs) is verdict
