"""The laptop's exports: what an item was at a moment, and what changed in a window, by what a stream tells."""

import pytest

from tailrace_local.emulator_exports import compact, undo

MOMENT = 1_700_000_000.0


def item(id_, **more):
    return {"id": {"S": id_}} | {name: {"S": value} for name, value in more.items()}


def record(after, old=None, new=None):
    """A change so many seconds after the moment; the emulator's sequence numbers begin with milliseconds."""
    images = {"OldImage": old, "NewImage": new}
    told = {"Keys": {"id": (new or old)["id"]}, "SequenceNumber": f"{int((MOMENT + after) * 1000):020d}{7:010d}"}
    return {"dynamodb": told | {name: image for name, image in images.items() if image}}


A, B = item("a", v="1"), item("a", v="2")


@pytest.mark.parametrize(
    ("now", "records", "then"),
    [
        ([A], [], [A]),
        ([B], [record(1, A, B)], [A]),
        ([B], [record(-1, A, B)], [B]),
        ([A], [record(1, None, A)], []),
        ([], [record(1, A, None)], [A]),
        ([], [record(1, None, A), record(2, A, None)], []),
        ([B], [record(-2, None, A), record(1, A, None), record(2, None, B)], [A]),
        ([A, item("b")], [record(1, B, A)], [item("b"), B]),
    ],
)
def test_a_full_export_holds_the_items_of_its_moment(now, records, then):
    assert list(undo(now, records, ["id"], MOMENT)) == then


@pytest.mark.parametrize(
    ("records", "told"),
    [
        ([record(1, None, A)], [(None, A, 1)]),
        ([record(1, A, B)], [(A, B, 1)]),
        ([record(1, A, None)], [(A, None, 1)]),
        ([record(1, None, A), record(2, A, B)], [(None, B, 2)]),
        ([record(1, A, B), record(2, B, None)], [(A, None, 2)]),
        ([record(1, None, A), record(2, A, None)], []),
        ([record(1, A, None), record(2, None, B)], [(A, B, 2)]),
        ([record(-1, None, A), record(0, A, B)], [(A, B, 0)]),
        ([record(9, A, B), record(10, B, None)], [(A, B, 9)]),
        ([record(1, None, A), record(2, None, item("b"))], [(None, A, 1), (None, item("b"), 2)]),
    ],
)
def test_an_incremental_export_holds_the_last_state_of_each_item_that_changed_in_its_window(records, told):
    changes = compact(records, MOMENT, MOMENT + 10)

    assert [(each["OldImage"], each["NewImage"], each["micros"] / 1e6 - MOMENT) for each in changes] == told
