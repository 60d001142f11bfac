"""Specification tests: how a data stream is read, and the records that a function gets of it."""

import base64
import json
from datetime import UTC, datetime

import orjson
import pytest
from botocore.credentials import Credentials
from mapping_builders import NOON, VirtualShard

from tailrace_local.aws_json import KINESIS, ApiError, JsonApi, Place
from tailrace_local.deliveries import Discard, Failed, Invoke, Reported, Succeeded, build_event
from tailrace_local.filters import compile_filters
from tailrace_local.kinesis_streams import POLL_SECONDS, KinesisStream
from tailrace_local.on_failure import Origin, build_body
from tailrace_local.partial_responses import read_response
from tailrace_local.shard_iterators import ShardIteratorReader
from tailrace_local.shard_mapping import MappingPolicy
from tailrace_local.stream_sources import Shard, SourceError, StreamGoneError

ARN = "arn:aws:kinesis:us-east-1:000000000000:stream/tailrace-ChangeStream"
NOWHERE = Place("http://127.0.0.1:9", "us-east-1", Credentials("test", "test"))
SHARD = "shardId-000000000002"
FIRST = 49_671_269_271_331_512_763_891_427_236_470_283_163_434_184_237_394_001_000
MB = 1024 * 1024


def raw(number=1, data=b'{"tableName": "orders"}', key="0CC5F2A9", at=NOON):
    """A record of GetRecords, as the API has it."""
    return {
        "SequenceNumber": str(FIRST + number),
        "ApproximateArrivalTimestamp": at,
        "Data": base64.b64encode(data).decode(),
        "PartitionKey": key,
        "EncryptionType": "NONE",
    }


def stream(*patterns, api=None):
    return KinesisStream(NOWHERE, ARN, compile_filters(patterns) if patterns else None, api)


def record(number=1, *patterns, **settings):
    """The record on its way to a function."""
    return stream(*patterns).to_record(raw(number, **settings), SHARD, NOON + 99)


def pattern(**fields):
    return json.dumps(fields)


class TestRecords:
    """Section 2.2: a record as Lambda sends it."""

    def test_it_has_the_published_shape(self):
        assert orjson.loads(record(at=NOON + 0.456).body) == {
            "kinesis": {
                "kinesisSchemaVersion": "1.0",
                "partitionKey": "0CC5F2A9",
                "sequenceNumber": "49671269271331512763891427236470283163434184237394001001",
                "data": "eyJ0YWJsZU5hbWUiOiAib3JkZXJzIn0=",
                "approximateArrivalTimestamp": NOON + 0.456,
            },
            "eventSource": "aws:kinesis",
            "eventVersion": "1.0",
            "eventID": "shardId-000000000002:49671269271331512763891427236470283163434184237394001001",
            "eventName": "aws:kinesis:record",
            "invokeIdentityArn": "arn:aws:iam::000000000000:role/tailrace",
            "awsRegion": "us-east-1",
            "eventSourceARN": ARN,
        }

    def test_data_passes_as_it_is_whatever_it_is(self):
        assert orjson.loads(record(data=b"\xff\x00").body)["kinesis"]["data"] == "/wA="

    def test_records_of_one_partition_key_are_kept_in_order(self):
        assert record(1).item == record(2).item != record(3, key="F2A9").item

    def test_the_record_age_counts_from_its_arrival(self):
        assert record(at=NOON + 1.5).at == NOON + 1.5


class TestMapping:
    """What the state machine makes of records of Kinesis."""

    def test_the_item_identifier_is_the_kinesis_sequence_number(self):
        numbers = {record(1).sequence_number, record(2).sequence_number}
        answer = json.dumps({"batchItemFailures": [{"itemIdentifier": str(FIRST + 2)}]}).encode()

        assert read_response(answer, numbers, True) == Reported(str(FIRST + 2))

    def test_the_event_id_is_no_item_identifier(self):
        answer = json.dumps({"batchItemFailures": [{"itemIdentifier": f"{SHARD}:{FIRST + 1}"}]}).encode()

        assert read_response(answer, {record(1).sequence_number}, True) == Failed(None)

    def test_an_empty_text_is_success(self):
        assert read_response(b'""', {record(1).sequence_number}, True) == Succeeded()

    def test_a_batch_is_cut_at_6_mb_of_event_json_in_which_data_is_base64(self):
        shard = VirtualShard(MappingPolicy(batch_size=100))
        shard.offer(*(record(number, data=b"x" * MB) for number in range(1, 7))).run()

        assert [len(batch) for batch in shard.batches] == [4, 2]

    def test_the_iterator_age_is_that_of_the_last_records_arrival(self):
        shard = VirtualShard()
        shard.offer(record(1, at=NOON - 60), record(2, at=NOON - 2.5)).run()

        assert shard.mapping.counters.iterator_age_ms == 2500

    def test_parallelization_keeps_the_order_of_a_partition_key(self):
        shard = VirtualShard(MappingPolicy(parallelization=10))
        shard.mapping.offer([record(number, key="one") for number in range(1, 4)], NOON)
        (call,) = shard.mapping.actions(NOON)

        assert isinstance(call, Invoke)
        assert [int(each.sequence_number) - FIRST for each in call.records] == [1, 2, 3]

    def test_a_shard_is_polled_once_a_second(self):
        assert POLL_SECONDS == 1.0


