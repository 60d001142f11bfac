"""Calls to DynamoDB by its own wire: signed, repeated while it is busy, and silent about what they carried."""

import pytest
import requests
from botocore.credentials import Credentials
from requests.adapters import BaseAdapter

from tailrace.adapters.dynamodb_calls import ATTEMPTS, PATIENT_ATTEMPTS, DynamoDBCalls, DynamoDBError
from tailrace.adapters.memory import ManualClock

URL = "http://dynamodb.test"
BUSY = (400, b'{"__type":"com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException"}')
DOWN = (503, b"<html>")
GOOD = (200, b'{"Items":[]}')


class Script(BaseAdapter):
    """Answers from a list; an answer may be an exception."""

    def __init__(self, *answers):
        super().__init__()
        self.answers, self.sent = list(answers), []

    def send(self, request, **_options):
        self.sent.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        response = requests.Response()
        response.status_code, response._content = answer
        return response

    def close(self):
        pass


def scripted(*answers, **options):
    session, script, clock = requests.Session(), Script(*answers), ManualClock()
    session.mount(URL, script)
    return DynamoDBCalls(URL, "us-east-1", Credentials("AKID", "SECRET"), session, clock, **options), script, clock


def test_a_call_is_signed_over_the_bytes_that_are_sent():
    calls, script, _ = scripted(GOOD)

    assert calls.call("Scan", {"TableName": "orders"}) == {"Items": []}
    [request] = script.sent
    assert request.body == b'{"TableName":"orders"}'
    assert request.headers["X-Amz-Target"] == "DynamoDB_20120810.Scan"
    assert request.headers["Authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKID/")
    assert "SECRET" not in str(request.headers)


@pytest.mark.parametrize("trouble", [BUSY, DOWN, requests.ConnectionError("reset"), requests.ReadTimeout("slow")])
def test_what_passes_is_waited_out_longer_each_time(trouble):
    calls, _, clock = scripted(trouble, trouble, trouble, GOOD)

    assert calls.call("Scan", {}) == {"Items": []}
    assert clock.slept == pytest.approx([0.0375, 0.075, 0.15])


def test_what_does_not_pass_in_time_is_an_error():
    calls, script, clock = scripted(*[BUSY] * ATTEMPTS)

    with pytest.raises(DynamoDBError, match=r"^DynamoDB refused Scan: ProvisionedThroughputExceededException$"):
        calls.call("Scan", {})
    assert (len(script.sent), max(clock.slept)) == (10, 3.75)


def test_a_patient_caller_waits_out_five_busy_minutes():
    calls, _, clock = scripted(*[BUSY] * (PATIENT_ATTEMPTS - 1), GOOD, attempts=PATIENT_ATTEMPTS)

    assert calls.call("Scan", {}) == {"Items": []}
    assert 240 < sum(clock.slept) < 360


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ((400, b'{"__type":"x#ValidationException","message":"the value SECRET"}'), "ValidationException"),
        ((400, b'{"__type":"AccessDeniedException"}'), "AccessDeniedException"),
        ((403, b"no json"), "an unknown error"),
    ],
)
def test_a_refusal_is_final_and_does_not_quote_the_item(answer, kind):
    calls, _, clock = scripted(answer)

    with pytest.raises(DynamoDBError) as caught:
        calls.call("BatchGetItem", {})
    assert (caught.value.kind, clock.slept) == (kind, [])
    assert "SECRET" not in str(caught.value)


def test_an_answer_that_is_no_json_is_an_error():
    calls, _, _ = scripted((200, b"<html>"))

    with pytest.raises(DynamoDBError, match="its answer is no JSON"):
        calls.call("Scan", {})
