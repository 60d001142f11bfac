"""One suite for the stream of changes: the in-memory twin and Kinesis's own API (moto) alike."""

import boto3
import pytest
from botocore.config import Config
from botocore.stub import Stubber
from moto import mock_aws

from tailrace.adapters.kinesis import KinesisChangeStream
from tailrace.adapters.memory_kinesis import MemoryChangeStream
from tailrace.failures import ChangeStreamError, Disposition
from tailrace.ports import StreamEntry

ARN = "arn:aws:kinesis:us-east-1:123456789012:stream/changes"


def connect(endpoint=None):
    return boto3.client(
        "kinesis",
        region_name="us-east-1",
        endpoint_url=endpoint,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1}),
    )


class Real:
    """The adapter on moto's Kinesis, and what a reader of the stream sees."""

    def __init__(self, client, name):
        self._client = client
        self.put = KinesisChangeStream(client, name).put

    @property
    def entries(self):
        [shard] = self._client.list_shards(StreamName="changes")["Shards"]
        first = {"ShardIteratorType": "TRIM_HORIZON", "ShardId": shard["ShardId"]}
        iterator = self._client.get_shard_iterator(StreamName="changes", **first)["ShardIterator"]
        records = self._client.get_records(ShardIterator=iterator)["Records"]
        return [StreamEntry(record["PartitionKey"], record["Data"]) for record in records]


@pytest.fixture(params=["twin", "changes", ARN])
def stream(request):
    if request.param == "twin":
        yield MemoryChangeStream()
        return
    with mock_aws():
        client = connect()
        client.create_stream(StreamName="changes", ShardCount=1)
        yield Real(client, request.param)


def entries(count, size=10):
    return [StreamEntry(f"o-{number}", b"x" * size) for number in range(count)]


def test_entries_are_written_with_their_keys_and_bytes(stream):
    given = [StreamEntry("ORDER#1|größe", b'{"format":"tailrace-change-1"}'), StreamEntry("é" * 256, b"\x00\xff")]

    assert stream.put(given) == [None, None]
    assert stream.entries == given


def test_five_hundred_entries_are_one_call(stream):
    assert stream.put(entries(500)) == [None] * 500


@pytest.mark.parametrize(
    "too_much",
    [entries(501), entries(1, 1024 * 1024 + 1), entries(6, 1_000_000)],
    ids=["count", "entry", "call"],
)
def test_a_call_over_a_limit_is_refused_and_writes_nothing(stream, too_much):
    with pytest.raises(ChangeStreamError) as error:
        stream.put(too_much)

    assert error.value.disposition is Disposition.REFUSE
    assert stream.entries == []


@mock_aws
def test_a_stream_that_is_not_there_is_refused_by_name():
    with pytest.raises(ChangeStreamError, match="ResourceNotFoundException") as error:
        KinesisChangeStream(connect(), "nowhere").put(entries(1))

    assert (error.value.code, error.value.disposition) == ("ResourceNotFoundException", Disposition.REFUSE)


@pytest.fixture
def stubbed():
    client = connect()
    with Stubber(client) as stubber:
        yield KinesisChangeStream(client, "changes"), stubber


def written(number):
    return {"SequenceNumber": str(number), "ShardId": "shardId-000000000000"}


def failed(code):
    return {"ErrorCode": code, "ErrorMessage": "told by Kinesis"}


def test_failure_67_a_call_that_succeeds_may_hold_entries_that_failed(stubbed):
    stream, stubber = stubbed
    codes = ["ProvisionedThroughputExceededException", "InternalFailure"]
    records = [written(1), failed(codes[0]), failed(codes[1]), written(2)]
    stubber.add_response("put_records", {"FailedRecordCount": 2, "Records": records})

    assert stream.put(entries(4)) == [None, *codes, None]


@pytest.mark.parametrize(
    ("code", "status", "disposition"),
    [
        ("ProvisionedThroughputExceededException", 400, Disposition.RETRY),
        ("KMSThrottlingException", 400, Disposition.RETRY),
        ("InternalFailure", 500, Disposition.RETRY),
        ("ServiceUnavailable", 503, Disposition.RETRY),
        ("AccessDeniedException", 400, Disposition.REFUSE),
        ("KMSAccessDeniedException", 400, Disposition.REFUSE),
        ("ValidationException", 400, Disposition.REFUSE),
    ],
)
def test_a_call_that_fails_is_tried_again_unless_nothing_would_mend_it(stubbed, code, status, disposition):
    stream, stubber = stubbed
    stubber.add_client_error("put_records", code, "told by Kinesis", status)

    with pytest.raises(ChangeStreamError) as error:
        stream.put(entries(1))

    assert (error.value.code, error.value.disposition) == (code, disposition)


def test_a_result_that_is_missing_is_no_success(stubbed):
    stream, stubber = stubbed
    stubber.add_response("put_records", {"Records": [written(1)]})

    with pytest.raises(ChangeStreamError, match="ResultCountMismatch"):
        stream.put(entries(2))


def test_a_kinesis_that_does_not_answer_is_tried_again():
    client = connect("http://127.0.0.1:9")

    with pytest.raises(ChangeStreamError) as error:
        KinesisChangeStream(client, "changes").put(entries(1))

    assert error.value.disposition is Disposition.RETRY
