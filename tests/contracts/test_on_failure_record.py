"""The on-failure record in S3, as it is published and as it was recorded."""

import json
from datetime import UTC, datetime

from mapping_builders import NOON, record

from tailrace_local.deliveries import Discard, Failed
from tailrace_local.on_failure import OnFailureDestination, Origin, build_body, build_key

ORIGIN = Origin(
    mapping_id="1f5d804f-e18a-50f3-98d1-8d05f9856d7a",
    function_arn="arn:aws:lambda:us-east-1:000000000000:function:tailrace-Indexer",
    stream_arn="arn:aws:dynamodb:us-east-1:000000000000:table/orders/stream/2026-11-21T12:51:11.612",
    shard_id="shardId-00000001763726400000-864758bb",
)
AT = datetime(2025, 11, 21, 12, 5, 9, 123456, tzinfo=UTC)
RECORDS = (record(111, at=NOON, size=4), record(112, at=NOON + 61, size=4))


def letter(discard):
    return json.loads(build_body(ORIGIN, discard, AT, "c9b8fa9f"))


def exhausted(answer=None):
    return Discard(0, RECORDS, "RetryAttemptsExhausted", 4, Failed("Unhandled") if answer is None else answer)


def test_the_record_says_what_was_given_up_by_whom_and_why():
    assert letter(exhausted()) == {
        "requestContext": {
            "requestId": "c9b8fa9f",
            "functionArn": "arn:aws:lambda:us-east-1:000000000000:function:tailrace-Indexer",
            "condition": "RetryAttemptsExhausted",
            "approximateInvokeCount": 4,
        },
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
        "version": "1.0",
        "timestamp": "2025-11-21T12:05:09.123Z",
        "DDBStreamBatchInfo": {
            "shardId": "shardId-00000001763726400000-864758bb",
            "startSequenceNumber": "111",
            "endSequenceNumber": "112",
            "approximateArrivalOfFirstRecord": "2025-11-21T12:00:00Z",
            "approximateArrivalOfLastRecord": "2025-11-21T12:01:01Z",
            "batchSize": 2,
            "streamArn": "arn:aws:dynamodb:us-east-1:000000000000:table/orders/stream/2026-11-21T12:51:11.612",
        },
        "payload": '{"Records":["xx","xx"]}',
    }


def test_the_payload_is_the_event_as_an_escaped_json_string():
    assert json.loads(letter(exhausted())["payload"]) == {"Records": ["xx", "xx"]}


def test_an_answer_without_a_function_error_carries_it_as_null():
    assert letter(exhausted(Failed(None)))["responseContext"]["functionError"] is None


def test_a_record_that_grew_too_old_has_no_response_context():
    found = letter(Discard(0, RECORDS, "RecordAgeExceeded", 1, None))

    assert "responseContext" not in found
    assert found["requestContext"]["condition"] == "RecordAgeExceeded"
    assert found["requestContext"]["approximateInvokeCount"] == 1


def test_the_key_names_mapping_shard_day_and_instant():
    assert build_key(ORIGIN, AT, "unique") == (
        "aws/lambda/1f5d804f-e18a-50f3-98d1-8d05f9856d7a/shardId-00000001763726400000-864758bb/"
        "2025/11/21/2025-11-21T12.05.09-unique"
    )


def test_one_object_is_stored_for_each_batch():
    class Store:
        puts = ()

        def put_object(self, **put):
            self.puts = (*self.puts, put)

    store = Store()
    OnFailureDestination(store, "letters", ORIGIN).send(exhausted(), NOON)

    (put,) = store.puts
    assert put["Bucket"] == "letters"
    assert put["Key"].startswith("aws/lambda/1f5d804f-e18a-50f3-98d1-8d05f9856d7a/shardId-")
    assert json.loads(put["Body"])["DDBStreamBatchInfo"]["batchSize"] == 2
