"""What the real runtime client hands to a handler: stream events as text, all else as ever."""

import sys

import orjson
import pytest
from awslambdaric.lambda_runtime_client import LambdaRuntimeClient
from awslambdaric.lambda_runtime_exception import FaultException
from awslambdaric.lambda_runtime_marshaller import LambdaMarshaller
from benchmarks.samples import event
from kinesis_builders import kinesis_change

from tailrace import acceleration
from tailrace.adapters import marshalling
from tailrace.decoding import decode_event
from tailrace.raw_events import RawEvent

STREAM_EVENT = orjson.dumps(event(0, 3))
with_native = pytest.mark.skipif(acceleration.NATIVE is None, reason="the native accelerator is not built: make setup")


@pytest.fixture
def client(monkeypatch):
    """The client's class with the marshaller it came with, which it has again afterwards."""
    monkeypatch.setattr(LambdaRuntimeClient, "marshaller", LambdaMarshaller())
    return LambdaRuntimeClient


def unmarshalled(client, text, *content_type):
    return client.marshaller.unmarshal_request(text, *content_type)


@with_native
def test_a_stream_event_comes_as_text(client):
    marshalling.keep_events_raw()

    raw = unmarshalled(client, STREAM_EVENT, "application/json")
    assert isinstance(raw, RawEvent)
    assert decode_event(raw) == decode_event(orjson.loads(STREAM_EVENT))


@with_native
def test_a_kinesis_event_is_told_as_ever(client):
    read = unmarshalled(client, orjson.dumps({"Records": [kinesis_change()]}))
    marshalling.keep_events_raw()
    raw = unmarshalled(client, orjson.dumps({"Records": [kinesis_change()]}))

    assert isinstance(raw, RawEvent)
    assert decode_event(raw) == decode_event(read) != []


@with_native
@pytest.mark.parametrize("text", [b"{}", b'{"warm":true}', b'[{"Records":[]}]', b"1", b'"x"', b'{"Records":{}}'])
def test_any_other_event_comes_as_the_client_reads_it(client, text):
    marshalling.keep_events_raw()
    assert unmarshalled(client, text) == orjson.loads(text)


@with_native
def test_what_is_no_json_fails_in_the_client_or_in_the_handler(client):
    marshalling.keep_events_raw()

    with pytest.raises(FaultException, match="Unable to unmarshal input"):
        unmarshalled(client, b'{"Records"')
    with pytest.raises(ValueError, match="Expecting value"):
        decode_event(unmarshalled(client, b'{"Records":['))


@with_native
def test_what_is_not_sent_as_json_stays_what_it_is(client):
    marshalling.keep_events_raw()
    assert unmarshalled(client, STREAM_EVENT, "text/plain") == STREAM_EVENT
    assert client.marshaller.marshal_response({"a": 1}) == ('{"a": 1}', "application/json")


@pytest.mark.parametrize("marshaller", [None, object()])
def test_a_client_without_a_marshaller_of_its_kind_is_left_alone(client, monkeypatch, marshaller):
    monkeypatch.setattr(LambdaRuntimeClient, "marshaller", marshaller)
    marshalling.keep_events_raw()
    assert LambdaRuntimeClient.marshaller is marshaller


def test_without_accelerator_or_client_nothing_changes(client, monkeypatch):
    before = client.marshaller
    with monkeypatch.context() as patch:
        patch.setattr(marshalling, "NATIVE", None)
        marshalling.keep_events_raw()
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "awslambdaric.lambda_runtime_client", None)
        marshalling.keep_events_raw()
    assert client.marshaller is before
