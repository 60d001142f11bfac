"""Writes are done when the table has taken all of them: unprocessed items, throttles and silence are tried again."""

import json
from dataclasses import dataclass, field

import pytest
import requests

from tailrace_local.demo.table_client import TableClient, TableError, build_update_request
from tailrace_local.demo.workload import Batch, Update

KEY = {"carrier": {"S": "9E"}}
THROTTLED = (400, {"__type": "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException"})
INVALID = (400, {"__type": "com.amazon.coral.validate#ValidationException"})


@dataclass
class ScriptedSession:
    """Answers what it is told, in order, and keeps what it was asked."""

    answers: list
    asked: list = field(default_factory=list)
    trust_env: bool = True
    auth: object = None

    def post(self, url, data, headers, timeout):
        self.asked.append((headers["X-Amz-Target"], json.loads(data)))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        response = requests.Response()
        response.status_code, content = answer
        response._content = json.dumps(content).encode()
        return response


def client(*answers):
    session = ScriptedSession(list(answers))
    pauses = []
    return TableClient("http://127.0.0.1:1", session=session, sleep=pauses.append), session, pauses


def test_a_batch_holds_puts_and_deletes():
    tables, session, _ = client((200, {"UnprocessedItems": {}}))

    tables.send(Batch("airlines", puts=({"carrier": {"S": "UA"}},), deletes=(KEY,)))

    writes = [{"PutRequest": {"Item": {"carrier": {"S": "UA"}}}}, {"DeleteRequest": {"Key": KEY}}]
    assert session.asked == [("DynamoDB_20120810.BatchWriteItem", {"RequestItems": {"airlines": writes}})]


def test_unprocessed_items_alone_are_sent_again():
    left = {"airlines": [{"DeleteRequest": {"Key": KEY}}]}
    tables, session, pauses = client((200, {"UnprocessedItems": left}), (200, {}))

    tables.send(Batch("airlines", puts=({"carrier": {"S": "UA"}},), deletes=(KEY,)))

    assert session.asked[1] == ("DynamoDB_20120810.BatchWriteItem", {"RequestItems": left})
    assert pauses == [0.05]


@pytest.mark.parametrize("trouble", [THROTTLED, (500, {}), requests.ConnectionError()])
def test_a_busy_or_silent_table_is_asked_again(trouble):
    tables, session, pauses = client(trouble, trouble, (200, {}))

    tables.put("airlines", KEY)

    assert len(session.asked) == 3
    assert pauses == [0.05, 0.1]


def test_a_refused_request_is_not_repeated():
    tables, session, _ = client(INVALID)

    with pytest.raises(TableError, match="PutItem was refused: ValidationException"):
        tables.put("airlines", KEY)
    assert len(session.asked) == 1


def test_items_that_stay_unprocessed_are_an_error():
    left = {"airlines": [{"DeleteRequest": {"Key": KEY}}]}
    tables, _, _ = client(*[(200, {"UnprocessedItems": left})] * 8)

    with pytest.raises(TableError, match="unprocessed after 8 attempts"):
        tables.send(Batch("airlines", deletes=(KEY,)))


def test_an_update_names_attributes_by_placeholders():
    update = Update("airlines", KEY, {"name": {"S": "x"}, "size": {"N": "1"}}, removes=("logo",))

    assert build_update_request(update) == {
        "TableName": "airlines",
        "Key": KEY,
        "UpdateExpression": "SET #0 = :0, #1 = :1 REMOVE #2",
        "ExpressionAttributeNames": {"#0": "name", "#1": "size", "#2": "logo"},
        "ExpressionAttributeValues": {":0": {"S": "x"}, ":1": {"N": "1"}},
    }


def test_an_update_that_only_removes_has_no_values():
    assert build_update_request(Update("airlines", KEY, {}, removes=("logo",))) == {
        "TableName": "airlines",
        "Key": KEY,
        "UpdateExpression": "REMOVE #0",
        "ExpressionAttributeNames": {"#0": "logo"},
    }


def test_a_proxy_of_the_environment_is_not_asked():
    _, session, _ = client()

    assert session.trust_env is False
