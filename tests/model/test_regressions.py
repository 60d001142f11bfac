"""Histories that once ended wrong, each as small as it could be made."""

import pytest
from builders import SECOND, Indexer, change_record, order

from model.judging import judge_on_twin
from model.real_judge import RealJudge
from model.steps import Step
from model.wires import scan_record
from tailrace.pipeline import Pipeline

RIDES, GAUGES, ROUTES = 3, 5, 6

# What the table settled was written under the event id of a change that it was not, and taken for its duplicate.
TIE_UNDER_THE_NAME_OF_ONE = (
    Step("put", table=GAUGES, key=1),
    Step("deliver", table=GAUGES, meanwhile=(Step("remove", table=GAUGES, key=1),)),
    Step("deliver", table=GAUGES),
)
# Of two changes of one instant one was dead-lettered for both; its replay alone brought the older one.
ONE_DEAD_LETTER_FOR_TWO = (
    Step("put", table=ROUTES),
    Step("put", table=ROUTES),
    Step("deliver", table=ROUTES, amount=1, fault="refused", at=1),
)
# An instance that had read the table lost the race, and then wrote what it had read above what the winner had read.
TWO_READERS = (
    Step("put", table=GAUGES),
    Step("deliver", table=GAUGES, amount=1),
    Step("put", table=GAUGES),
    Step(
        "deliver",
        table=GAUGES,
        amount=1,
        at=3,
        meanwhile=(Step("put", table=GAUGES), Step("deliver", table=GAUGES, amount=1)),
    ),
)
# With hard deletes nothing is left that could refuse a write: the item was read, then removed by another instance, and
# only then written.
REMOVED_BETWEEN_READING_AND_WRITING = (
    Step("put", table=RIDES, key=2),
    Step("remove", table=RIDES, key=2),
    Step("deliver", table=RIDES, amount=1),
    Step("put", table=RIDES, key=2),
    Step(
        "deliver",
        table=RIDES,
        at=3,
        meanwhile=(Step("remove", table=RIDES, key=2), Step("deliver", table=RIDES, amount=1)),
    ),
)
# The same, the item changed in between instead of removed.
CHANGED_BETWEEN_READING_AND_WRITING = (
    Step("put", table=RIDES),
    Step("remove", table=RIDES),
    Step("wait", amount=7),
    Step("wait", amount=1),
    Step("deliver", table=RIDES, amount=1),
    Step("put", table=RIDES),
    Step(
        "replay",
        table=RIDES,
        amount=21,
        at=3,
        meanwhile=(Step("put", table=RIDES), Step("deliver", table=RIDES, amount=1)),
    ),
)
HISTORIES = [
    TIE_UNDER_THE_NAME_OF_ONE,
    ONE_DEAD_LETTER_FOR_TWO,
    TWO_READERS,
    REMOVED_BETWEEN_READING_AND_WRITING,
    CHANGED_BETWEEN_READING_AND_WRITING,
]


@pytest.mark.parametrize("history", HISTORIES)
def test_a_history_that_once_ended_wrong_ends_right(history):
    assert judge_on_twin(history) is None


@pytest.mark.slow
@pytest.mark.both_engines
def test_the_histories_that_once_ended_wrong_end_right_on_a_real_engine(opensearch, corner):
    assert RealJudge(opensearch, corner).judge(dict(enumerate(HISTORIES))).divergences == {}


def total(number):
    return order(total={"N": str(number)})


def test_what_was_read_from_the_table_is_not_taken_for_the_change_that_asked():
    indexer = Indexer()
    indexer.items.tables["orders"] = [total(3)]
    first = change_record(new=total(1), sequence=1)
    second = change_record("MODIFY", new=total(2), old=total(1), sequence=2)
    third = change_record("MODIFY", new=total(3), old=total(2), sequence=3)
    indexer.index(first, second, third)
    pipeline = Pipeline(indexer.tables, indexer.engine, indexer.letters, indexer.items, indexer.clock)
    backfilled = scan_record("orders", {"id": {"S": "o-1"}}, total(3), SECOND * 1_000_000, 1)
    pipeline.process([backfilled], indexer.clock.now() + 30)

    indexer.index(first)
    indexer.index(second)

    assert indexer.engine.visible("orders")["o-1"]["total"] == 3
