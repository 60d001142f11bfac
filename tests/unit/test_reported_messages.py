"""Failure 57: of the messages of a batch, exactly the one that failed is named, by the number that Lambda gave it."""

import pytest
from builders import Indexer, change_record, order, sequence_number
from kinesis_builders import envelope, kinesis_payload, kinesis_position, kinesis_record

from tailrace.ports import ItemResult

REFUSED = ItemResult(403, "security_exception")
NAMES = ("a", "b", "c")


def by_streams(record, _):
    return record


def by_kinesis(record, position):
    return kinesis_record(kinesis_payload(record), position)


def by_replicator(record, position):
    return kinesis_record(envelope(record), position)


PATHS = {
    "streams": (by_streams, sequence_number),
    "kinesis": (by_kinesis, kinesis_position),
    "replicator": (by_replicator, kinesis_position),
}
each_path = pytest.mark.parametrize(("carry", "named"), PATHS.values(), ids=PATHS)


def messages(carry):
    """Three messages, numbered 1, 2 and 3."""
    return [carry(change_record(new=order(name), sequence=n), n) for n, name in enumerate(NAMES, start=1)]


def refusing(*names):
    indexer = Indexer()
    indexer.engine.aliases.add("orders")
    indexer.engine.refuse = lambda alias, id_, source: REFUSED if id_ in names else None
    return indexer


@each_path
@pytest.mark.parametrize("number", [1, 2, 3])
def test_failure_57_of_three_messages_only_the_one_that_fails_is_reported(carry, named, number):
    indexer = refusing(NAMES[number - 1])

    report = indexer.index(*messages(carry))

    assert report.as_response() == {"batchItemFailures": [{"itemIdentifier": named(number)}]}
    assert [(problem.position, problem.outcome) for problem in report.problems] == [(named(number), "failed")]
    assert report.account.as_dict()["indexed"] == 2


@each_path
def test_failure_57_of_several_that_fail_the_first_is_reported_and_each_has_its_own_line(carry, named):
    report = refusing("b", "c").index(*messages(carry))

    assert report.as_response() == {"batchItemFailures": [{"itemIdentifier": named(2)}]}
    assert [problem.position for problem in report.problems] == [named(2), named(3)]


@each_path
def test_failure_57_a_dead_letter_is_not_reported_and_is_of_its_own_message(carry, named):
    indexer = Indexer()
    records = messages(carry)
    records[1] = carry(change_record(new=order("b", total={"N": "x"}), sequence=2), 2)

    report = indexer.index(*records)

    assert report.as_response() == {"batchItemFailures": []}
    assert [(problem.position, problem.reason) for problem in report.problems] == [(named(2), "illegal_item")]


@each_path
def test_failure_57_what_is_delivered_again_from_the_reported_message_on_ends_with_all_three(carry, named):
    indexer = refusing("b")
    records = messages(carry)
    first = indexer.index(*records)
    indexer.engine.refuse = None

    again = indexer.counts(*records[1:])

    assert first.as_response() == {"batchItemFailures": [{"itemIdentifier": named(2)}]}
    assert again == {"indexed": 1, "duplicate": 1}
    assert sorted(indexer.engine.visible("orders")) == ["a", "b", "c"]
