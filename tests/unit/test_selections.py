"""Times as people write them, and what is refused."""

import pytest

from tailrace.errors import UserError
from tailrace.selections import Selection, parse_time, select_by_event

NOW = 1_763_726_400.0  # 2025-11-21T12:00:00Z


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", NOW - 90),
        ("30m", NOW - 1_800),
        ("2h", NOW - 7_200),
        ("3d", NOW - 259_200),
        ("1w", NOW - 604_800),
        ("2025-11-21T12:00:00Z", NOW),
        ("2025-11-21T12:00:00", NOW),
        ("2025-11-21T13:30:00.250+01:30", NOW + 0.25),
        ("2025-11-21", NOW - 43_200),
    ],
)
def test_a_time_is_an_instant_or_a_time_ago(text, seconds):
    assert parse_time(text, NOW) == seconds


@pytest.mark.parametrize("text", ["", "3", "d", "-3d", "3 d", "3D", "yesterday", "2025-13-01", "9" * 10 + "w", "٣d\n"])
def test_what_is_no_time_is_refused_with_examples(text):
    with pytest.raises(UserError, match="is no time: write an instant or a time ago, such as 2026-11-21T12:00:00Z"):
        parse_time(text, NOW)


@pytest.mark.parametrize(
    ("event", "selection"),
    [
        ({}, Selection(letters=False)),
        ({"detail-type": "Scheduled Event", "table": "x"}, Selection(letters=False)),
        ({"letters": True}, Selection()),
        ({"reason": "x"}, Selection(reason="x")),
        ({"until": "1h"}, Selection(until=NOW - 3_600)),
        ({"parked": True}, Selection(parked=True, batches=False)),
        ({"parked": True, "batches": True}, Selection(parked=True)),
        ({"table": "orders", "letters": False}, Selection(table="orders", letters=False)),
    ],
)
def test_an_event_selects_batches_and_letters_only_when_it_asks_for_them(event, selection):
    assert select_by_event(event, NOW) == selection


def test_a_table_that_begins_with_another_ones_name_is_not_its():
    assert Selection(table="orders").prefixes() == ["dead-letters/orders/", "aws/lambda/"]
    assert Selection(table="orders", parked=True, batches=False).prefixes() == ["parked/orders/"]
