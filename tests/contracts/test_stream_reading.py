"""How a stream is read: its shards' lineage, its positions, and the record that a function is given."""

import threading

import orjson
import pytest
from botocore.credentials import Credentials
from mapping_builders import NOON, record

from tailrace_local.aws_json import DYNAMODB_STREAMS, ApiError, JsonApi, Place
from tailrace_local.dynamodb_streams import DynamoDBStream, to_record
from tailrace_local.event_sources import MappingSpec, StreamMapping, UndeliveredError
from tailrace_local.functions import InvokeResult, ThrottledError
from tailrace_local.shard_iterators import ShardIteratorReader
from tailrace_local.shard_mapping import MappingPolicy, RetryPacing
from tailrace_local.stream_sources import Page, Shard, SourceError, StreamGoneError

ARN = "arn:aws:dynamodb:us-east-1:000000000000:table/orders/stream/2026-11-21T12:51:11.612"
NOWHERE = Place("http://127.0.0.1:9", "us-east-1", Credentials("test", "test"))
STREAM = DynamoDBStream(NOWHERE, ARN, lambda _: True)
AT_ONCE = MappingPolicy(pacing=RetryPacing(first=0, ceiling=0))


def raw_record(number="00000000000000000000001", **change):
    """A record of GetRecords, as the API has it."""
    defaults = {"ApproximateCreationDateTime": 1763726400, "Keys": {"id": {"S": "1"}}, "SequenceNumber": number}
    return {"eventID": "e", "eventName": "INSERT", "eventSource": "aws:dynamodb", "dynamodb": {**defaults, **change}}


def received(raw):
    """The record as the function gets it."""
    return orjson.loads(to_record(raw, ARN, lambda _: True, NOON).body)


class TestRecords:
    """Section 1.1: a record as Lambda sends it."""

    def test_the_arn_of_the_stream_is_added(self):
        assert received(raw_record())["eventSourceARN"] == ARN

    def test_the_identity_of_a_ttl_delete_is_in_lower_camel_case(self):
        raw = {**raw_record(), "userIdentity": {"PrincipalId": "dynamodb.amazonaws.com", "Type": "Service"}}

        assert received(raw)["userIdentity"] == {"principalId": "dynamodb.amazonaws.com", "type": "Service"}

    def test_other_records_have_no_identity(self):
        assert "userIdentity" not in received(raw_record())

    def test_the_creation_time_is_a_number_of_epoch_seconds(self):
        assert received(raw_record())["dynamodb"]["ApproximateCreationDateTime"] == 1763726400
        assert to_record(raw_record(), ARN, lambda _: True, NOON).at == 1763726400.0

    def test_a_record_without_a_creation_time_counts_as_just_made(self):
        raw = raw_record()
        del raw["dynamodb"]["ApproximateCreationDateTime"]

        assert to_record(raw, ARN, lambda _: True, 7.0).at == 7.0

    def test_images_pass_as_they_are(self):
        image = {"blob": {"B": "Zm9vYmFy"}, "n": {"N": "1E+125"}, "m": {"M": {"x": {"NULL": True}}}}

        assert received(raw_record(NewImage=image))["dynamodb"]["NewImage"] == image

    def test_the_item_is_its_whole_key_in_any_order(self):
        one = to_record(raw_record(Keys={"pk": {"S": "a"}, "sk": {"N": "1"}}), ARN, lambda _: True, NOON)
        same = to_record(raw_record(Keys={"sk": {"N": "1"}, "pk": {"S": "a"}}), ARN, lambda _: True, NOON)
        other = to_record(raw_record(Keys={"pk": {"S": "a"}, "sk": {"N": "2"}}), ARN, lambda _: True, NOON)

        assert one.item == same.item != other.item