class TestFilters:
    """Section 3.4: patterns see `data` as JSON, and the record's metadata."""

    def test_a_pattern_on_data_sees_it_decoded(self):
        wanted = pattern(data={"tableName": ["orders"]})

        assert record(1, wanted).is_wanted
        assert not record(1, wanted, data=b'{"tableName": "flights"}').is_wanted

    def test_what_is_not_json_is_dropped_by_a_pattern_on_data(self):
        assert not record(1, pattern(data={"tableName": ["orders"]}), data=b"\xffnonsense").is_wanted

    def test_a_pattern_on_metadata_does_not_look_at_data(self):
        wanted = pattern(partitionKey=["0CC5F2A9"])

        assert record(1, wanted, data=b"nonsense").is_wanted
        assert not record(1, wanted, key="other").is_wanted

    def test_the_function_gets_its_data_encoded_all_the_same(self):
        body = orjson.loads(record(1, pattern(data={"tableName": ["orders"]})).body)

        assert body["kinesis"]["data"] == "eyJ0YWJsZU5hbWUiOiAib3JkZXJzIn0="

    def test_without_a_pattern_everything_is_wanted(self):
        assert record(1, data=b"nonsense").is_wanted


class ScriptedApi:
    """Answers by script, and keeps what it was asked."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = []

    def call(self, operation, request):
        self.asked.append((operation, request))
        if operation == "GetShardIterator":
            return {"ShardIterator": f"iterator-{len(self.asked)}"}
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def page(*numbers):
    return {"Records": [raw(number) for number in numbers], "NextShardIterator": "next", "MillisBehindLatest": 0}


class TestReading:
    """ListShards, GetShardIterator, GetRecords."""

    def test_shards_are_listed_page_by_page_with_both_parents(self):
        merged = {
            "ShardId": "c",
            "ParentShardId": "a",
            "AdjacentParentShardId": "b",
            "SequenceNumberRange": {"StartingSequenceNumber": "3"},
        }
        closed = {"ShardId": "a", "SequenceNumberRange": {"StartingSequenceNumber": "1", "EndingSequenceNumber": "2"}}
        api = ScriptedApi({"Shards": [closed], "NextToken": "more"}, {"Shards": [merged]})

        assert stream(api=api).shards() == [Shard("a", None, True), Shard("c", "a", False, "b")]
        assert [request for _, request in api.asked] == [{"StreamARN": ARN}, {"NextToken": "more"}]

    def test_a_stream_that_is_gone_says_so(self):
        with pytest.raises(StreamGoneError):
            stream(api=ScriptedApi(ApiError("ListShards", "ResourceNotFoundException"))).shards()

    def test_an_iterator_that_expired_after_5_minutes_is_found_again_behind_the_last_record(self):
        expired = ApiError("GetRecords", "ExpiredIteratorException")
        api = ScriptedApi(page(1, 2), expired, page(3))
        reader = ShardIteratorReader(stream(), api, SHARD, "TRIM_HORIZON")
        reader.read(NOON)
        with pytest.raises(SourceError):
            reader.read(NOON)
        (found,) = reader.read(NOON).records

        assert found.sequence_number == str(FIRST + 3)
        assert [request for name, request in api.asked if name == "GetShardIterator"] == [
            {"StreamARN": ARN, "ShardId": SHARD, "ShardIteratorType": "TRIM_HORIZON"},
            {
                "StreamARN": ARN,
                "ShardId": SHARD,
                "ShardIteratorType": "AFTER_SEQUENCE_NUMBER",
                "StartingSequenceNumber": str(FIRST + 2),
            },
        ]

    def test_a_stream_that_cannot_be_reached_is_an_error_of_the_source(self):
        with pytest.raises(SourceError, match=r"ListShards: no answer \(EndpointConnectionError\)"):
            JsonApi(NOWHERE, KINESIS).call("ListShards", {})


def test_what_is_given_up_is_kept_with_its_kinesis_batch_info():
    origin = Origin("id", "arn:function", ARN, SHARD, "KinesisBatchInfo")
    given_up = (record(1, at=NOON), record(2, at=NOON + 61))
    discard = Discard(0, given_up, "RetryAttemptsExhausted", 4, Failed("Unhandled"))
    letter = json.loads(build_body(origin, discard, datetime(2025, 11, 21, 12, 5, 9, tzinfo=UTC), "request"))

    assert "DDBStreamBatchInfo" not in letter
    assert letter["KinesisBatchInfo"] == {
        "shardId": SHARD,
        "startSequenceNumber": str(FIRST + 1),
        "endSequenceNumber": str(FIRST + 2),
        "approximateArrivalOfFirstRecord": "2025-11-21T12:00:00Z",
        "approximateArrivalOfLastRecord": "2025-11-21T12:01:01Z",
        "batchSize": 2,
        "streamArn": ARN,
    }
    assert letter["payload"] == build_event(given_up).decode()
