"""The scan for leaks finds what it looks for, and nothing in what the functions do print."""

import json

import pytest
from builders import Indexer, change_record, event, order
from leaks import CANARY, find_leaks

from tailrace.telemetry import Telemetry

TOLD = {"level": "WARNING", "location": "report:41", "message": "record", "service": "indexer", "reason": "http_403"}


@pytest.mark.parametrize(
    "text",
    [
        f"note={CANARY}-1",
        "Authorization: AWS4-HMAC-SHA256 Credential=x",
        "'x-amz-security-token': 'abc'",
        '{"Authorization": "Basic dXNlcjpwYXNz"}',
        "https://admin:hush@search.example/_bulk",
        "key ASIA50278AA97CD547B7",
        "aws_secret_access_key = hush",
    ],
)
def test_a_secret_is_found(text):
    assert next(find_leaks(f"first line\n{text}")).startswith("line 2 holds")


@pytest.mark.parametrize(
    "more",
    [
        {"reason": "failed to parse field [temp], value 'warm'"},
        {"position": "o-1"},
        {"item": {"id": {"S": "o-1 is here"}}},
        {"message": "could not index o-1"},
        {"tables": ["orders", "4111 1111"]},
    ],
)
def test_a_text_that_no_field_has_is_found(more):
    assert list(find_leaks(json.dumps(TOLD | more)))


@pytest.mark.parametrize(
    "line", [json.dumps(TOLD), "plain words", "{ no json", '{"service": "somebody-elses", "x": "y z"}']
)
def test_what_is_in_order_is_none(line):
    assert list(find_leaks(line)) == []


def test_what_a_batch_tells_is_in_order(capsys):
    indexer = Indexer()
    report = indexer.index(
        change_record(), change_record(new=order("o-2", n={"N": "1-1"}), sequence=2), *event()["Records"]
    )
    Telemetry("indexer").report(report, 0.25, 1_763_726_500.0)

    assert list(find_leaks(capsys.readouterr().out)) == []
