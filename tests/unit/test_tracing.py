"""Traces: subsegments where an invocation is sampled, silence where it is not, never anything of an item."""

import json
import socket

import pytest

from tailrace.adapters.tracing import ENGINE_CALLS, HEADER, ITEM_CALLS, LETTER_CALLS, STREAM_CALLS, read_trace, traced
from tailrace.failures import ItemReadError
from tailrace.ports import ChangeStream, DeadLetterStore, ItemReader, SearchEngine

SAMPLED = "Root=1-67891233-abcdef012345678912345678;Parent=463ac35c9f6413ad;Sampled=1;Lineage=a:0"


class Reader:
    """A table that knows one item and fails for any other."""

    def read(self, table, keys):
        if keys != {"id": {"S": "canary-key"}}:
            raise ItemReadError("canary-text")
        return {"secret": {"S": "canary-value"}}


@pytest.fixture
def daemon():
    """A socket that hears what X-Ray's daemon would."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.settimeout(2)
        yield listener


def environment(daemon, trace=SAMPLED):
    return {"_X_AMZN_TRACE_ID": trace, "AWS_XRAY_DAEMON_ADDRESS": f"127.0.0.1:{daemon.getsockname()[1]}"}


def heard(daemon):
    header, _, document = daemon.recv(65_536).partition(b"\n")
    assert header + b"\n" == HEADER
    return json.loads(document)


def test_a_call_of_a_sampled_invocation_is_a_subsegment_of_its_trace(daemon):
    item = traced(Reader(), ITEM_CALLS, environment(daemon)).read("orders", {"id": {"S": "canary-key"}})

    told = heard(daemon)
    assert item == {"secret": {"S": "canary-value"}}
    assert (told["trace_id"], told["parent_id"]) == ("1-67891233-abcdef012345678912345678", "463ac35c9f6413ad")
    assert (told["type"], told["name"], told["fault"]) == ("subsegment", "read item", False)
    assert told["start_time"] <= told["end_time"]


def test_a_call_that_raises_is_a_fault_and_raises_all_the_same(daemon):
    with pytest.raises(ItemReadError):
        traced(Reader(), ITEM_CALLS, environment(daemon)).read("orders", {})

    assert heard(daemon)["fault"] is True


def test_a_subsegment_tells_nothing_of_an_item(daemon):
    reader = traced(Reader(), ITEM_CALLS, environment(daemon))
    reader.read("orders", {"id": {"S": "canary-key"}})
    with pytest.raises(ItemReadError):
        reader.read("orders", {})

    assert "canary" not in json.dumps([heard(daemon), heard(daemon)])


@pytest.mark.parametrize("trace", ["", "Root=1-67891233-abc;Sampled=0", "Sampled=1", "Root=1-67891233-abc;Sampled=1"])
def test_what_is_not_sampled_is_not_traced(trace):
    assert read_trace({"_X_AMZN_TRACE_ID": trace}) is None


def test_each_invocation_is_looked_at_anew(daemon):
    around = environment(daemon, trace="Root=1-67891233-abc;Parent=1;Sampled=0")
    reader = traced(Reader(), ITEM_CALLS, around)
    reader.read("orders", {"id": {"S": "canary-key"}})
    around["_X_AMZN_TRACE_ID"] = SAMPLED
    reader.read("orders", {"id": {"S": "canary-key"}})

    assert heard(daemon)["parent_id"] == "463ac35c9f6413ad"
    daemon.settimeout(0.05)
    with pytest.raises(TimeoutError):
        daemon.recv(1)


@pytest.mark.parametrize("address", ["127.0.0.1:1", "nowhere.invalid:2000", "tcp", ""])
def test_no_daemon_and_no_harm(address):
    around = {"_X_AMZN_TRACE_ID": SAMPLED, "AWS_XRAY_DAEMON_ADDRESS": address}

    assert traced(Reader(), ITEM_CALLS, around).read("orders", {"id": {"S": "canary-key"}})


@pytest.mark.parametrize(
    ("port", "calls"),
    [
        (SearchEngine, ENGINE_CALLS),
        (ItemReader, ITEM_CALLS),
        (DeadLetterStore, LETTER_CALLS),
        (ChangeStream, STREAM_CALLS),
    ],
)
def test_every_call_of_a_port_is_traced(port, calls):
    assert {name for name in vars(port) if not name.startswith("_")} == calls.keys()
