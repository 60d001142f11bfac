"""Stream events to change records."""

import pytest
from builders import STREAM_ARN, change_record, event, order, sequence_number, stream_arn

from tailrace.decoding import UnknownEventError, decode_event
from tailrace.records import ChangeRecord, Undecodable
from tailrace.stream_records import table_of_stream


def decode(*records):
    return decode_event(event(*records))


def test_a_stream_record_becomes_a_change_record():
    wire = change_record(op="MODIFY", new=order(total={"N": "2"}), old=order(), sequence=5)

    [record] = decode(wire)

    assert record == ChangeRecord(
        table="orders",
        operation="modify",
        keys={"id": {"S": "o-1"}},
        new_image=order(total={"N": "2"}),
        old_image=order(),
        sequence_number=sequence_number(5),
        event_id="0" * 31 + "5",
        instant_ns=1_763_726_400_000_000_000,
        source="streams",
        source_arn=STREAM_ARN,
        is_ttl_delete=False,
        view_type="NEW_AND_OLD_IMAGES",
        position=sequence_number(5),
        wire=wire,
    )


def test_the_table_is_cut_from_an_arn_whose_label_holds_colons():
    assert (
        table_of_stream("arn:aws:dynamodb:eu-west-1:1:table/My.Table_x-y/stream/2015-05-11T21:21:33.291")
        == "My.Table_x-y"
    )


@pytest.mark.parametrize("seconds", [1693997155, 1693997155.0, 1693997155.9])
def test_the_time_may_be_int_or_float(seconds):
    assert decode(change_record(second=seconds))[0].instant_ns == 1693997155 * 10**9


@pytest.mark.parametrize("key", ["principalId", "PrincipalId"])
def test_a_ttl_delete_is_known_by_its_user_identity(key):
    identity = {"type": "Service", key: "dynamodb.amazonaws.com"}

    assert decode(change_record(op="REMOVE", userIdentity=identity))[0].is_ttl_delete


def test_trap_15_a_plain_remove_is_no_ttl_delete():
    assert not decode(change_record(op="REMOVE", userIdentity=None))[0].is_ttl_delete


def test_failure_80_unknown_fields_are_tolerated():
    assert isinstance(decode(change_record(newField={"x": 1}))[0], ChangeRecord)


def without(record, *path):
    *parents, last = path
    target = record
    for name in parents:
        target = target[name]
    del target[last]
    return record


@pytest.mark.parametrize(
    ("wire", "reason"),
    [
        (without(change_record(), "dynamodb"), "undecodable"),
        (without(change_record(), "dynamodb", "Keys"), "undecodable"),
        (without(change_record(), "dynamodb", "SequenceNumber"), "undecodable"),
        (without(change_record(), "dynamodb", "ApproximateCreationDateTime"), "undecodable"),
        (without(change_record(), "eventSourceARN"), "undecodable"),
        (change_record(eventSourceARN="arn:aws:sqs:us-east-1:1:queue"), "undecodable"),
        (change_record(eventName="TRUNCATE"), "undecodable"),
        (change_record(second=float("inf")), "undecodable"),
        (change_record(dynamodb="text"), "undecodable"),
        ("text", "undecodable"),
        (None, "undecodable"),
        ([], "undecodable"),
        (change_record(eventSourceARN=stream_arn('x"y')), "undecodable"),
        (change_record(eventSource="aws:sqs"), "unknown_source"),
        (change_record(eventSource=["aws:dynamodb"]), "unknown_source"),
    ],
)
def test_failures_39_43_a_record_that_cannot_be_read_is_kept_whole_between_its_neighbours(wire, reason):
    first, middle, last = decode(change_record(sequence=1), wire, change_record(sequence=3))

    assert isinstance(first, ChangeRecord)
    assert isinstance(last, ChangeRecord)
    assert isinstance(middle, Undecodable)
    assert (middle.reason, middle.wire) == (reason, wire)


def test_two_records_of_one_misspelled_arn_are_both_refused():
    odd = change_record(eventSourceARN="arn:aws:sqs:us-east-1:1:queue")

    assert [type(record) for record in decode(change_record(), odd, odd)] == [ChangeRecord, Undecodable, Undecodable]


@pytest.mark.parametrize("other", [{}, None, [], "text", {"Records": None}, {"Records": {"a": 1}}])
def test_an_event_without_records_is_an_error_of_the_invocation(other):
    with pytest.raises(UnknownEventError):
        decode_event(other)