class ScriptedApi:
    """Answers GetShardIterator with the position that was asked for, and GetRecords by script."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.positions = []

    def call(self, operation, request):
        if operation == "GetShardIterator":
            self.positions.append((request["ShardIteratorType"], request.get("SequenceNumber")))
            return {"ShardIterator": f"iterator-{len(self.positions)}"}
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def page(*numbers, is_end=False):
    """An answer of GetRecords."""
    found = {"Records": [raw_record(number) for number in numbers]}
    return found if is_end else {**found, "NextShardIterator": "next"}


class TestPositions:
    """Section 1.2, and failure 4: an error leaves the position where it was."""

    def reader(self, *answers, position="TRIM_HORIZON"):
        self.api = ScriptedApi(*answers)
        return ShardIteratorReader(STREAM, self.api, "shardId-1", position)

    def test_a_shard_without_a_next_iterator_has_ended(self):
        assert self.reader(page("1", is_end=True)).read(NOON).is_end is True

    def test_an_iterator_is_used_until_it_ends(self):
        reader = self.reader(page("1"), page(), page("2"))
        pages = [reader.read(NOON) for _ in range(3)]

        assert [len(each.records) for each in pages] == [1, 0, 1]
        assert self.api.positions == [("TRIM_HORIZON", None)]

    def test_an_expired_iterator_is_found_again_behind_the_last_record(self):
        reader = self.reader(page("1", "2"), ApiError("GetRecords", "ExpiredIteratorException"), page("3"))
        reader.read(NOON)
        with pytest.raises(SourceError):
            reader.read(NOON)

        assert [each.sequence_number for each in reader.read(NOON).records] == ["3"]
        assert self.api.positions == [("TRIM_HORIZON", None), ("AFTER_SEQUENCE_NUMBER", "2")]

    def test_a_throttled_read_keeps_its_iterator(self):
        throttled = ApiError("GetRecords", "LimitExceededException")
        reader = self.reader(page("1"), throttled, page("2"))
        reader.read(NOON)
        with pytest.raises(SourceError):
            reader.read(NOON)
        reader.read(NOON)

        assert self.api.positions == [("TRIM_HORIZON", None)]

    def test_a_trimmed_position_goes_on_at_the_horizon(self):
        reader = self.reader(page("1"), ApiError("GetRecords", "TrimmedDataAccessException"), page("9"))
        reader.read(NOON)
        with pytest.raises(SourceError):
            reader.read(NOON)
        reader.read(NOON)

        assert self.api.positions[-1] == ("TRIM_HORIZON", None)

    def test_a_latest_iterator_that_expires_unread_loses_nothing(self):
        expired = ApiError("GetRecords", "ExpiredIteratorException")
        reader = self.reader(page(), expired, page("1"), position="LATEST")
        reader.read(NOON)
        with pytest.raises(SourceError):
            reader.read(NOON)
        reader.read(NOON)

        assert self.api.positions == [("LATEST", None), ("TRIM_HORIZON", None)]

    def test_a_stream_that_cannot_be_reached_is_an_error_of_the_source(self):
        api = JsonApi(NOWHERE, DYNAMODB_STREAMS)

        with pytest.raises(SourceError, match=r"GetRecords: no answer \(EndpointConnectionError\)"):
            api.call("GetRecords", {})

    def test_a_stream_that_is_gone_says_so(self):
        with pytest.raises(StreamGoneError):
            self.reader(ApiError("GetRecords", "ResourceNotFoundException")).read(NOON)


class MemoryStream:
    """A stream in memory; `open` and `close` change its shards, `fail` makes the next reads fail."""

    def __init__(self, *shards):
        self.listed, self.pages, self.ended = list(shards), {}, set()
        self.starts, self.failures, self.is_gone = [], 0, False

    def put(self, shard, *numbers):
        self.pages.setdefault(shard, []).extend(record(number) for number in numbers)

    def shards(self):
        if self.is_gone:
            raise StreamGoneError("the stream is gone")
        return self.listed

    def reader(self, shard_id, position):
        self.starts.append((shard_id, position))
        return MemoryReader(self, shard_id)


class MemoryReader:
    def __init__(self, stream, shard):
        self.stream, self.shard = stream, shard

    def read(self, _):
        if self.stream.failures:
            self.stream.failures -= 1
            raise SourceError("not now")
        found = self.stream.pages.pop(self.shard, [])
        return Page(found, is_end=self.shard in self.stream.ended)


class Recorder:
    """A function that keeps the order of what it gets; before each answer it does what it is told."""

    def __init__(self):
        self.got, self.before, self.entered = [], [], threading.Event()

    def invoke(self, event):
        self.entered.set()
        if self.before:
            self.before.pop(0)()
        self.got.append(orjson.loads(event)["Records"])
        return InvokeResult(b"null")


@pytest.fixture
def follow():
    """Follows a stream with a function, until the end of the test."""
    running = []

    def start(stream, function, policy=AT_ONCE, position="TRIM_HORIZON"):
        mapping = StreamMapping(MappingSpec("Orders", function, policy, position), stream)
        running.append(mapping)
        mapping.start()
        return mapping

    yield start
    for mapping in running:
        mapping.stop(1)
        mapping.join()


class TestLineage:
    """Shards: parents first; failures 4 and 5."""

    def test_a_child_is_read_after_its_parent_is_settled(self, follow):
        stream, function = MemoryStream(Shard("parent", None, True), Shard("child", "parent")), Recorder()
        stream.ended = {"parent"}
        stream.put("parent", 1)
        stream.put("child", 2)
        started_by_then = []
        function.before = [lambda: started_by_then.extend(stream.starts)]
        follow(stream, function).drain(10)

        assert started_by_then == [("parent", "TRIM_HORIZON")]
        assert stream.starts == [("parent", "TRIM_HORIZON"), ("child", "TRIM_HORIZON")]
        assert len(function.got) == 2

    def test_a_shard_whose_parent_is_trimmed_is_read_at_once(self, follow):
        stream = MemoryStream(Shard("child", "long-gone"))
        follow(stream, Recorder()).drain(10)

        assert stream.starts == [("child", "TRIM_HORIZON")]

    def test_latest_passes_over_closed_shards_and_reads_their_open_children_from_now_on(self, follow):
        stream = MemoryStream(Shard("parent", None, True), Shard("child", "parent"))
        follow(stream, Recorder(), position="LATEST").drain(10)

        assert stream.starts == [("child", "LATEST")]

    def test_a_merged_shard_is_read_after_both_its_parents_are_settled(self, follow):
        merged = Shard("merged", "left", adjacent_parent="right")
        stream, function = MemoryStream(Shard("left", None, True), Shard("right", None, True), merged), Recorder()
        stream.ended = {"left", "right"}
        stream.put("left", 1)
        stream.put("right", 2)
        started_by_then = []
        function.before = [lambda: None, lambda: started_by_then.extend(name for name, _ in stream.starts)]
        follow(stream, function).drain(10)

        assert started_by_then == ["left", "right"]
        assert stream.starts[-1] == ("merged", "TRIM_HORIZON")

    def test_with_latest_the_children_that_appear_later_are_read_whole(self, follow):
        stream = MemoryStream(Shard("parent"))
        mapping = follow(stream, Recorder(), position="LATEST")
        mapping.drain(10)
        stream.listed = [Shard("parent", None, True), Shard("child", "parent")]
        stream.ended = {"parent"}
        mapping.drain(10)

        assert stream.starts == [("parent", "LATEST"), ("child", "TRIM_HORIZON")]

    def test_a_stream_that_has_no_shards_yet_is_looked_at_again(self, follow):
        stream = MemoryStream()
        mapping = follow(stream, Recorder())
        stream.listed = [Shard("first")]
        mapping.drain(10)

        assert stream.starts == [("first", "TRIM_HORIZON")]

    def test_reads_that_fail_are_repeated(self, follow):
        stream, function = MemoryStream(Shard("only")), Recorder()
        stream.put("only", 1)
        stream.failures = 2
        mapping = follow(stream, function)
        mapping.drain(10)

        assert len(function.got) == 1
        assert mapping.status().counters.read_errors == 2

    def test_a_stream_that_is_gone_ends_its_mapping_in_peace(self, follow):
        stream = MemoryStream()
        stream.is_gone = True
        mapping = follow(stream, Recorder())
        mapping.drain(10)

        assert mapping.status().state == "stream gone"


class TestInvocations:
    """What becomes of an invocation at the edge."""

    def test_a_throttled_invocation_is_repeated(self, follow):
        stream, function = MemoryStream(Shard("only")), Recorder()
        stream.put("only", 1)
        function.before = [_throttle]
        mapping = follow(stream, function)
        mapping.drain(10)

        assert (len(function.got), mapping.status().counters.throttles) == (1, 1)

    def test_what_a_thread_dies_of_is_shown_and_raised(self, follow):
        stream, function = MemoryStream(Shard("only")), Recorder()
        stream.put("only", 1)
        function.before = [_break]
        mapping = follow(stream, function)

        with pytest.raises(ZeroDivisionError):
            mapping.drain(10)
        assert mapping.status().state == "failed: integer division or modulo by zero"

    def test_drain_waits_for_invocations_that_are_under_way(self, follow):
        stream, function, gate = MemoryStream(Shard("only")), Recorder(), threading.Event()
        stream.put("only", 1)
        function.before = [gate.wait]
        mapping = follow(stream, function)
        function.entered.wait(10)
        with pytest.raises(UndeliveredError, match="Orders: 1 records are read but not settled"):
            mapping.drain(0.05)
        gate.set()
        mapping.drain(10)

        assert len(function.got) == 1


def _throttle():
    raise ThrottledError("no room")


def _break():
    _ = 1 // 0
