"""Kinesis records to change records."""

import base64

import pytest
from builders import STREAM_ARN, change_record, event, order, sequence_number
from kinesis_builders import (
    MICROSECOND,
    STREAM,
    envelope,
    kinesis_change,
    kinesis_payload,
    kinesis_position,
    kinesis_record,
    twice_encoded,
)

from tailrace.actions import Planner
from tailrace.decoding import decode_event
from tailrace.records import ChangeRecord, Undecodable
from tailrace.tables import load_tables

BYTES = base64.b64encode(b"\x12\x02\x08\x7b").decode()  # EgIIew==, twice RWdJSWV3PT0=
TABLES = load_tables({"tables": {}})


def decode(*records):
    return decode_event(event(*records))


def decode_one(payload):
    [record] = decode(kinesis_record(payload))
    return record


def payload(at=MICROSECOND, precision="MICROSECOND", **overrides):
    return kinesis_payload(change_record(), at, precision, **overrides)


def without(mapping, name):
    return {key: value for key, value in mapping.items() if key != name}


def test_trap_9_a_record_without_sequence_number_and_view_type_becomes_a_change_record():
    wire = kinesis_change("MODIFY", new=order(total={"N": "2"}), old=order(), position=5)

    assert decode(wire) == [
        ChangeRecord(
            table="orders",
            operation="modify",
            keys={"id": {"S": "o-1"}},
            new_image=order(total={"N": "2"}),
            old_image=order(),
            sequence_number=None,
            event_id="f8d69345-6a6e-57c0-a888-5b49ac95897c",
            instant_ns=1_763_726_400_123_456_000,
            source="kinesis",
            source_arn=STREAM,
            is_ttl_delete=False,
            view_type=None,
            position=kinesis_position(5),
            wire=wire,
        )
    ]


@pytest.mark.parametrize(
    ("at", "precision", "instant_ns"),
    [
        (1_763_726_400_123_456, "MICROSECOND", 1_763_726_400_123_456_000),
        (1_763_726_400_123, "MILLISECOND", 1_763_726_400_123_000_000),
        (1_763_726_400_123_456, None, 1_763_726_400_123_456_000),
        (1_763_726_400_123, None, 1_763_726_400_123_000_000),
        (1_763_726_400, None, 1_763_726_400_000_000_000),
        (1_763_726_400_123.0, None, 1_763_726_400_123_000_000),
    ],
)
def test_failure_80_trap_10_the_unit_of_time_is_known_by_flag_and_by_magnitude(at, precision, instant_ns):
    assert decode_one(payload(at, precision)).instant_ns == instant_ns


@pytest.mark.parametrize(
    ("at", "precision"),
    [
        (1_763_726_400_123, "MICROSECOND"),
        (1_763_726_400_123_456, "MILLISECOND"),
        (1_763_726_400, "MILLISECOND"),
        (1_763_726_400_123_456_789, "NANOSECOND"),
        ("soon", None),
        (None, None),
    ],
)
def test_trap_10_a_time_of_doubtful_unit_is_refused_and_not_put_off_by_a_thousand(at, precision):
    assert decode_one(payload(at, precision)).reason == "undecodable"


def test_trap_11_binaries_are_base64_twice_and_become_what_streams_deliver():
    image = {
        "id": {"B": BYTES},
        "all": {"BS": [BYTES, ""]},
        "in": {"M": {"B": {"L": [{"B": BYTES}]}, "BS": {"S": "x"}}},
    }
    wire = kinesis_change(new=image)

    [record] = decode(wire)

    assert b"RWdJSWV3PT0=" in base64.b64decode(wire["kinesis"]["data"])
    assert (record.keys, record.new_image) == ({"id": {"B": BYTES}}, image)


def test_trap_11_binaries_that_are_base64_once_stay_as_they_are():
    image = {"id": {"B": BYTES}, "other": {"B": base64.b64encode(b"Zm9v").decode()}}
    once = payload()
    once["dynamodb"] |= {"Keys": {"id": image["id"]}, "NewImage": image}

    assert decode_one(once).new_image == image


@pytest.mark.parametrize("text", ["B", '{"B": "RWdJSWV3PT0="}', "RWdJSWV3PT0="])
def test_trap_11_text_that_looks_like_a_binary_is_left_alone(text):
    image = order(note={"S": text}, B={"S": text}, BS={"SS": [text]}, map={"M": {"B": {"S": text}}})

    assert decode(kinesis_change(new=image))[0].new_image == image


@pytest.mark.parametrize(
    "keys",
    [
        {"id": {"S": "o|1\\"}},
        {"id": {"N": "00012.50"}},
        {"id": {"B": BYTES}},
        {"id": {"B": ""}},
        {"a": {"S": "ab"}, "b": {"S": "c"}},
        {"a": {"B": BYTES}, "b": {"N": "-0"}},
        {"id": {"S": "x" * 600}},
    ],
)
def test_failures_6_8_an_item_has_one_id_and_one_document_on_streams_kinesis_and_replicator(keys):
    image = keys | {"data": {"BS": [BYTES]}, "total": {"N": "12.50"}}
    stream = change_record(new=image, key_names=tuple(keys))
    planner = Planner(TABLES)

    records = decode(stream, kinesis_record(kinesis_payload(stream)), kinesis_record(envelope(stream)))
    actions = [planner.plan(record, 0)[0] for record in records]

    assert {(action.alias, action.id) for action in actions} == {("orders", actions[0].id)}
    assert len({action.source.partition(b',"ddb"')[0] for action in actions}) == 1
    assert len({action.source.rpartition(b'"digest":')[2] for action in actions}) == 1


