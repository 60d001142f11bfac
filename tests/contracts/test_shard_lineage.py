"""Failures 4 and 5: whatever error a read of the stream ends in, and however its shards split and merge, no record is
passed over.

On AWS Lambda's own event source mapping reads the streams; these laws are for the one of the laptop cloud.
"""

import orjson
import pytest
from botocore.credentials import Credentials
from hypothesis import given, settings
from hypothesis import strategies as st
from mapping_builders import NOON

from tailrace_local.aws_json import ApiError, Place
from tailrace_local.deliveries import StreamRecord
from tailrace_local.dynamodb_streams import DynamoDBStream
from tailrace_local.event_sources import MappingSpec, StreamMapping
from tailrace_local.functions import InvokeResult
from tailrace_local.shard_iterators import ShardIteratorReader
from tailrace_local.shard_mapping import MappingPolicy, RetryPacing
from tailrace_local.stream_sources import Page, Shard, SourceError

ARN = "arn:aws:dynamodb:us-east-1:000000000000:table/orders/stream/2026-11-21T12:51:11.612"
STREAM = DynamoDBStream(Place("http://127.0.0.1:9", "us-east-1", Credentials("test", "test")), ARN, lambda _: True)
AT_ONCE = MappingPolicy(pacing=RetryPacing(first=0, ceiling=0))
ERRORS = (
    "LimitExceededException", "ProvisionedThroughputExceededException", "ThrottlingException",
    "ExpiredIteratorException", "InternalServerError", "EndpointConnectionError",
    "ReadTimeoutError", "AccessDeniedException",
)  # fmt: skip
COUNT = 12


class TroubledShard:
    """The API of one shard of `COUNT` records in pages of `size`; calls fail as `troubles` say, None does not."""

    def __init__(self, size, troubles):
        self.size, self.troubles = size, list(troubles)

    def call(self, operation, request):
        trouble = self.troubles.pop(0) if self.troubles else None
        if trouble is not None:
            raise ApiError(operation, trouble)
        if operation == "GetShardIterator":
            return {"ShardIterator": request.get("SequenceNumber", "0")}
        start = int(request["ShardIterator"])
        numbers = range(start + 1, min(start + self.size, COUNT) + 1)
        end = {} if start + self.size >= COUNT else {"NextShardIterator": str(start + self.size)}
        return {"Records": [raw(number) for number in numbers]} | end


def raw(number):
    change = {"ApproximateCreationDateTime": NOON, "Keys": {"id": {"S": "1"}}, "SequenceNumber": str(number)}
    return {"eventID": "e", "eventName": "INSERT", "eventSource": "aws:dynamodb", "dynamodb": change}


def read_to_the_end(reader):
    """The sequence numbers of all records, an error being followed by another try."""
    numbers, is_end = [], False
    while not is_end:
        try:
            page = reader.read(NOON)
        except SourceError:
            continue
        numbers += [int(each.sequence_number) for each in page.records]
        is_end = page.is_end
    return numbers


@given(st.integers(1, 5), st.lists(st.none() | st.sampled_from(ERRORS), max_size=40))
def test_failure_4_no_error_of_a_read_moves_the_position(size, troubles):
    reader = ShardIteratorReader(STREAM, TroubledShard(size, troubles), "shardId-1", "TRIM_HORIZON")

    assert read_to_the_end(reader) == list(range(1, COUNT + 1))


class FamilyStream:
    """Shards, oldest first, each with two records numbered after it; the first read of some of them fails."""

    def __init__(self, shards, failing):
        self.listed, self.failing = shards, set(failing)

    def shards(self):
        return self.listed

    def reader(self, shard_id, position):
        assert position == "TRIM_HORIZON"
        return FamilyReader(self, shard_id)


class FamilyReader:
    """One page, then the end."""

    def __init__(self, stream, shard_id):
        self._stream, self._id, self._is_read = stream, shard_id, False

    def read(self, _now):
        if self._id in self._stream.failing:
            self._stream.failing.remove(self._id)
            raise SourceError("throttled")
        self._is_read, was_read = True, self._is_read
        found = [StreamRecord(str(n), b"%d" % n, NOON, b"%d" % n) for n in records_of(self._id)]
        return Page([] if was_read else found, is_end=was_read)


def records_of(shard_id):
    return [10 * int(shard_id) + 1, 10 * int(shard_id) + 2]


class Recorder:
    """A function that keeps the numbers of the records in the order in which it got them."""

    def __init__(self):
        self.got = []

    def invoke(self, event):
        self.got.extend(orjson.loads(event)["Records"])
        return InvokeResult(b"null")


@st.composite
def families(draw):
    """Shards that came of one by splits and merges, in any order of listing."""
    shards, leaves = {"0": Shard("0")}, ["0"]
    for _ in range(draw(st.integers(0, 4))):
        parents = draw(st.lists(st.sampled_from(leaves), min_size=1, max_size=2, unique=True))
        names = [str(len(shards) + n) for n in range(3 - len(parents))]
        shards |= {name: Shard(name, parents[0], adjacent_parent=(*parents, None)[1]) for name in names}
        leaves = [leaf for leaf in leaves if leaf not in parents] + names
    return draw(st.permutations(list(shards.values())))


@pytest.mark.slow
@settings(deadline=None, max_examples=20)
@given(families(), st.data())
def test_failures_4_5_through_splits_and_merges_every_record_comes_once_and_after_those_of_its_parents(shards, data):
    function = Recorder()
    failing = data.draw(st.lists(st.sampled_from([shard.id for shard in shards]), max_size=2))
    mapping = StreamMapping(MappingSpec("Orders", function, AT_ONCE, "TRIM_HORIZON"), FamilyStream(shards, failing))
    mapping.start()
    try:
        mapping.drain(30)
    finally:
        mapping.stop(1)
        mapping.join()

    place = {number: position for position, number in enumerate(function.got)}
    assert sorted(function.got) == sorted(number for shard in shards for number in records_of(shard.id))
    assert all(
        place[records_of(parent)[-1]] < place[records_of(shard.id)[0]] for shard in shards for parent in shard.parents
    )