def test_the_replicators_envelope_keeps_version_and_full_sequence_number():
    stream = change_record("REMOVE", sequence=7)
    wire = kinesis_record(envelope(stream), position=3)

    [record] = decode(wire)

    assert (record.source, record.source_arn, record.sequence_number) == ("replicator", STREAM_ARN, sequence_number(7))
    assert (record.instant_ns, record.operation) == (1_763_726_400_000_000_000, "remove")
    assert (record.position, record.wire) == (kinesis_position(3), wire)


def test_failure_19_a_remove_is_a_remove():
    [record] = decode(kinesis_change("REMOVE"))

    assert (record.operation, record.new_image, record.old_image) == ("remove", None, order())


@pytest.mark.parametrize(
    ("identity", "is_ttl_delete"),
    [(None, False), ({}, False), ({"type": "Service", "principalId": "dynamodb.amazonaws.com"}, True)],
)
def test_the_user_identity_may_be_null(identity, is_ttl_delete):
    assert decode(kinesis_change("REMOVE", userIdentity=identity))[0].is_ttl_delete is is_ttl_delete


def test_many_tables_share_one_stream():
    wires = [kinesis_change(table=table, position=n) for n, table in enumerate(["orders", "My.Table_x-y", "orders"])]

    assert [record.table for record in decode(*wires)] == ["orders", "My.Table_x-y", "orders"]


def test_failure_80_unknown_fields_are_tolerated():
    wire = kinesis_record(payload(newField={"x": 1}), newField=1)
    wire["kinesis"]["newField"] = None

    assert isinstance(decode(wire)[0], ChangeRecord)


def raw(data, **overrides):
    record = kinesis_record(b"{}")
    return record | {"kinesis": record["kinesis"] | {"data": data} | overrides}


@pytest.mark.parametrize(
    ("wire", "reason", "table"),
    [
        (raw("not base64!"), "not_base64", None),
        (raw("e30"), "not_base64", None),
        (raw("ä"), "not_base64", None),
        (raw(None), "undecodable", None),
        (raw("e30=", sequenceNumber=None), "undecodable", None),
        (raw("e30=", sequenceNumber="9" * 5000), "undecodable", None),
        (kinesis_record(b"hello"), "not_json", None),
        (kinesis_record(b""), "not_json", None),
        (kinesis_record(b"\x1f\x8b\x08"), "not_json", None),
        (kinesis_record(b'{"a":NaN}'), "not_json", None),
        (kinesis_record(b"\xf3\x89\x9a\xc2\n\x01a"), "kpl_aggregated", None),
        (kinesis_record([1]), "not_a_change", None),
        (kinesis_record({"hello": "world"}), "not_a_change", None),
        (kinesis_record(payload(eventSource="aws:s3")), "not_a_change", "orders"),
        (kinesis_record(without(payload(), "dynamodb")), "undecodable", "orders"),
        (kinesis_record(without(payload(), "tableName")), "undecodable", None),
        (kinesis_record(payload(tableName='or"ders')), "undecodable", None),
        (kinesis_record(payload(tableName=5)), "undecodable", None),
        (kinesis_record(payload(eventName="TRUNCATE")), "undecodable", "orders"),
        (kinesis_record(payload(dynamodb="text")), "undecodable", "orders"),
        (kinesis_record(payload(dynamodb={"Keys": {"id": {"B": "x"}}})), "undecodable", "orders"),
        (kinesis_record({"format": "tailrace-change-2", "record": change_record()}), "unknown_format", "orders"),
        (kinesis_record({"format": "tailrace-change-1"}), "undecodable", None),
        (kinesis_record(envelope(change_record(eventName="?"))), "undecodable", "orders"),
        (kinesis_record(envelope(kinesis_change())), "undecodable", None),
        ({"eventSource": "aws:kinesis"}, "undecodable", None),
        ({"eventSource": "aws:kinesis", "kinesis": []}, "undecodable", None),
    ],
)
def test_failure_39_what_carries_no_change_is_refused_by_name_between_its_neighbours(wire, reason, table):
    first, middle, last = decode(kinesis_change(), wire, kinesis_change(position=3))

    assert (first.table, last.table) == ("orders", "orders")
    assert isinstance(middle, Undecodable)
    assert (middle.reason, middle.table, middle.source, middle.wire) == (reason, table, "kinesis", wire)


def test_a_refused_record_keeps_its_kinesis_position():
    assert decode(kinesis_record(b"hello", position=9))[0].position == kinesis_position(9)


def test_law_5_json_nested_deeper_than_the_stack_hurts_only_itself():
    nested = b'{"L":[' * 900 + b'{"B":"RWdJSWV3PT0="}' + b"]}" * 900
    data = b'{"eventSource":"aws:dynamodb","tableName":"orders","dynamodb":{"NewImage":{"x":' + nested + b"}}}"

    odd, fine = decode(kinesis_record(data), kinesis_change())

    assert odd.reason in {"undecodable", "not_json"}
    assert fine.table == "orders"


def test_the_builder_encodes_binaries_twice_as_aws_was_seen_to():
    assert twice_encoded({"id": {"B": BYTES}}) == {"id": {"B": "RWdJSWV3PT0="}}
